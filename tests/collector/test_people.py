"""Who started, re-ran and wrote what ran: by what GitHub says, and nobody where it says nothing."""

from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from collector.github.payloads import RunPayload, parse_payload
from collector.sync.convert import attempt_record, run_record
from db.definitions.records import RunRecord
from db.runs.run_queries import get_run, list_attempts
from tests.builders import NOON, add_repository, store_runs

SHA = "762b1c4b80080ab6722f67cee6be8f42f415dfc3"


def payload(**changed: Any) -> RunPayload:
    values = {
        "id": 7, "workflow_id": 5, "name": "CI", "display_title": "CI", "run_number": 7, "run_attempt": 1,
        "event": "push", "status": "completed", "conclusion": "failure", "head_branch": "main", "head_sha": SHA,
        "actor": {"login": "alice"}, "triggering_actor": {"login": "alice"}, "created_at": NOON.isoformat(),
        "updated_at": NOON.isoformat(), "html_url": "https://github.com/acme/web/actions/runs/7",
        "head_commit": {"message": "Round half to even\n\nAs in the books.", "author": {"name": "Hana Sato",
                                                                                      "email": "hana@acme.test"}},
    }  # fmt: skip
    return parse_payload(RunPayload, values | changed)


def record(**changed: Any) -> RunRecord:
    return run_record(payload(**changed))


def commit(message: str | None, author: str | None = "Hana Sato") -> dict[str, Any]:
    return {"head_commit": {"message": message, "author": author and {"name": author, "email": "x@y.test"}}}


def test_the_actor_started_the_run_and_the_triggering_actor_its_latest_attempt() -> None:
    again = payload(run_attempt=2, triggering_actor={"login": "bob"})
    assert (run_record(again).actor, run_record(again).triggering_actor) == ("alice", "bob")
    assert attempt_record(again).actor == "bob"


@pytest.mark.parametrize(
    ("number", "triggering", "expected"),
    [(1, None, "alice"), (2, None, None), (2, {"login": "bob"}, "bob"), (1, {"login": "bob"}, "bob")],
)
def test_nobody_is_named_for_a_rerun_that_github_does_not_attribute(
    number: int, triggering: dict[str, str] | None, expected: str | None
) -> None:
    told = payload(run_attempt=number, triggering_actor=triggering)
    assert attempt_record(told).actor == run_record(told).triggering_actor == expected


@pytest.mark.parametrize(
    ("message", "author", "stored"),
    [
        ("Fix it\n\nCo-authored-by: Bob B <bob@acme.test>\nSigned-off-by: c@acme.test", "Hana Sato",
         ("Hana Sato", "Fix it\n\nCo-authored-by: Bob B\nSigned-off-by:")),
        ("ping a.b+c@acme.co.uk now", "hana.sato@acme.test", ("hana.sato", "ping  now")),
        ("Use @types/node@18 and user@host", "Ann <ann@acme.test>", ("Ann", "Use @types/node@18 and user@host")),
        ("", "  ", (None, None)),
        (None, None, (None, None)),
        ("x" * 5_000, "y" * 500, ("y" * 200, "x" * 2_000)),
    ],
)  # fmt: skip
def test_addresses_are_not_stored(
    message: str | None, author: str | None, stored: tuple[str | None, str | None]
) -> None:
    found = record(**commit(message, author))
    assert (found.commit_author, found.commit_message) == stored


def test_a_message_full_of_addresses_is_read_in_time_proportional_to_its_length() -> None:
    for part in ("<", "a@", "@", "a.", "<a@"):
        assert record(**commit(part * 200_000)).commit_author == "Hana Sato"


def test_what_a_delivery_leaves_out_is_not_lost(engine: Engine) -> None:
    add_repository(engine)
    store_runs(engine, record(status="in_progress", conclusion=None))
    store_runs(engine, record(head_commit=None, actor=None, triggering_actor=None))
    with Session(engine) as session:
        run = get_run(session, 7)
        assert run is not None
        assert (run.status, run.actor, run.triggering_actor) == ("completed", "alice", "alice")
        assert (run.commit_author, run.commit_title) == ("Hana Sato", "Round half to even")
    store_runs(engine, record(run_attempt=2, triggering_actor=None))
    with Session(engine) as session:
        run = get_run(session, 7)
        assert run is not None
        assert (run.attempt, run.actor, run.triggering_actor, run.rerun_by) == (2, "alice", None, None)
        assert [each.actor for each in list_attempts(session, 7)] == ["alice", None]


def test_a_run_titled_by_its_workflow_shows_its_commit(engine: Engine) -> None:
    add_repository(engine)
    store_runs(
        engine, record(event="schedule"), record(id=8, run_number=8, display_title="Round half", head_commit=None),
        record(id=9, run_number=9, event="schedule", head_commit=None),
    )  # fmt: skip
    with Session(engine) as session:
        runs = [get_run(session, number) for number in (7, 8, 9)]
    assert [run and run.headline for run in runs] == ["Round half to even", "Round half", "CI"]
    assert [run and run.attribution for run in runs] == [
        "by Hana Sato", "(run started by alice)", "(run started by alice)"
    ]  # fmt: skip
