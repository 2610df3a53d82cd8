"""python -m demo as a process: options, signals, exit codes and output."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from demo.webhooks.delivery import signature
from tests.demo.test_webhooks import receiver

ROOT = Path(__file__).parents[2]


def start(*arguments: str, module: str = "demo") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_its_url_responds_and_stops_cleanly(tmp_path: Path, stop: signal.Signals) -> None:
    state = tmp_path / "demo.json"
    with start("--port", "0", "--state", str(state)) as process:
        assert process.stdout
        line = process.stdout.readline()
        url = line.split()[-1]
        assert requests.get(f"{url}/repos/acme/web-app/actions/runs", timeout=10).json()["total_count"] > 500
        process.send_signal(stop)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (0, "", "")
    assert state.exists()


def test_a_port_in_use_is_one_line_on_stderr() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with start("--port", port) as process:
            _, err = process.communicate(timeout=10)
    assert process.returncode == 2
    assert err.splitlines() == [
        f"--port {port}: cannot listen on 127.0.0.1: Address already in use; choose another port."
    ]


@pytest.mark.parametrize("port", ["70000", "-1", "many"])
def test_a_bad_port_is_exit_2(port: str) -> None:
    with start("--port", port) as process:
        _, err = process.communicate(timeout=10)
    assert process.returncode == 2
    assert "--port" in err.splitlines()[-1]
    assert "Traceback" not in err


def test_the_live_account_sends_webhooks() -> None:
    with receiver() as (url, got), start("--port", "0", "--webhooks", url, "--webhook-secret", "s") as process:
        assert process.stdout
        process.stdout.readline()
        try:
            wait_until(lambda: len(got) >= 2, seconds=40)
        finally:
            process.terminate()
        _, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (0, "")
    fields, body = got[0]
    assert fields["X-Hub-Signature-256"] == signature(body, "s")


def wait_until(true: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.05)
    assert true()


def test_unless_ends_the_program_if_the_variable_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_REPOS", "octo/one")
    with start("--port", "0", "--unless", "GITHUB_REPOS") as process:
        out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (0, "GITHUB_REPOS is set: no GitHub to simulate.\n", "")
