from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from db.definitions.records import RepositoryRecord, WorkflowRecord
from tests.api.conftest import NOW, MakeClient, TestClient
from tests.builders import add_repository, run, store_runs
from tests.kept import Kept

PATHS = ["/api/runs", "/api/metrics", "/api/metrics/series", "/api/metrics/groups"]
ASKED: list[tuple[dict[str, Any], list[int]]] = [
    ({}, [6, 4, 3, 2, 1]),
    ({"repo": "acme/api"}, [6]),
    ({"repo": "ACME/Api"}, [6]),
    ({"repo": ["acme/api", "acme/web"]}, [6, 4, 3, 2, 1]),
    ({"workflow": "Docs"}, [6]),
    ({"workflow": "5"}, [4, 3, 2, 1]),
    ({"workflow": ["Docs", "5"], "actor": "bob"}, [2]),
    ({"workflow": "9" * 30}, []),
    ({"branch": "feature/ü"}, [1]),
    ({"branch": "gone"}, []),
    ({"event": "schedule"}, [2]),
    ({"actor": "bob"}, [2]),
    ({"conclusion": ["failure", "timed_out"]}, [3]),
    ({"status": "in_progress"}, [4]),
    ({"since": "60d"}, [6, 4, 3, 2, 1, 5]),
    ({"since": "60d", "until": "30d"}, [5]),
    ({"since": "2026-11-18T12:02:00Z", "until": "2026-11-18T12:05:00Z"}, [4, 3]),
    ({"since": "2026-11-18T13:02:00+01:00", "until": "2026-11-18T12:05:00"}, [4, 3]),
]


def fill(engine: Engine) -> None:
    add_repository(engine)
    add_repository(
        engine,
        RepositoryRecord(2, "acme/api", "main", True, False, "https://x.test"),
        WorkflowRecord(6, "Docs", "d", "active"),
    )
    store_runs(
        engine, run(1, branch="feature/ü"), run(2, minutes=1, event="schedule", actor="bob"),
        run(3, minutes=2, conclusion="failure"), run(4, minutes=3, status="in_progress", conclusion=None),
        run(5, minutes=-60 * 24 * 40),
    )  # fmt: skip
    store_runs(engine, run(6, minutes=5, workflow_id=6, workflow_name="Docs"), repository_id=2)


@pytest.fixture
def filled(make_client: MakeClient, engine: Engine, kept: Kept) -> TestClient:
    kept.fill(engine, fill)
    return make_client()


def test_filters_narrow_each_other_and_repeated_values_widen(filled: TestClient) -> None:
    for asked, found in ASKED:
        answer = filled.get("/api/runs", params=asked)
        assert answer.status_code == 200, (asked, answer.text)
        assert [item["id"] for item in answer.json()["items"]] == found, asked


def test_a_bare_plus_in_a_time_is_understood(filled: TestClient) -> None:
    answer = filled.get("/api/runs?since=2026-11-18T13:04:00+01:00")
    assert [item["id"] for item in answer.json()["items"]] == [6]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("parameter", "value", "allowed"),
    [
        ("brnach", "main", "branch"),
        ("repo", "acme/nope", "acme/api, acme/web"),
        ("repo", "", "empty"),
        ("conclusion", "failed", "success, failure"),
        ("status", "done", "in_progress"),
        ("since", "yesterday", "30d before now"),
        ("since", "2030-01-01", "before until"),
        ("until", "soon", "30d before now"),
        ("branch", "a\x00b", "printable"),
        ("actor", "x" * 401, "400"),
    ],
)
def test_a_bad_parameter_is_a_problem_that_names_it_and_what_is_allowed(
    filled: TestClient, parameter: str, value: str, allowed: str
) -> None:
    for path in PATHS:
        answer = filled.get(path, params={**({"by": "repo"} if "groups" in path else {}), parameter: value})
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert {"type", "title", "status", "detail", "errors"} <= set(problem)
        assert problem["status"] == 422
        assert problem["errors"][0]["parameter"] == parameter
        assert allowed in problem["errors"][0]["message"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_value_of_one_kind_cannot_be_given_twice(filled: TestClient) -> None:
    answer = filled.get("/api/runs?since=7d&since=30d")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == "since"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_too_many_values_are_refused(filled: TestClient) -> None:
    answer = filled.get("/api/runs", params={"branch": [str(number) for number in range(51)]})
    assert answer.status_code == 422


def test_a_conclusion_that_github_invented_later_can_be_asked_for(filled: TestClient, engine: Engine) -> None:
    assert filled.get("/api/runs?conclusion=postponed").status_code == 422
    store_runs(engine, run(7, minutes=9, conclusion="postponed"))
    answer = filled.get("/api/runs?conclusion=postponed")
    assert [item["id"] for item in answer.json()["items"]] == [7]


def test_the_default_window_is_the_last_30_days(make_client: MakeClient, filled: TestClient) -> None:
    window = filled.get("/api/metrics").json()["window"]
    assert window == {"since": "2026-10-19T18:00:00Z", "until": "2026-11-18T18:00:00Z"}
    later = make_client(now=NOW + timedelta(days=31))
    assert later.get("/api/runs").json()["items"] == []
