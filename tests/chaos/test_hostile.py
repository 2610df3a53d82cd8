"""Logs, names and workflow files that somebody wrote to do harm, while runs are collected: all rows are there, the
programs' memory and time stay bounded, and nothing reaches a terminal as it was written."""

import time
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from db.engine import write_scope
from db.enums import RuleKind
from db.models import JobLog, WorkflowSchedule
from demo.world.world import utc_now
from health.alerts.rules.rules import Rule, validate_rule
from health.alerts.storage.stored_rules import add_rule
from tests.builders import ACTOR
from tests.chaos.account import FULL, on
from tests.chaos.scene import REPO, Scene, scene, until

ESCAPES = b"\x1b]0;OWNED\x07\x1b[2J\x1b[31mRED\x1b[8m hidden \x1b[1000000000;1H"
BIDI = "\u202egnp.exe\u2066\u2069\u200f"
LOGS = {
    "escapes": ESCAPES * 500,
    "one long line": b"x" * 1_000_000 + b"\nerror: after it\n",
    "marks in one line": b"##[error]" * (900_000 if FULL else 100_000),
    "many marks": b"##[error]boom\n" * (300_000 if FULL else 60_000),
    "groups that never end": b"##[group]g\n" * 60_000,
    "zeros": b"\x00" * 200_000 + b"\nerror: \x00 zero\n",
    "no UTF-8": bytes(range(128, 256)) * 2_000 + b"\n\xed\xa0\x80\xc0\xaferror: \xff\n",
    "bidi": (BIDI * 5_000).encode() + b"\nerror TS2339: x\n",
    "line ends": b"a\rb\x0bc\x0cd\xc2\x85e\xe2\x80\xa8f\n" * 10_000,
    "tokens": b"eyJ-" * 100_000,
    "echo": b"+ echo '" * 60_000 + b"\n+ exit 1\n",
    "nothing": b"",
}
ANCHORS = "\n".join(
    ["a0: &a0 {x: 1, y: 2}", *(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 12))]
)
FILES = {
    "Merge keys": ANCHORS,
    "Laughs": "a: &a [x]\n" + "".join(f"{c}: &{c} [{', '.join(['*' + p] * 9)}]\n" for p, c in ["ab", "bc", "cd", "de"]),
    "Deep": "[" * 20_000,
    "Wide": "on:\n  schedule:\n" + "    - cron: '* * * * *'\n" * 20_000,
    "No YAML": "\x00\ufeff%TAG ! tag:x,2000:\n--- !!python/object/apply:os.system ['touch /tmp/owned']\n",
}  # fmt: skip
NAMES = ("\x1b[31mred\x1b[0m", BIDI, "a\x00b", "=cmd|'/c calc'!A1", "<script>alert(1)</script>", "x" * 3_000)


def happen(made: Scene) -> dict[str, int]:
    """Job ids of the logs."""
    jobs = {}
    for name, content in LOGS.items():
        (number,) = made.happens("CI", "failure", branch="logs")
        job = made.world.runs[number].attempts[-1].jobs[-1]
        made.world.set_log(job.id, content.decode("utf-8", "surrogateescape"))
        jobs[name] = job.id
    for place, name in enumerate(NAMES):
        made.happens("CI", "success", branch=f"b{place}-{name}".replace("\x00", ""), title=name, actor="eve")
    made.happens("Honest", "failure", "failure", "failure")
    return jobs


def write_files(made: Scene) -> None:
    """Before the list of workflows is read, which is done once an hour."""
    for name, content in FILES.items():
        made.happens(name, "success", event="schedule")
        made.world.set_file(REPO, name, content)


def stored(engine: Engine, jobs: dict[str, int]) -> set[str]:
    with Session(engine) as session:
        found = set(session.scalars(select(JobLog.job_id).where(JobLog.state.in_(("stored", "missing")))))
    return {name for name, job in jobs.items() if job in found}


def most_memory(pid: int) -> int:
    """In MB."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition("VmHWM:")[2].split()[0]) // 1024


@on("postgresql")
def test_what_was_written_to_do_harm_does_none(engine: Engine, database_url: str, tmp_path: Path) -> None:
    with write_scope(engine) as session:
        add_rule(session, validate_rule(Rule("missing", RuleKind.MISSING_RUN, 604_800)), utc_now(), actor=ACTOR)
    with scene(engine, database_url, tmp_path) as made, made.api() as api:
        write_files(made)
        collector = made.start("collector", "collector", COLLECT_LOGS="failed")
        made.wait_until_equal()
        begun = time.monotonic()
        jobs = happen(made)
        made.wait_until_equal()
        made.wait_until_sent(1)
        until(lambda: stored(engine, jobs) == set(LOGS), 120, "every log stored, or known to be none")
        took = time.monotonic() - begun
        until(lambda: schedules(engine) >= len(FILES), 60, "every workflow file read")
        for name, job in jobs.items():
            run = next(run for run in made.world.runs.values() if run.attempts[-1].jobs[-1].id == job)
            for wanted in ("json", "text"):
                answer = httpx.get(f"{api}/api/logs/{run.id}", params={"job_id": job, "format": wanted}, timeout=30)
                assert answer.status_code in (200, 404), (name, answer.text[:300])
        listed = httpx.get(f"{api}/api/runs", params={"limit": 500}, timeout=30)
        assert listed.status_code == 200
        memory = most_memory(collector.pid)
        assert memory < 500
        assert made.end(collector)[0] == 0
        made.assert_each_sent_once()
        for name in ("collector", "api"):
            log = made.log(name)
            assert "\x1b" not in log
            assert "\x00" not in log
            assert "\u202e" not in log
            assert "Traceback" not in log
        print(f"{len(LOGS)} logs and {len(FILES)} files after {took:.1f} s; the collector took {memory} MB")


def schedules(engine: Engine) -> int:
    with Session(engine) as session:
        return len(session.scalars(select(WorkflowSchedule.workflow_id)).all())


def test_the_corpus_is_as_hostile_as_it_says() -> None:
    with pytest.raises(UnicodeDecodeError):
        LOGS["no UTF-8"].decode()
    assert len(LOGS["one long line"].splitlines()[0]) == 1_000_000
