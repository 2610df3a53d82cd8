"""Any filter over any rows: the list has each matching run once, in order, and the figures count the same.

FILTER_EXAMPLES=1000 asks with more of them than the suite does."""

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from db.audit import COMMAND
from db.definitions.records import RepositoryRecord, RunDetailsRecord, WorkflowRecord
from db.engine import write_scope
from db.jobs.job_writes import store_run_details
from db.repositories.repository_writes import get_repository
from health.teams.service import save_team
from tests.api.conftest import MakeClient, TestClient
from tests.builders import NOON, REPO, WORKFLOW, add_repository, job, roll_up, run, store_runs

_EXAMPLES = int(os.environ.get("FILTER_EXAMPLES", "25"))
OTHER = RepositoryRecord(2, "acme/api", "main", True, False, "")
# What the teams own, by repository and workflow.
TEAMS = {
    "Web": {"repositories": ["acme/web"]},
    "Core": {"repositories": ["acme/api"], "workflows": ["acme/web: Deploy"]},
    "Nothing": {},
}
OWNED = {
    "WEB": {("acme/web", 5), ("acme/web", 6)},
    "Core": {("acme/api", 7), ("acme/web", 6)},
    "nothing": set(),
    "none": set(),
}
VALUES = {
    "team": [*OWNED],
    "repo": ["acme/web", "acme/api"],
    "workflow": ["CI", "6", "Deploy", "none"],
    "branch": ["main", "feature/ü & more", "none"],
    "event": ["push", "pull_request"],
    "actor": ["alice", "bob[bot]"],
    "conclusion": ["success", "failure", "timed_out", "skipped"],
    "status": ["completed", "queued"],
    "outcome": ["success", "failure", "other", "skipped", "in_progress"],
    "runner": ["ubuntu-latest", "self-hosted, linux"],
}
WORKFLOWS = {5: "CI", 6: "Deploy", 7: "CI"}
DECIDED = {"success": "success", "failure": "failure", "timed_out": "failure"}


@dataclass(frozen=True)
class Row:
    id: int
    minutes: int
    values: dict[str, str | None]
    workflow_id: int


@pytest.fixture(scope="module")
def rows_stored() -> list[Row]:
    found = []
    for number in range(120):
        conclusion = [*VALUES["conclusion"], None][number % 5]
        repo = VALUES["repo"][number % 2]
        workflow = 7 if number % 2 else (5, 6)[number // 2 % 2]
        values = {
            "repo": repo, "workflow": WORKFLOWS[workflow], "branch": [*VALUES["branch"][:2], None][number % 3],
            "event": VALUES["event"][number // 3 % 2], "actor": [*VALUES["actor"], None][number // 5 % 3],
            "conclusion": conclusion, "status": "completed" if conclusion else "queued",
            "outcome": DECIDED.get(conclusion, conclusion) if conclusion else "in_progress",
            "runner": [*VALUES["runner"], None][number // 7 % 3],
        }  # fmt: skip
        # Several in the same second, and none in the order of their numbers.
        found.append(Row(1000 + number * 7 % 120, -(number * 37 % 60) * 60, values, workflow))
    return found


@pytest.fixture
def asked(make_client: MakeClient, engine: Engine, rows_stored: list[Row]) -> TestClient:
    add_repository(engine, REPO, WORKFLOW, WorkflowRecord(6, "Deploy", "d.yml", "active"))
    add_repository(engine, OTHER, WorkflowRecord(7, "CI", "ci.yml", "active"))
    for repository_id, repo in ((1, "acme/web"), (2, "acme/api")):
        store_runs(
            engine, *(_record(row) for row in rows_stored if row.values["repo"] == repo), repository_id=repository_id
        )
        details = [
            RunDetailsRecord(row.id, (), (job(row.id * 10, labels=tuple(row.values["runner"].split(", "))),), NOON)
            for row in rows_stored
            if row.values["repo"] == repo and row.values["runner"]
        ]
        with write_scope(engine) as session:
            store_run_details(session, get_repository(session, repository_id), details)
    roll_up(engine)
    with write_scope(engine) as session:
        for name, fields in TEAMS.items():
            save_team(session, name, fields, NOON, actor=COMMAND)
    return make_client(now=NOON + timedelta(hours=1), api_rate_limit="none")


filters = st.fixed_dictionaries(
    {},
    optional={name: st.lists(st.sampled_from(values), min_size=1, max_size=3) for name, values in VALUES.items()},
)


def test_pages_and_figures_are_of_the_matching_runs(asked: TestClient, rows_stored: list[Row]) -> None:
    @given(filters, st.integers(1, 70), st.integers(0, 70), st.integers(0, 70))
    @settings(
        max_examples=_EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    def check(given: dict[str, list[str]], limit: int, since: int, until: int) -> None:
        first, last = sorted((since, until))
        if first == last:
            return
        window = {"since": f"{last + 1}h", "until": f"{first + 1}h"}
        wanted = [row for row in rows_stored if _matches(row, given) and -last * 60 <= row.minutes < -first * 60]
        wanted.sort(key=lambda row: (row.minutes, row.id), reverse=True)
        assert _all_pages(asked, {**given, **window}, limit) == [row.id for row in wanted]
        runs = asked.get("/api/metrics", params={**given, **window}).json()["runs"]
        outcomes = [DECIDED.get(row.values["conclusion"] or "") for row in wanted]
        assert runs["total"] == len(wanted)
        assert (runs["success"], runs["failure"]) == (outcomes.count("success"), outcomes.count("failure"))

    check()


def _matches(row: Row, given: dict[str, list[str]]) -> bool:
    values = {**row.values, "workflow": None}
    if "workflow" in given and not {row.values["workflow"], str(row.workflow_id)} & set(given["workflow"]):
        return False
    if "team" in given and not any((row.values["repo"], row.workflow_id) in OWNED[team] for team in given["team"]):
        return False
    return all(values[name] in wanted for name, wanted in given.items() if name not in ("workflow", "team"))


def _all_pages(client: TestClient, parameters: dict[str, Any], limit: int) -> list[int]:
    found: list[int] = []
    cursor = None
    while True:
        more = {"cursor": cursor} if cursor else {}
        answer = client.get("/api/runs", params={**parameters, "limit": limit, **more})
        assert answer.status_code == 200, answer.text
        found += [item["id"] for item in answer.json()["items"]]
        cursor = answer.json()["next"]
        if cursor is None:
            return found


def _record(row: Row) -> Any:
    values = {name: row.values[name] for name in ("branch", "event", "actor", "conclusion", "status")}
    return run(row.id, minutes=row.minutes, workflow_id=row.workflow_id, **values)
