"""Webhooks: which events are sent and when, how they are altered for tests, and how they are posted."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from demo.webhooks.delivery import Delivery, headers, signature
from demo.webhooks.events import deliveries
from tests.demo.conftest import MONDAY, REPO, Clock
from tests.simulator.factories import JobPlan
from tests.simulator.scale import build
from tests.simulator.truth import truth
from tests.simulator.webhooks import dropped, duplicated, forged, is_forged, nulled, send, shuffled
from tests.simulator.world import EditableWorld

AGO = MONDAY - timedelta(hours=2)
SECRET = "It's a Secret to Everybody"


@pytest.fixture
def world(clock: Clock) -> EditableWorld:
    made = EditableWorld(clock)
    made.add_repository(REPO)
    made.add_workflow(REPO, "CI")
    return made


def event_rows(sent: list[Delivery]) -> list[tuple[str, str, str, int]]:
    """Return subject, action, status in the payload, and seconds since the creation of the run."""
    found = []
    for each in sent:
        subject = json.loads(each.body)[each.event]
        name = subject["name"] if each.job_id else "run"
        found.append((name, each.action, subject["status"], round((each.moment - AGO).total_seconds())))
    return found


def test_events_of_a_run(world: EditableWorld) -> None:
    world.add_run(REPO, "CI", created_at=AGO, queue=5, duration=60, jobs=["test"])
    assert event_rows(deliveries(world)) == [
        ("run", "requested", "queued", 0),
        ("test", "queued", "queued", 0),
        ("run", "in_progress", "in_progress", 5),
        ("test", "in_progress", "in_progress", 5),
        ("test", "completed", "completed", 65),
        ("run", "completed", "completed", 67),
    ]


def test_a_deployment_job_has_a_waiting_event(world: EditableWorld) -> None:
    run = world.add_run(REPO, "CI", created_at=AGO, jobs=["ship"])
    world.runs[run].attempts[0].jobs[0].kind = "deploy"
    jobs = [each for each in event_rows(deliveries(world)) if each[0] == "ship"]
    assert jobs[:2] == [("ship", "waiting", "waiting", 0), ("ship", "queued", "queued", 0)]


def test_copies_phantoms_and_startup_failures_have_no_events(world: EditableWorld) -> None:
    run = world.add_run(REPO, "CI", created_at=AGO, conclusion="failure", jobs=["lint", "test"])
    world.rerun(run, at=AGO + timedelta(hours=1))
    silent = world.add_run(REPO, "CI", created_at=AGO, conclusion="startup_failure", jobs=0)
    world.add_run(REPO, "CI", created_at=AGO, jobs=[JobPlan("Test results", phantom=True)])
    listed = deliveries(world)
    second = [each.action for each in listed if json.loads(each.body)[each.event]["run_attempt"] == 2]
    names = [json.loads(each.body)["workflow_job"]["name"] for each in listed if each.job_id]
    assert second == ["requested", "queued", "in_progress", "in_progress", "completed", "completed"]
    assert (names.count("lint"), names.count("test"), names.count("Test results")) == (3, 6, 0)
    assert silent not in {each.run_id for each in listed}


def test_deliveries_can_be_limited_to_an_interval(world: EditableWorld) -> None:
    world.add_run(REPO, "CI", created_at=AGO, queue=5, duration=60, jobs=["test"])
    listed = deliveries(world, AGO, AGO + timedelta(seconds=65))
    assert [each.action for each in listed] == ["in_progress", "in_progress", "completed"]
    assert deliveries(world, MONDAY - timedelta(minutes=1)) == []


def test_the_last_event_equals_the_ground_truth(clock: Clock) -> None:
    world = build(clock, repositories=1, runs=60)
    latest: dict[tuple[int, int], tuple[str, Any]] = {}
    for each in deliveries(world):
        if each.event == "workflow_run":
            subject = json.loads(each.body)["workflow_run"]
            latest[each.run_id, subject["run_attempt"]] = (subject["status"], subject["conclusion"])
    found = truth(world)
    expected = {key: (row.status, row.conclusion) for key, row in found.attempts.items()}
    assert latest == {key: row for key, row in expected.items() if row[1] != "startup_failure"}


def test_payloads_have_githubs_fields(world: EditableWorld) -> None:
    world.add_run(REPO, "CI", created_at=AGO)
    run, job = (next(json.loads(each.body) for each in deliveries(world) if each.event == event)
                for event in ("workflow_run", "workflow_job"))  # fmt: skip
    assert set(run) == {"action", "workflow_run", "workflow", "repository", "organization", "sender"}
    assert set(job) == {"action", "workflow_job", "repository", "organization", "sender"}
    assert run["workflow_run"]["created_at"] == "2026-11-23T12:30:00Z"
    assert run["repository"]["full_name"] == job["repository"]["full_name"] == REPO


def test_signature_equals_githubs_example() -> None:
    assert signature(b"Hello, World!", SECRET) == (
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    )


@pytest.fixture
def listed(clock: Clock) -> list[Delivery]:
    return deliveries(build(clock, repositories=1, runs=12))


def test_deliveries_can_be_shuffled_duplicated_and_dropped(listed: list[Delivery]) -> None:
    mixed = shuffled(listed)
    assert mixed != listed
    assert sorted(each.id for each in mixed) == sorted(each.id for each in listed)
    assert len({each.id for each in listed}) == len(listed)
    twice = duplicated(listed, 0.2)
    assert {each.id for each in twice} == {each.id for each in listed}
    assert len(listed) * 1.05 < len(twice) < len(listed) * 1.4
    assert 0 < len(dropped(listed, 0.3)) < len(listed)


def test_forged_deliveries_have_a_wrong_signature(listed: list[Delivery]) -> None:
    found = forged(listed, 0.3)
    lies = [each for each in found if is_forged(each)]
    assert [each for each in found if not is_forged(each)] == listed
    assert lies
    for each in lies:
        assert headers(each, SECRET)["X-Hub-Signature-256"] != signature(each.body, SECRET)
        assert json.loads(each.body)[each.event]["head_branch"] == "forged"
    assert headers(listed[0], SECRET)["X-Hub-Signature-256"] == signature(listed[0].body, SECRET)


def test_nulled_deliveries_have_null_fields(listed: list[Delivery]) -> None:
    found = nulled(listed, 0.5)
    assert [each.id for each in found] == [each.id for each in listed]
    changed = [each for each, before in zip(found, listed, strict=True) if each.body != before.body]
    assert len(changed) > len(listed) * 0.3
    assert all(None in json.loads(each.body)[each.event].values() for each in changed)


Received = list[tuple[dict[str, str], bytes]]


@contextmanager
def receiver(*statuses: int) -> Iterator[tuple[str, Received]]:
    """Answers with these statuses in turn, then 202; status 0 hangs up."""
    got: Received = []
    waiting = list(statuses)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            got.append((dict(self.headers.items()), body))
            status = waiting.pop(0) if waiting else 202
            if status == 0:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/webhooks?x=1", got
        finally:
            server.shutdown()
            thread.join()


def test_all_deliveries_are_sent_and_signed(listed: list[Delivery]) -> None:
    with receiver() as (url, got):
        sent = send(listed, url, SECRET, 2000, connections=4)
    assert [each.delivery for each in sent] == listed
    assert {each.status for each in sent} == {202}
    assert sorted(fields["X-GitHub-Delivery"] for fields, _ in got) == sorted(each.id for each in listed)
    for fields, body in got:
        assert fields["X-Hub-Signature-256"] == signature(body, SECRET)
        assert fields["X-GitHub-Event"] in ("workflow_run", "workflow_job")


def test_failed_deliveries_are_not_sent_again(listed: list[Delivery]) -> None:
    with receiver(500, 0) as (url, got):
        sent = send(listed[:4], url, SECRET, 1000, connections=1)
    # Only the connection that was kept open is tried twice, as nobody can know that it was closed.
    assert [each.status for each in sent] == [500, 202, 202, 202]
    assert len(got) == 5


def test_a_refused_connection_is_status_0_with_the_reason(listed: list[Delivery]) -> None:
    sent = send(listed[:2], "http://127.0.0.1:9/webhooks", SECRET, 1000, timeout=2)
    assert [each.status for each in sent] == [0, 0]
    assert sent[0].error


def test_deliveries_are_sent_at_a_steady_rate(listed: list[Delivery]) -> None:
    with receiver() as (url, _):
        sent = send(listed[:10], url, SECRET, 100)
    assert len(sent) == 10
    assert all(each.seconds >= each.late >= 0 for each in sent)
