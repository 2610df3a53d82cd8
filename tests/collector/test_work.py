"""Health is progress: what hangs is seen, left to others, and ended."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from collector.claims import ClaimManager
from collector.github.pagination import fan_out
from collector.health import health
from collector.progress import Progress
from collector.settings import CollectorSettings
from collector.supervision import log_and_continue
from collector.tasks import Collector
from core.work import TaskTracker, current_task, report_progress, waiting_for_subtasks
from db.collection.heartbeat_detail import HeartbeatDetail
from db.engine import write_scope
from db.enums import Liveness
from db.repositories.repository_queries import HeartbeatRow, heartbeat
from db.repositories.repository_writes import add_targets
from health.completeness.collector_status import liveness, stalled_since
from tests import programs
from tests.collector.servers import Asked, Reply, StandIn, as_json
from tests.slow_servers import drip, serving

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)


def test_the_oldest_piece_is_the_one_that_made_no_step_for_longest() -> None:
    work = TaskTracker()
    assert work.stalest() is None
    with work.track("look") as look, work.track("logs") as logs:
        look.progressed_at, logs.progressed_at = time.monotonic() - 50, time.monotonic() - 20
        name, seconds = work.stalest() or ("", 0.0)
        assert (name, round(seconds)) == ("look", 50)
        report_progress()
        assert work.stalest() == ("look", pytest.approx(50, abs=1))
        assert current_task() is logs
    assert work.stalest() is None


def test_who_waits_for_parts_of_its_own_is_judged_by_them(engine: Engine) -> None:
    """One of three hangs: it is seen, though the others went on."""
    work, hangs, seen = TaskTracker(), threading.Event(), list[tuple[str, float]]()
    release = threading.Event()

    def fetch(number: int) -> int:
        if number == 1:
            hangs.set()
            release.wait(20)
        return number

    def job() -> None:
        piece = current_task()
        assert piece is not None
        piece.progressed_at -= 100
        list(fan_out(fetch, range(3), stop=threading.Event()))

    thread = threading.Thread(target=log_and_continue(job, engine, "look", work))
    thread.start()
    assert hangs.wait(20)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and not (seen and seen[-1][1] < 50):
        time.sleep(0.05)
        seen += filter(None, [work.stalest()])
    release.set()
    thread.join(20)
    assert seen[-1][0] == "look"
    assert seen[-1][1] < 50
    assert work.stalest() is None


def test_waiting_without_a_piece_is_nothing() -> None:
    with waiting_for_subtasks():
        report_progress()


def row(**detail: Any) -> HeartbeatRow:
    return HeartbeatRow(
        name="collector",
        seen_at=NOW,
        started_at=NOW,
        data_version=1,
        detail=HeartbeatDetail.from_dict(detail),
        stopped_at=None,
    )


@pytest.mark.parametrize(
    ("minutes", "poll", "expected"),
    [
        (None, 300, Liveness.LIVE),
        (15.9, 300, Liveness.LIVE),
        (16.1, 300, Liveness.STALE),
        (1.2, 6, Liveness.LIVE),
        (1.4, 6, Liveness.STALE),
    ],
)
def test_a_collector_that_beats_without_progress_is_stale(minutes: float | None, poll: int, expected: Liveness) -> None:
    since = (NOW - timedelta(minutes=minutes)).isoformat() if minutes else None
    found = row(beat_seconds=5, poll_seconds=poll, work="look", work_since=since)
    assert liveness(found, NOW) is expected
    assert (stalled_since(found, NOW) is not None) is (expected is Liveness.STALE)


@pytest.mark.parametrize("since", [None, "", "yesterday", 7, ["x"]])
def test_what_is_no_time_says_nothing(since: object) -> None:
    assert stalled_since(row(work_since=since), NOW) is None


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_health_command_tells_of_work_that_hangs(
    settings: CollectorSettings, collector: Collector, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    with collector.context.tracker.track("evaluation") as piece:
        piece.progressed_at -= 17 * 60
        seen_at = collector.reporter.beat(force=True)
        assert health(settings) == 1
    assert "made no progress since" in capsys.readouterr().out
    # What the check of the container reads ends with it.
    assert seen_at is not None
    assert datetime.now(UTC) - seen_at > timedelta(minutes=16)
    collector.reporter.beat(force=True)
    assert health(settings) == 0


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_what_a_collector_without_progress_holds_is_taken_over(engine: Engine) -> None:
    stalled = False
    with write_scope(engine) as session:
        add_targets(session, ["acme/web", "acme/api"], NOW)
    first = ClaimManager(engine, "first", lambda: NOW, lambda: stalled)
    assert first.renew().names == {"acme/web", "acme/api"}
    stalled = True
    # Alone, it keeps what it has: nobody else would read it.
    assert first.renew().names == {"acme/web", "acme/api"}
    second = ClaimManager(engine, "second", lambda: NOW)
    assert second.renew().names == frozenset()
    share = first.renew()
    assert (share.names, share.is_leader) == (frozenset(), False)
    share = second.renew()
    assert (share.names, share.is_leader, share.collectors) == ({"acme/web", "acme/api"}, True, 1)
    stalled = False
    assert first.renew().collectors == 2


def test_the_sign_of_life_names_the_work(engine: Engine) -> None:
    work = TaskTracker()
    progress = Progress(engine, lambda: NOW, HeartbeatDetail(poll_seconds=300), tracker=work)
    with work.track("fill") as piece:
        piece.progressed_at -= 60
        progress.beat(force=True)
    with Session(engine) as session:
        found = heartbeat(session)
    assert found is not None
    assert found.detail.work == "fill"
    assert found.detail.work_since == pytest.approx(NOW - timedelta(seconds=60), abs=timedelta(seconds=2))


@contextmanager
def collecting(url: str, folder: Path, **environment: str) -> Iterator[programs.Program]:
    database = f"sqlite:///{folder}/test.db"
    settings = {"DATABASE_URL": database, "GITHUB_REPOS": "acme/web", "GITHUB_API_URL": url, "GITHUB_TOKEN": "good",
                "POLL_INTERVAL_MINUTES": "0.05", "TMPDIR": str(folder), **environment}  # fmt: skip
    with (folder / "log").open("w") as log:
        program = programs.start("collector", environment=settings, log=log, folder=folder, alarm=90)
        try:
            yield program
        finally:
            program.kill()


def ends_within(program: programs.Program, seconds: float) -> float:
    begun = time.monotonic()
    program.terminate()
    program.wait(seconds)
    return time.monotonic() - begun


def test_a_look_that_hangs_does_not_keep_the_program_from_ending(tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n"
    reached = threading.Event()

    def answer() -> Any:
        reached.set()
        return itertools.chain([(0.0, head)], drip(b" " * 900, 1.0))

    with serving(answer) as port, collecting(f"http://127.0.0.1:{port}", tmp_path) as program:
        assert reached.wait(30)
        time.sleep(1)
        assert ends_within(program, 15) < 11
    assert "exiting while sync is still running" in (tmp_path / "log").read_text()


def test_a_service_at_rest_ends_at_once_and_cleanly(tmp_path: Path) -> None:
    asked = threading.Event()

    def respond(question: Asked) -> Reply:
        asked.set()
        return as_json({"message": "Not Found"}, 404)

    with StandIn(respond).serve() as url, collecting(url, tmp_path) as program:
        assert asked.wait(30)
        time.sleep(2)
        assert ends_within(program, 15) < 9
        assert program.returncode == 0
    assert "exiting while" not in (tmp_path / "log").read_text()


def test_python_code_that_never_ends_is_ended() -> None:
    """An evaluation that computes for ever, in the process of the service."""
    code = (
        "import signal, sys, threading\n"
        "from collector.supervision import enforce_shutdown_deadline\n"
        "from core.work import TaskTracker\n"
        "tracker, stop = TaskTracker(), threading.Event()\n"
        "signal.signal(signal.SIGTERM, lambda *_: stop.set())\n"
        "enforce_shutdown_deadline(stop, tracker)\n"
        "print('ready', flush=True)\n"
        "with tracker.track('evaluation'):\n"
        "    while True: sum(range(1000))\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=programs.ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        begun = time.monotonic()
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(15) == 1
    assert time.monotonic() - begun < 11
