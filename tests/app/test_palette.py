"""The entries of the command palette, as the browser requests them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from app.javascript import script_path
from app.server.request_checks import is_allowed_path
from app.server.routes import routes
from db.definitions.records import WorkflowRecord
from db.engine import write_scope
from db.repositories.repository_writes import upsert_workflows
from tests.app.conftest import Open, TestClient
from tests.app.seeding import HOSTILE, HOSTILE_BRANCH, RERUN, Seeded, run, store


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with TestClient(Starlette(routes=routes())) as found:
        yield found


def entries(client: TestClient, query: str, kind: str = "") -> list[dict[str, Any]]:
    answer = client.get("/palette.json", params={"q": query})
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return [entry for entry in answer.json()["entries"] if kind in ("", entry["kind"])]


def test_repositories_workflows_and_branches_lead_to_their_pages(client: TestClient, seeded: Seeded) -> None:
    assert entries(client, "api", "repository") == [
        {"kind": "repository", "label": "acme/api", "address": "./?repo=acme%2Fapi&saved="}
    ]
    assert entries(client, "api ci", "workflow")[0] == {
        "kind": "workflow",
        "label": "acme/api / CI",
        "address": "workflow?id=20&saved=",
    }
    assert [entry["label"] for entry in entries(client, "ma", "branch")] == ["main"]
    (branch,) = entries(client, "feat/<b>", "branch")
    assert branch["address"] == "runs?branch=feat%2F%3Cb%3Ex%3C%2Fb%3E&saved="
    assert branch["label"] == HOSTILE_BRANCH
    assert entries(client, "nothing") == entries(client, "") == []


def test_runs_are_found_by_number_and_by_commit(client: TestClient, seeded: Seeded) -> None:
    (entry,) = entries(client, f"web #{RERUN}", "run")
    assert entry["label"] == f"acme/web / CI #{RERUN}"
    assert (entry["detail"], entry["sign"], entry["tone"]) == (HOSTILE, "✕", "red")
    assert entry["address"] == f"run?run_id={RERUN}"
    assert entries(client, f"api #{RERUN}", "run") == []
    assert [each["address"] for each in entries(client, f"{RERUN:08x}"[:8], "run")] == [entry["address"]]


def test_only_two_terms_are_searched_as_the_number_of_a_run(client: TestClient, seeded: Seeded) -> None:
    of_workflow = {"workflow_id": 18, "workflow_name": "Node 18 20"}
    store(seeded.engine, 1, run(81_111, seeded.now, run_number=81_111, **of_workflow))
    (entry,) = entries(client, "18 81111", "run")
    assert entry["label"] == "acme/web / Node 18 20 #81111"
    assert entries(client, "18 20 81111", "run") == []
    assert entries(client, "18 20 #81111", "run") == [entry]


def test_a_workflow_that_is_not_active_says_so(client: TestClient, seeded: Seeded) -> None:
    with write_scope(seeded.engine) as session:
        upsert_workflows(session, 1, [WorkflowRecord(19, "Old", "old.yml", "disabled_manually")])
    (entry,) = entries(client, "old", "workflow")
    assert entry["detail"] == "disabled manually"


def test_answers_are_bounded(client: TestClient, seeded: Seeded) -> None:
    with write_scope(seeded.engine) as session:
        upsert_workflows(
            session, 1, [WorkflowRecord(500 + k, f"Nightly {k}", f"{k}.yml", "active") for k in range(300)]
        )
    store(seeded.engine, 1, *(run(70_000 + k, seeded.now, run_number=555_555) for k in range(30)))
    assert len(entries(client, "nightly", "workflow")) == 40
    assert entries(client, "nightly 299", "workflow")[0]["label"] == "acme/web / Nightly 299"
    assert len(entries(client, "#555555", "run")) == 10
    assert entries(client, "a " * 100) != []
    assert client.get("/palette.json", params={"q": "x" * 201}).status_code == 422
    for odd in ("\0", "\ud83d\0a", "²", "%", "_", "#" * 200, "9" * 60, "' OR 1=1 --"):
        entries(client, odd.encode("utf-8", "replace").decode())


def test_without_a_database_the_answer_is_one_line(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'empty.db'}")
    answer = client.get("/palette.json", params={"q": "web"})
    assert answer.status_code == 503
    assert "python -m db upgrade" in answer.json()["detail"]


def test_the_script_is_cached_until_it_changes(client: TestClient) -> None:
    answer = client.get(f"/{script_path('palette')}")
    assert "immutable" in answer.headers["cache-control"]
    assert "innerHTML" not in answer.text
    assert client.get("/palette-0123456789abcdef.js").status_code == 404
    assert is_allowed_path("/palette.json")
    assert not is_allowed_path("/palette")


def test_a_url_with_saved_replaces_all_filters_of_the_session(seeded: Seeded, open_page: Open) -> None:
    page = open_page(branch="feature", period="7d")
    page.switch_page("views/runs.py")
    page.query_params.clear()
    page.query_params["repo"] = "acme/api"
    page.query_params["saved"] = ""
    page.run()
    assert page.multiselect(key="repo").value == ["acme/api"]
    assert page.multiselect(key="branch").value == []
    assert page.segmented_control(key="period").value == "30d"
    assert "branch" not in page.query_params
