"""One delivery, followed by its id through the logs of both programs."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine

from core.logging import formatter
from tests.api.conftest import TestClient, make_client  # noqa: F401 - a fixture
from tests.api.webhooks import PATH, SECRET, request
from tests.builders import add_repository
from tests.collector.deliveries import apply, job_event, run_event

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@contextmanager
def logged(service: str, into: list[dict[str, Any]]) -> Iterator[None]:
    """What the program writes in production."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter(service, "prod"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    written = [json.loads(each) for each in stream.getvalue().splitlines()]
    # The client writes into the same log.
    into += [each for each in written if each["logger"].startswith(service)]


@pytest.fixture
def client(make_client: Any, engine: Engine) -> TestClient:  # noqa: F811
    add_repository(engine)
    found: TestClient = make_client(github_webhook_secret=SECRET, backend_env="prod")
    return found


def test_a_delivery_carries_one_id_through_both_programs(client: TestClient, engine: Engine) -> None:
    lines: list[dict[str, Any]] = []
    (event, run), (other, job) = run_event(100), job_event(7, 100)
    with logged("api", lines):
        client.post(PATH, **request(run, event=event, delivery="d-run"))
        client.post(PATH, **request(run, event=event, delivery="d-run"))
        client.post(PATH, **request(job, event=other, delivery="d-job"))
        client.post(PATH, **request(b"no json", event=event, delivery="d-bad"))
    with logged("collector", lines):
        apply(engine)
    kept = ("service", "outcome", "event", "repository", "run_id", "job_id")
    found: dict[str, list[dict[str, Any]]] = {}
    for each in lines:
        found.setdefault(each["delivery_id"], []).append({key: each[key] for key in kept if key in each})
    about = {"repository": "acme/web", "run_id": 100}
    assert found == {
        "d-run": [
            {"service": "api", "outcome": "stored", "event": event},
            {"service": "api", "outcome": "duplicate", "event": event},
            {"service": "collector", "outcome": "applied", "event": event, **about},
        ],
        "d-job": [
            {"service": "api", "outcome": "stored", "event": other},
            {"service": "collector", "outcome": "applied", "event": other, **about, "job_id": 7},
        ],
        "d-bad": [
            {"service": "api", "outcome": "stored", "event": event},
            {"service": "collector", "outcome": "failed", "event": event},
        ],
    }
    assert len({each["request_id"] for each in lines if each["service"] == "api"}) == 4


def test_a_line_written_while_a_request_is_answered_carries_its_id(client: TestClient) -> None:
    lines: list[dict[str, Any]] = []
    with pytest.MonkeyPatch.context() as patch, logged("api", lines):
        patch.setitem(client.app.state._state, "cache", None)  # type: ignore[attr-defined]
        answer = client.get("/api/metrics", headers={"X-Request-ID": "abc-1"})
    assert answer.status_code == 500
    assert {each["logger"]: each.get("request_id") for each in lines} == {"api.errors": "abc-1", "api.access": "abc-1"}
    assert "NoneType" in lines[0]["exception"]
    assert (lines[1]["status"], lines[1]["path"]) == (500, "/api/metrics")
