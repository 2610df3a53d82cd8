"""Is it complete? As a program asks it."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from db.collection.sync_state import add_gap, record_heartbeat
from db.definitions.records import RepositoryRecord
from db.engine import write_scope
from db.enums import ErrorCode
from db.logs.log_writes import request_logs
from db.repositories.repository_writes import record_target
from db.saved_views import Owner, save_view
from tests.api.conftest import NOW, TestClient
from tests.builders import ACTOR, NOON, add_repository, job, run, store_jobs, store_runs
from tests.completeness_rows import DAY, add, backfill, mark_complete, run_gap

REFUSED = "GitHub refuses it (403): Resource not accessible"


@pytest.fixture(autouse=True)
def _complete(client: TestClient, engine: Engine) -> None:
    """A collector at work, and a repository of which nothing is missing."""
    mark_complete(engine, covered_to=NOW, synced_at=NOW)
    seen(engine)


def seen(engine: Engine, ago: timedelta = timedelta(0)) -> None:
    with write_scope(engine) as session:
        record_heartbeat(session, NOW - ago, {"state": "idle", "poll_seconds": 300})


def fetch(client: TestClient) -> dict[str, Any]:
    answer: dict[str, Any] = client.get("/api/repositories").json()
    return answer


def one(client: TestClient) -> dict[str, Any]:
    (found,) = fetch(client)["items"]
    return dict(found)


def gaps(client: TestClient, path: str = "/api/metrics", **asked: str) -> list[dict[str, Any]]:
    answer = client.get(path, params=asked)
    assert answer.status_code == 200
    body = answer.json()
    data = (body.get("points") or body.get("items") or [body])[0]["data"]
    return list(data["gaps"])


def kinds(client: TestClient, **asked: str) -> list[str]:
    return [gap["kind"] for gap in gaps(client, **asked)]


def test_a_complete_repository_tells_since_when_and_up_to_when(client: TestClient, engine: Engine) -> None:
    store_runs(engine, run(1), run(2))
    store_jobs(engine, 1, job(1))
    store_jobs(engine, 2, job(2))
    assert one(client) == {
        "id": 1, "repo": "acme/web", "default_branch": "main", "private": True, "archived": False, "monitored": True,
        "html_url": "https://github.com/acme/web", "state": "complete", "complete_since": "2026-10-19T12:00:00Z",
        "covered_to": "2026-11-18T18:00:00Z", "synced_at": "2026-11-18T18:00:00Z",
        "relooked_deep_at": "2026-11-18T12:00:00Z", "audited_at": "2026-11-18T12:00:00Z", "error": None,
        "error_at": None, "actions_missing_since": None, "advice": None, "gaps": [], "runs": 2, "runs_without_jobs": 0,
        "runs_absent": 0,
        "logs": {"pending": 0, "expired": 0, "missing": 0}, "history": None,
    }  # fmt: skip


def test_the_answer_in_a_sentence_is_yes_only_while_a_collector_is_at_work(client: TestClient, engine: Engine) -> None:
    summary = fetch(client)["summary"]
    assert (summary["complete"], summary["history"]) == (True, None)
    assert summary["headline"] == "Data is complete since 19 Oct 2026, last sync just now"
    assert summary["states"] == {
        "complete": 1,
        "archived": 0,
        "no_actions": 0,
        "catching_up": 0,
        "gaps": 0,
        "failing": 0,
    }
    seen(engine, timedelta(minutes=17))
    summary = fetch(client)["summary"]
    assert summary["complete"] is False
    assert "the collector is not running" in summary["detail"]


def test_what_is_missing_is_told_with_its_time(client: TestClient, engine: Engine) -> None:
    store_runs(engine, run(1), run(2, conclusion="failure"))
    store_jobs(engine, 2, job(2, conclusion="failure"))
    add(engine, run_gap(118, 121), run_gap(7, 8, "absent"))
    with write_scope(engine) as session:
        request_logs(session, 1, 2, [2], NOON)
    found = one(client)
    assert (found["state"], found["runs_without_jobs"], found["runs_absent"]) == ("gaps", 1, 2)
    assert found["logs"] == {"pending": 1, "expired": 0, "missing": 0}
    numbers, jobs = found["gaps"]
    assert numbers == {
        "kind": "run_numbers", "detail": "run numbers 118–121 of CI are missing; they are being requested from GitHub",
        "since": "2026-11-17T12:00:00Z", "until": "2026-11-17T12:38:00Z",
    }  # fmt: skip
    assert (jobs["kind"], jobs["since"], jobs["until"]) == ("jobs", "2026-11-18T12:00:00Z", "2026-11-18T12:00:00Z")


def test_history_that_is_being_read_tells_how_far_it_is(client: TestClient, engine: Engine) -> None:
    add(engine, backfill(started_at=NOW - timedelta(minutes=10)))
    found = fetch(client)
    (repository,) = found["items"]
    assert repository["state"] == "catching_up"
    assert repository["history"] == {"done": 400, "expected": 1600, "share": 0.25, "seconds_left": 1800.0}
    assert found["summary"]["history"] == repository["history"]


def test_what_cannot_be_read_comes_with_what_to_do(client: TestClient, engine: Engine) -> None:
    mark_complete(engine, error=REFUSED, error_code="forbidden", error_at=NOW)
    with write_scope(engine) as session:
        record_target(session, "acme/gone", None, "/repos/acme/gone not found (404)", NOW, code=ErrorCode.NOT_FOUND)
        record_target(session, "acme/web", 1, REFUSED, NOW, code=ErrorCode.FORBIDDEN)
    found = fetch(client)
    (repository,), (unreadable,) = found["items"], found["unreadable"]
    assert (repository["state"], repository["error"]) == ("failing", REFUSED)
    assert repository["advice"].startswith("Grant the token permission to read Actions")
    assert (unreadable["name"], unreadable["checked_at"]) == ("acme/gone", "2026-11-18T18:00:00Z")
    assert unreadable["advice"].startswith("Check the name in GITHUB_REPOS")
    assert found["summary"]["headline"] == "2 of 2 repositories cannot be synced"


def test_repositories_stand_by_name_each_with_its_own(client: TestClient, engine: Engine) -> None:
    add_repository(engine, RepositoryRecord(2, "acme/Api", "main", False, True, ""))
    mark_complete(engine, 2)
    add(engine, run_gap(3, 3, repository_id=1))
    assert [(each["repo"], each["state"]) for each in fetch(client)["items"]] == [
        ("acme/Api", "archived"), ("acme/web", "gaps"),
    ]  # fmt: skip


def test_the_figures_name_run_numbers_that_are_missing_from_their_window(client: TestClient, engine: Engine) -> None:
    add(engine, run_gap(118, 121, days=10), run_gap(7, 8, "absent"))
    (gap,) = gaps(client)
    assert gap == {
        "repo": "acme/web", "kind": "run_numbers", "since": "2026-11-08T12:00:00Z", "until": "2026-11-08T12:38:00Z",
        "detail": "run numbers 118–121 of CI are missing; they are being requested from GitHub",
    }  # fmt: skip
    assert kinds(client, since="9d") == []
    assert kinds(client, since="20d", until="11d") == []


def test_the_figures_name_history_of_their_window_that_is_still_being_read(client: TestClient, engine: Engine) -> None:
    add(engine, backfill())
    assert kinds(client, since="60d") == ["history"]
    assert kinds(client, since="30d") == []


def test_the_figures_name_a_second_that_github_does_not_list_in_full(client: TestClient, engine: Engine) -> None:
    with write_scope(engine) as session:
        add_gap(session, 1, "capped", "more than 1,000 runs", since=NOON - 5 * DAY, until=NOON - 5 * DAY)
    assert kinds(client) == ["capped"]
    assert kinds(client, since="4d") == []


def test_the_figures_name_a_blocked_repository_for_windows_after_its_last_look(
    client: TestClient, engine: Engine
) -> None:
    mark_complete(engine, synced_at=NOON - 2 * DAY, error="GitHub has blocked it (451)", error_at=NOW)
    (gap,) = gaps(client)
    assert (gap["repo"], gap["kind"], gap["since"]) == ("acme/web", "error", "2026-11-16T12:00:00Z")
    assert kinds(client, since="20d", until="3d") == []


def test_the_figures_name_a_repository_that_was_never_read_unless_others_are_asked_for(
    client: TestClient, engine: Engine
) -> None:
    with write_scope(engine) as session:
        record_target(session, "acme/blocked", None, "GitHub has blocked it (451)", NOW)
    (gap,) = gaps(client)
    assert (gap["repo"], gap["kind"], gap["since"], gap["until"]) == ("acme/blocked", "unreadable", None, None)
    assert kinds(client, repo="acme/web") == []


def test_the_figures_name_runs_of_their_window_without_jobs(client: TestClient, engine: Engine) -> None:
    store_runs(engine, run(1), run(2, minutes=-3 * 24 * 60), run(3))
    store_jobs(engine, 3, job(3))
    assert [gap["detail"].partition(" still")[0] for gap in gaps(client)] == ["2 runs"]
    assert [gap["detail"].partition(" still")[0] for gap in gaps(client, since="2d")] == ["1 run"]
    assert kinds(client, since="5h") == []


@pytest.mark.parametrize(("path", "asked"), [("/api/metrics/series", {}), ("/api/metrics/groups", {"by": "repo"})])
def test_series_and_groups_name_them_too(client: TestClient, engine: Engine, path: str, asked: dict[str, str]) -> None:
    store_runs(engine, run(1))
    store_jobs(engine, 1, job(1))
    add(engine, run_gap(118, 121))
    assert [gap["kind"] for gap in gaps(client, path, **asked)] == ["run_numbers"]


def test_saved_views_are_listed_with_their_links(client: TestClient, engine: Engine) -> None:
    assert client.get("/api/views").json() == {"items": []}
    with write_scope(engine) as session:
        save_view(
            session, "Web", "", "runs", "repo=acme%2Fweb", owner=Owner("k", "ann@example.com"), now=NOON, actor=ACTOR
        )
        save_view(session, "All", "everything", "", "", owner=None, now=NOON, actor=ACTOR)
    answer = client.get("/api/views")
    every, web = answer.json()["items"]
    assert (every["link"], web["link"]) == (f"./?saved={every['id']}", f"runs?repo=acme%2Fweb&saved={web['id']}")
    assert (every["owner"], web["owner"], web["created_at"]) == (None, "ann@example.com", "2026-11-18T12:00:00Z")
    assert "owner_key" not in web
    assert client.get("/api/views", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    assert client.get("/api/views?x=1").status_code == 422
