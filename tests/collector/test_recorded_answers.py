"""GitHub's real answers, through the real client over HTTP, into a real database: nothing dropped, nothing misread."""

from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from db.models import Attempt, Job, Run
from tests.collector.recordings import FOLDER, MISSING, Recordings, exchanges, load
from tests.collector.syncing import at, sync

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=MISSING)
LATER = at("2026-11-01T00:00:00")


def repository_of(run: dict[str, Any]) -> dict[str, Any]:
    return {**run["repository"], "default_branch": "main"}


def serve_runs(recordings: Recordings, runs: list[dict[str, Any]], jobs: dict[int, list[dict[str, Any]]]) -> str:
    repository = repository_of(runs[0])
    name = str(repository["full_name"])
    recordings.json(f"/repos/{name}", repository)
    recordings.json(f"/repos/{name}/actions/workflows", {"total_count": 0, "workflows": []})
    recordings.json(f"/repos/{name}/actions/runs", {"total_count": len(runs), "workflow_runs": runs})
    for run in runs:
        listed = jobs.get(run["id"], [])
        answer = {"total_count": len(listed), "jobs": listed}
        recordings.json(f"/repos/{name}/actions/runs/{run['id']}/jobs", answer)
    return name


def moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def test_every_run_of_a_recorded_page_is_stored_with_every_field(engine: Engine) -> None:
    runs: list[dict[str, Any]] = load(FOLDER / "runs_page" / "workflow_runs.json")["workflow_runs"]  # type: ignore[index]
    recordings = Recordings()
    name = serve_runs(recordings, runs, {})
    with recordings.serve() as url:
        outcome = sync(engine, url, (name,), clock=LATER, backfill_days=3650)
    assert outcome.is_complete
    with Session(engine) as session:
        stored = {run.id: run for run in session.scalars(select(Run))}
    assert len(runs) == 27
    assert set(stored) == {run["id"] for run in runs}
    assert Counter(run["conclusion"] for run in runs) == Counter(run.conclusion for run in stored.values())
    for raw in runs:
        run = stored[raw["id"]]
        assert (run.run_number, run.attempt, run.event) == (raw["run_number"], raw["run_attempt"], raw["event"])
        assert (run.branch, run.head_sha, run.title) == (raw["head_branch"], raw["head_sha"], raw["display_title"])
        assert (run.status, run.conclusion, run.workflow_id) == (raw["status"], raw["conclusion"], raw["workflow_id"])
        assert (run.created_at, run.started_at) == (moment(raw["created_at"]), moment(raw["run_started_at"]))
        assert (run.actor, run.triggering_actor) == (raw["actor"]["login"], raw["triggering_actor"]["login"])
        assert (run.commit_author or "").split("@")[0] == raw["head_commit"]["author"]["name"].split("@")[0]
        assert (run.commit_message or "").splitlines()[0] == raw["head_commit"]["message"].splitlines()[0]
        assert run.html_url == raw["html_url"]


@pytest.mark.parametrize("run_id", ["11236784732", "12007373278", "12083382635", "14468030535"])
def test_every_recorded_job_is_stored_and_phantoms_are_marked(engine: Engine, run_id: str) -> None:
    run: dict[str, Any] = load(FOLDER / "jobs_and_runs" / run_id / "workflow.json")  # type: ignore[assignment]
    jobs: list[dict[str, Any]] = load(FOLDER / "jobs_and_runs" / run_id / "workflow_jobs.json")["jobs"]  # type: ignore[index]
    recordings = Recordings()
    name = serve_runs(recordings, [run], {run["id"]: jobs})
    with recordings.serve() as url:
        assert sync(engine, url, (name,), clock=LATER, backfill_days=3650).is_complete
    with Session(engine) as session:
        stored = {job.id: job for job in session.scalars(select(Job))}
        row = session.scalars(select(Run)).one()
    assert set(stored) == {job["id"] for job in jobs}
    # One recording lists a job twice, once with its steps cut short.
    for raw in {each["id"]: each for each in sorted(jobs, key=lambda each: len(each["steps"]))}.values():
        job = stored[raw["id"]]
        assert (job.name, job.status, job.conclusion) == (raw["name"], raw["status"], raw["conclusion"])
        assert (job.started_at, job.completed_at) == (moment(raw["started_at"]), moment(raw["completed_at"]))
        assert [step["name"] for step in job.steps] == [step["name"] for step in raw["steps"]]
        assert job.labels == raw["labels"]
        assert (job.runner_id, job.runner_group) == (raw["runner_id"] or None, raw["runner_group_name"] or None)
        assert job.phantom == ("/actions/runs/" not in raw["html_url"])
    ends = [job.completed_at for job in stored.values() if not job.phantom and not job.copied and job.completed_at]
    assert row.completed_at == max(ends)
    assert row.duration_seconds == (max(ends) - moment(run["run_started_at"])).total_seconds()  # type: ignore[operator]


def recorded_runs(folder: Path) -> list[dict[str, Any]]:
    """Every state of a run that the recording shows, in the order in which it was shown."""
    import json

    found = []
    for _, status, _, body in exchanges(folder):
        if status == 200 and body[:1] == b"{":
            answer = json.loads(body)
            found += answer.get("workflow_runs") or ([answer] if "run_number" in answer else [])
    return found


def recordings_with_runs() -> list[str]:
    root = FOLDER / "wiremock" / "GHWorkflowRunTest" / "wiremock"
    return [folder.name for folder in sorted(root.glob("test*")) if recorded_runs(folder)] if root.is_dir() else []


@pytest.mark.parametrize("name", recordings_with_runs())
def test_recorded_states_of_runs_end_in_the_last_one_whatever_the_order(engine: Engine, name: str) -> None:
    states = recorded_runs(FOLDER / "wiremock" / "GHWorkflowRunTest" / "wiremock" / name)
    expected = {}
    for state in sorted(states, key=progress):
        expected[state["id"]] = state
    for state in [*states, *reversed(states)]:
        recordings = Recordings()
        repo = serve_runs(recordings, [state], {})
        with recordings.serve() as url:
            sync(engine, url, (repo,), clock=LATER, backfill_days=3650)
    with Session(engine) as session:
        stored = {run.id: run for run in session.scalars(select(Run))}
        attempts = session.execute(select(Attempt.run_id, Attempt.attempt)).all()
    assert set(stored) == set(expected)
    for run_id, state in expected.items():
        run = stored[run_id]
        assert (run.attempt, run.status, run.conclusion) == (
            state.get("run_attempt", 1),
            state["status"],
            state["conclusion"],
        )
    assert {(state["id"], state.get("run_attempt", 1)) for state in states} == {(row[0], row[1]) for row in attempts}


def progress(state: dict[str, Any]) -> tuple[int, bool, str]:
    return state.get("run_attempt", 1), state["status"] == "completed", state["updated_at"]
