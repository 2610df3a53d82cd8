"""Values in GitHub's answers that no real one has: too deep, too large, too long, beyond the calendar. What can be read
is read, the rest is one line, and other repositories go on."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from collector.github.payloads import InvalidPayload, JobPayload, RunPayload, parse_payload
from db.models import Run
from tests.collector.conftest import Clock, GitHub
from tests.collector.syncing import sync
from tests.simulator.app import create_app, running

REPO, OTHER = "acme/web", "acme/api"
DEEP = "[" * 1_000_000 + "]" * 1_000_000
LONG = json.dumps("x" * 10_000_000)
# Of one run in a list: the field, what stands there, and whether the run can be stored all the same.
ONE = {
    "a float beyond all": ("run_number", "1e999", False),
    "no number": ("id", "NaN", False),
    "an infinite id": ("workflow_id", "-Infinity", False),
    "a fraction": ("run_attempt", "1.5", False),
    "year 1": ("created_at", '"0001-01-01T00:00:00+14:00"', False),
    "year 9999": ("updated_at", '"9999-12-31T23:59:59-14:00"', False),
    "a year of five digits": ("created_at", '"12026-01-01T00:00:00Z"', False),
    "a moment beyond all": ("updated_at", "1e999", False),
    "a number of 70 bits": ("id", str(2**70), False),
    "a title of 10 MB": ("display_title", LONG, True),
    "a title of control characters": ("display_title", '"\\u001b[2Ja\\u0000\\u009b"', True),
    "a title of a number": ("display_title", "1e999", True),
    "an address of 10 MB": ("html_url", LONG, True),
    "a login of 10 MB": ("actor", f'{{"login": {LONG}}}', True),
    "a message of 10 MB": ("head_commit", f'{{"message": {LONG}}}', True),
}
# What makes the whole answer none.
WHOLE = {"a million of brackets": DEEP, "a number of 5,000 digits": "9" * 5_000, "half a text": '"\\ud800"x'}


class Altered:
    """The simulator, whose list of runs of REPO has another run beside its own, with `raw` in a field of it."""

    def __init__(self, simulator: ASGIApp, field: str, raw: str) -> None:
        self._simulator, self._field, self._raw = simulator, field, raw

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != f"/repos/{REPO}/actions/runs":
            await self._simulator(scope, receive, send)
            return
        parts: list[bytes] = []

        async def keep(message: object) -> None:
            assert isinstance(message, dict)
            parts.append(message.get("body", b""))

        scope["headers"] = [each for each in scope["headers"] if each[0] != b"if-none-match"]
        await self._simulator(scope, receive, keep)
        answer = json.loads(b"".join(parts))
        if answer["workflow_runs"]:
            item = {**answer["workflow_runs"][0], "id": 990_001, "run_number": 990, self._field: "@raw@"}
            answer["workflow_runs"].append(item)
            answer["total_count"] += 1
        text = json.dumps(answer).replace('"@raw@"', self._raw)
        await Response(text, media_type="application/json")(scope, receive, send)


@contextmanager
def altered(github: GitHub, field: str, raw: str) -> Iterator[str]:
    github.world.add_repository(OTHER)
    github.world.add_workflow(OTHER, "CI")
    for repo in (REPO, OTHER):
        for hours in (1, 2):
            github.world.add_run(repo, "CI", created_at=github.clock() - timedelta(hours=hours))
    with running(Altered(create_app(github.world, tokens={"good"}), field, raw)) as url:
        yield url


def stored(engine: Engine) -> list[Run]:
    with Session(engine) as session:
        return list(session.scalars(select(Run)))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", ONE)
def test_one_run_that_cannot_be_read_keeps_no_other_away(
    engine: Engine, github: GitHub, clock: Clock, name: str
) -> None:
    field, raw, readable = ONE[name]
    with altered(github, field, raw) as url:
        outcome = sync(engine, url, (REPO, OTHER), clock=clock)
    runs = stored(engine)
    assert len({run.id for run in runs if run.id != 990_001}) == 4
    assert any(run.id == 990_001 for run in runs) is readable
    assert all(len(run.title) <= 1_000 and len(run.html_url) <= 4_000 for run in runs)
    assert not [run.title for run in runs if not run.title.isprintable()]
    assert all(len(str(each)) < 1_000 for each in outcome.failures.values())


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", WHOLE)
def test_an_answer_that_is_none_is_one_line_and_the_others_go_on(
    engine: Engine, github: GitHub, clock: Clock, name: str
) -> None:
    with altered(github, "display_title", WHOLE[name]) as url:
        outcome = sync(engine, url, (REPO, OTHER), clock=clock)
    assert list(outcome.failures) == [REPO]
    line = outcome.failures[REPO]
    assert len(line.splitlines()) == 1
    assert "did not return JSON" in line
    assert len(stored(engine)) == 2


def test_names_of_jobs_and_steps_are_cut_and_what_is_no_job_is_one_line() -> None:
    huge = "x" * 10_000_000
    item = {"id": 1, "run_id": 2, "name": huge, "runner_name": huge, "labels": [huge] * 1_000, "html_url": huge}
    found = parse_payload(JobPayload, {**item, "steps": [{"number": 1, "name": huge}]})
    assert found.labels is not None
    assert found.steps is not None
    assert (len(found.name), len(found.steps[0].name)) == (1_000, 1_000)
    assert (len(found.labels), len(found.labels[0])) == (100, 1_000)
    for bad in ({"id": huge}, {"id": float("inf")}, {huge: 1}, [], huge, None):
        with pytest.raises(InvalidPayload) as caught:
            parse_payload(RunPayload, bad)
        line = str(caught.value)
        assert len(line) <= 300
        assert len(line.splitlines()) == 1
