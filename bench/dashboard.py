"""The dashboard as launch.py starts it, and the resources of its process."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

import launch
from bench.collect import free_port

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class ServerProcess:
    url: str
    pid: int

    @property
    def megabytes(self) -> float:
        """Returns the memory of the process and its children; shared memory counts once."""
        return sum(_proportional_set_size(pid) for pid in _process_tree(self.pid))

    @property
    def cpu_seconds(self) -> float:
        ticks = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in _process_tree(self.pid)]
        return sum(int(fields[11]) + int(fields[12]) for fields in ticks) / os.sysconf("SC_CLK_TCK")


@contextmanager
def dashboard(database: str) -> Iterator[ServerProcess]:
    port = free_port()
    with _serve(launch._commands(is_demo=False, app_port=port)["app"], port, DATABASE_URL=database) as served:
        yield served


@contextmanager
def plain_page() -> Iterator[ServerProcess]:
    """Serves the plain page with the configuration of the dashboard, which Streamlit reads from the folder."""
    port = free_port()
    command = f'exec "{sys.executable}" -m streamlit run bench/plain_page.py --server.port {port} '
    with _serve(command + "--server.address localhost --logger.level warning", port) as served:
        yield served


@contextmanager
def _serve(command: str, port: int, **environment: str) -> Iterator[ServerProcess]:
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    process = subprocess.Popen(command, shell=True, cwd=ROOT, env=variables, stdout=subprocess.DEVNULL)
    url = f"http://localhost:{port}"
    try:
        _wait(url, process)
        yield ServerProcess(url, process.pid)
    finally:
        process.terminate()
        process.wait(20)


def _wait(url: str, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(300):
        if process.poll() is not None:
            break
        try:
            requests.get(f"{url}/_stcore/health", timeout=2)
            return
        except requests.RequestException:
            time.sleep(0.1)
    raise SystemExit(f"{url} did not start")


def _process_tree(process: int) -> list[int]:
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [process, *(pid for child in children for pid in _process_tree(int(child)))]


def _proportional_set_size(process: int) -> float:
    rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
    match = re.search(r"^Pss:\s+(\d+)", rollup, re.MULTILINE)
    assert match
    return int(match[1]) / 1024
