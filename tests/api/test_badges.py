from dataclasses import replace
from datetime import timedelta
from xml.etree import ElementTree

import pytest
from sqlalchemy import Engine, update

from api.routes.badges import UNKNOWN, badge
from db.collection.sync_state import record_heartbeat, sync_state
from db.definitions.records import WorkflowRecord
from db.engine import write_scope
from db.models import Backfill, Workflow
from tests.api.conftest import NOW, MakeClient, TestClient
from tests.builders import REPO, WORKFLOW, add_repository, run, store_runs

PATH = "/api/badge/acme/web.svg"
SVG = "{http://www.w3.org/2000/svg}"


def texts(client: TestClient, path: str = PATH, status: int = 200) -> list[str | None]:
    answer = client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "image/svg+xml"
    image = ElementTree.fromstring(answer.content)
    assert image.get("role") == "img"
    return [each.text for each in image.iter(f"{SVG}text")]


def test_it_says_how_the_default_branch_is(client: TestClient, engine: Engine) -> None:
    assert texts(client) == ["pipeline health", "no runs"]
    store_runs(engine, run(1, minutes=1), run(2, minutes=2, branch="feature", conclusion="failure"))
    assert texts(client) == ["pipeline health", "passing"]
    store_runs(engine, run(3, minutes=3, conclusion="failure"))
    assert texts(client) == ["pipeline health", "failing"]
    store_runs(engine, run(4, minutes=4, conclusion="cancelled"))
    assert texts(client, "/api/badge/ACME/Web.svg") == ["pipeline health", "failing"]


def test_it_is_not_green_before_everything_of_90_days_is_read(client: TestClient, engine: Engine) -> None:
    store_runs(engine, run(1, minutes=1))
    with write_scope(engine) as session:
        record_heartbeat(session, NOW, {"state": "syncing"})
    assert texts(client)[1] == "catching up"
    assert texts(client, f"{PATH}?show=success_rate")[1] == "100.0% so far"
    assert UNKNOWN in client.get(f"{PATH}?show=success_rate").text
    with write_scope(engine) as session:
        state = sync_state(session, 1)
        state.synced_at = NOW
        state.complete_since = NOW - timedelta(days=30)
    assert texts(client)[1] == "passing"
    with write_scope(engine) as session:
        ends = {
            "since": NOW - timedelta(days=60),
            "until": NOW - timedelta(days=30),
            "cursor": NOW - timedelta(days=40),
        }
        session.add(Backfill(repository_id=1, phase="reading", runs_done=0, started_at=NOW, **ends))
    assert texts(client)[1] == "catching up"
    store_runs(engine, run(2, minutes=2, conclusion="failure"))
    assert texts(client)[1] == "failing"


@pytest.mark.parametrize(
    ("state", "word"), [("disabled_manually", "disabled"), ("deleted", "deleted"), ("active", "failing")]
)
def test_a_workflow_that_cannot_run_is_neither_failing_nor_passing(
    client: TestClient, engine: Engine, state: str, word: str
) -> None:
    store_runs(engine, run(1, minutes=1, conclusion="failure"))
    with write_scope(engine) as session:
        session.execute(update(Workflow).values(state=state))
    assert texts(client)[1] == word


@pytest.mark.parametrize("conclusion", ["success", "failure"])
def test_an_archived_repository_is_neither_failing_nor_passing(
    client: TestClient, engine: Engine, conclusion: str
) -> None:
    store_runs(engine, run(1, minutes=1, conclusion=conclusion))
    add_repository(engine, replace(REPO, archived=True))
    assert texts(client) == ["pipeline health", "archived"]


def test_one_workflow_a_label_or_a_rate(client: TestClient, engine: Engine) -> None:
    store_runs(engine, run(1, minutes=1), run(2, minutes=2, conclusion="failure"), run(3, minutes=3))
    assert texts(client, f"{PATH}?workflow=CI") == ["CI", "passing"]
    assert texts(client, f"{PATH}?workflow=other") == ["other", "no runs"]
    assert texts(client, f"{PATH}?label=build&show=success_rate") == ["build", "66.7%"]
    assert client.get(f"{PATH}?show=all").status_code == 422


def test_the_rate_is_that_of_our_default_branch(client: TestClient, engine: Engine) -> None:
    store_runs(engine, run(1, minutes=1), run(2, minutes=2), run(3, minutes=3, branch="feature", conclusion="failure"))
    store_runs(engine, run(4, minutes=4, event="pull_request", from_fork=True, conclusion="failure"))
    assert texts(client, f"{PATH}?show=success_rate") == ["pipeline health", "100.0%"]
    store_runs(engine, run(5, minutes=5, conclusion="failure"), run(6, minutes=6))
    assert texts(client, f"{PATH}?show=success_rate") == ["pipeline health", "75.0%"]


@pytest.mark.parametrize(("state", "word"), [("deleted", "deleted"), ("disabled_manually", "disabled")])
def test_a_workflow_that_cannot_run_beside_a_passing_one_is_neither_failing_nor_passing(
    client: TestClient, engine: Engine, state: str, word: str
) -> None:
    add_repository(engine, REPO, WORKFLOW, WorkflowRecord(6, "Deploy", ".github/workflows/deploy.yml", state))
    store_runs(engine, run(1), run(2, workflow_id=6, workflow_name="Deploy", conclusion="failure"))
    assert texts(client) == ["pipeline health", "passing"]
    assert texts(client, f"{PATH}?workflow=Deploy") == ["Deploy", word]


def test_it_wants_no_key_and_tells_nothing_of_what_is_not_monitored(make_client: MakeClient, engine: Engine) -> None:
    add_repository(engine)
    client = make_client(api_keys="one")
    assert texts(client) == ["pipeline health", "no runs"]
    assert texts(client, "/api/badge/acme/secret.svg", 404) == ["pipeline health", "unknown"]


def test_it_is_sent_again_only_when_it_changed(client: TestClient, engine: Engine) -> None:
    first = client.get(PATH)
    assert first.headers["cache-control"] == "public, max-age=60"
    tag = {"If-None-Match": first.headers["etag"]}
    assert client.get(PATH, headers=tag).status_code == 304
    store_runs(engine, run(1))
    assert client.get(PATH, headers=tag).status_code == 200


def test_an_old_state_is_none(make_client: MakeClient, engine: Engine) -> None:
    add_repository(engine)
    store_runs(engine, run(1))
    assert texts(make_client(now=NOW + timedelta(days=89)))[1] == "passing"
    assert texts(make_client(now=NOW + timedelta(days=91)))[1] == "no runs"


@pytest.mark.parametrize(
    "text", ["</text><script>alert(1)</script>", "a\x00b\x1b", "\"&<>'", "x" * 300, "漢字 ✓", "\ufffe"]
)
def test_any_text_is_only_text(text: str) -> None:
    image = ElementTree.fromstring(badge(text, text, "#fff"))
    assert {each.tag for each in image.iter()} == {
        f"{SVG}{name}" for name in ("svg", "title", "clipPath", "rect", "g", "text")
    }
    assert len(next(image.iter(f"{SVG}text")).text or "") <= 60
