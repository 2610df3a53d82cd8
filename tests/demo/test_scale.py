"""The generated account, its ground truth, and changes between two syncs."""

import json
from collections import Counter
from datetime import timedelta

import pytest

from demo.world.model import Job
from tests.demo.conftest import MONDAY, Clock, Serve, Site
from tests.simulator.changes import changes
from tests.simulator.scale import build
from tests.simulator.truth import Truth, from_json, truth
from tests.simulator.world import EditableWorld


@pytest.fixture
def big(clock: Clock) -> EditableWorld:
    return build(clock, repositories=2, runs=600)


def jobs_of(world: EditableWorld) -> list[Job]:
    return [job for run in world.runs.values() for attempt in run.attempts for job in attempt.jobs]


def test_the_generated_account_has_the_requested_size(big: EditableWorld) -> None:
    assert {repo.id: big.count(repo) for repo in big.repositories.values()} == dict.fromkeys(
        [repo.id for repo in big.repositories.values()], 600
    )
    created = sorted(run.created for run in big.runs.values())
    assert timedelta(days=29) < MONDAY - created[0] <= timedelta(days=30)
    ran = [attempt for run in big.runs.values() for attempt in run.attempts[:1] if attempt.jobs]
    assert {len([job for job in each.jobs if not job.phantom]) for each in ran} <= {2, 3, 4, 5}


def test_equal_seeds_give_equal_accounts(clock: Clock) -> None:
    first, again, other = (truth(build(clock, repositories=1, runs=80, seed=seed)) for seed in "aab")
    assert first == again
    assert first.jobs != other.jobs


def test_run_numbers_are_consecutive(big: EditableWorld) -> None:
    for repo in big.repositories.values():
        for flow in repo.workflows.values():
            numbers = [run.number for run in big.newest(repo) if run.workflow is flow]
            assert numbers == list(range(len(numbers), 0, -1))


def test_the_generated_account_has_reruns_events_and_nulls(big: EditableWorld) -> None:
    runs = list(big.runs.values())
    attempts = Counter(len(run.attempts) for run in runs)
    assert 0.04 < (attempts[2] + attempts[3]) / len(runs) < 0.12
    assert attempts[3] > 0
    assert {run.event for run in runs} == {"push", "pull_request", "schedule", "workflow_dispatch"}
    assert any(run.branch is None for run in runs)
    assert any(run.author is None for run in runs)
    assert any(run.fork for run in runs)
    assert any(job.phantom for job in jobs_of(big))
    ids = [job.id for job in jobs_of(big)]
    assert len(ids) == len(set(ids))


def test_the_generated_account_does_not_change_with_time(big: EditableWorld, clock: Clock) -> None:
    before = truth(big)
    assert {run.status for run in before.runs.values()} == {"completed", "in_progress"}
    clock.pass_(days=2)
    after = truth(big)
    assert (after.runs, after.attempts, after.jobs) == (before.runs, before.attempts, before.jobs)


def test_the_ground_truth_equals_the_api(clock: Clock, serve: Serve) -> None:
    site = serve(build(clock, repositories=1, runs=120, unfinished=0.02), rate_limit=None)
    changes(site.world, new=0, finished=1, reruns=5)
    assert shown(site) == {
        "runs": {run.id: (run.attempt, run.status, run.conclusion, run.name, run.branch, run.actor)
                 for run in truth(site.world).runs.values()},
        "attempts": {(each.run_id, each.number): (each.status, each.conclusion)
                     for each in truth(site.world).attempts.values()},
        "jobs": {job.id: (job.run_id, job.attempt, job.status, job.conclusion, job.steps, job.runner_name or "")
                 for job in truth(site.world).jobs.values()},
    }  # fmt: skip


def shown(site: Site) -> dict[str, object]:
    base = "/repos/scale/service-01/actions/runs"
    pages = [site.json(f"{base}?per_page=100&page={page}")["workflow_runs"] for page in (1, 2)]
    runs, attempts, jobs = {}, {}, {}
    for run in [*pages[0], *pages[1]]:
        actor = run["actor"] and run["actor"]["login"]
        fields = [run[name] for name in ("run_attempt", "status", "conclusion", "name", "head_branch")]
        runs[run["id"]] = (*fields, actor)
        for number in range(1, run["run_attempt"] + 1):
            one = site.json(f"{base}/{run['id']}/attempts/{number}")
            attempts[run["id"], number] = (one["status"], one["conclusion"])
        for job in site.json(f"{base}/{run['id']}/jobs?filter=all&per_page=100")["jobs"]:
            fields = [job[name] for name in ("run_id", "run_attempt", "status", "conclusion")]
            jobs[job["id"]] = (*fields, len(job["steps"]), job["runner_name"] or "")
    return {"runs": runs, "attempts": attempts, "jobs": jobs}


def test_the_ground_truth_marks_copied_jobs(clock: Clock) -> None:
    world = EditableWorld(clock)
    world.add_repository("acme/site")
    world.add_workflow("acme/site", "CI")
    run = world.add_run("acme/site", "CI", conclusion="failure", jobs=3, created_at=MONDAY - timedelta(hours=2))
    world.rerun(run, at=MONDAY - timedelta(hours=1))
    rows = truth(world).jobs.values()
    assert [(row.attempt, row.name, row.copied) for row in rows] == [
        (1, "job 1", False), (1, "job 2", False), (1, "job 3", False),
        (2, "job 1", True), (2, "job 2", True), (2, "job 3", False),
    ]  # fmt: skip


def test_the_ground_truth_survives_json(big: EditableWorld) -> None:
    big.delete_run(next(iter(big.runs)))
    found = truth(big)
    assert found.deleted
    assert from_json(json.loads(json.dumps(found.to_json()))) == found


def differing(before: Truth, after: Truth) -> set[int]:
    return {number for number, run in after.runs.items() if before.runs.get(number) != run}


def test_changes_affect_only_the_runs_that_they_return(big: EditableWorld, clock: Clock) -> None:
    before, newest = truth(big), max(run.created for run in big.runs.values())
    clock.pass_(hours=3)
    made = changes(big, new=30, finished=2, reruns=6)
    after = truth(big)
    assert (len(made.new), len(made.finished), len(made.reruns)) == (30, 2, 6)
    assert differing(before, after) == {*made.new, *made.finished, *made.reruns}
    assert all(newest < after.runs[number].created_at <= clock() for number in made.new)
    assert all(after.runs[number].attempt == before.runs[number].attempt + 1 for number in made.reruns)
    assert all(MONDAY - before.runs[number].created_at < timedelta(days=5) for number in made.reruns)
    assert {after.runs[number].status for number in made.finished} == {"completed"}


def test_changes_that_could_not_have_ended_are_in_progress(big: EditableWorld, clock: Clock) -> None:
    changes(big, new=10, reruns=0)
    before = truth(big)
    second = changes(big, new=5, finished=None, reruns=0)
    assert len(second.finished) > 0
    assert max(run.created for run in big.runs.values()) <= clock()
    assert differing(before, truth(big)) == {*second.new, *second.finished}
