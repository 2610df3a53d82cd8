"""The failures that the API counts are those of the simulated world: every one, once, with the class of its cause."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import Engine

from api.main import create_app
from api.settings import ApiSettings
from demo.content.failure_causes import CAUSES
from tests.collector.conftest import REPO, GitHub
from tests.collector.syncing import fetch_logs, sync
from tests.simulator.factories import JobPlan

# What a reader of the logs says. `go vet` prints the lines that the compiler prints.
CLASSES = {
    "python_assert": "test", "jest": "test", "go_test": "test", "jvm_test": "test", "xctest": "test",
    "playwright_timeout": "test", "flaky": "test", "typescript": "compile", "gradle": "compile", "go_vet": "compile",
    "ruff": "lint", "npm_resolve": "dependency", "docker_limit": "infrastructure",
    "registry_timeout": "infrastructure", "runner_lost": "infrastructure", "shutdown": "infrastructure",
    "out_of_memory": "resources", "disk_full": "resources", "terraform_plan": "configuration",
}  # fmt: skip


@dataclass
class Expected:
    jobs: set[int] = field(default_factory=set)
    runs: set[int] = field(default_factory=set)


def fill(github: GitHub) -> None:
    """Of each cause one to three runs with one to three failed jobs, some of which pass when they run again."""
    world, hours = github.world, iter(range(1, 1_000))

    def add(conclusion: str, cause: str | None, jobs: int) -> int:
        created = github.clock() - timedelta(hours=next(hours))
        plans = [JobPlan(f"job {number}", conclusion) for number in range(jobs)] + [JobPlan("passed", "success")]
        return world.add_run(REPO, "CI", conclusion=conclusion, jobs=plans, cause=cause, created_at=created)

    for index, cause in enumerate(CAUSES):
        for number in range(index % 3 + 1):
            run = add("failure", cause, (index + number) % 3 + 1)
            if (index + number) % 4 == 0:
                world.rerun(run, at=github.clock() - timedelta(minutes=30))
    add("timed_out", None, 1)
    add("cancelled", None, 2)
    add("success", None, 1)


def truth(github: GitHub) -> dict[str, Expected]:
    """By class, from the runs of the world."""
    found: dict[str, Expected] = defaultdict(Expected)
    for run in github.world.runs.values():
        for attempt in run.attempts:
            kind = "timeout" if attempt.conclusion == "timed_out" else CLASSES.get(attempt.cause or "")
            for job in attempt.jobs:
                if attempt.conclusion in ("failure", "timed_out") and job.conclusion == attempt.conclusion and kind:
                    found[kind].jobs.add(job.id)
                    found[kind].runs.add(run.id)
    return found


def test_failures_are_counted_as_the_world_has_them(engine: Engine, github: GitHub, database_url: str) -> None:
    fill(github)
    sync(engine, github.url, (REPO,), clock=github.clock)
    fetch_logs(engine, github.url, clock=github.clock)
    expected = truth(github)
    app = create_app(ApiSettings(database_url=database_url), clock=github.clock)
    with TestClient(app, base_url="http://localhost") as client:

        def ask(**parameters: Any) -> dict[str, Any]:
            answer = client.get("/api/insights/failures", params={"limit": 500, "since": "90d", **parameters})
            assert answer.status_code == 200, answer.text
            return dict(answer.json())

        body = ask()
        found = {count["class"]: (count["jobs"], count["runs"]) for count in body["classes"]}
        assert found == {kind: (len(each.jobs), len(each.runs)) for kind, each in expected.items()}
        causes = Counter(CLASSES.values()) + Counter({"timeout": 1})
        assert {count["class"]: count["causes"] for count in body["classes"]} == causes
        assert (body["total"], body["unnamed"]) == (causes.total(), 0)
        assert body["looked_at"] == sum(len(each.jobs) for each in expected.values())
        for kind, count in causes.items():
            items = ask(**{"class": kind})["items"]
            assert len(items) == count
            assert sum(item["jobs"] for item in items) == len(expected[kind].jobs)
            assert sum(item["runs"] for item in items) == len(expected[kind].runs)
            for item in items:
                one = client.get(f"/api/insights/failures/{item['cause_id']}", params={"limit": 500, "since": "90d"})
                assert {run["id"] for run in one.json()["items"]} <= expected[kind].runs
                assert one.json()["total"] == item["runs"]
