"""The acme account: its contents, and that the same seed and start give the same account."""

import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from statistics import mean

from demo.github.logs import log_text
from demo.world.model import Job, Run
from health.insights.causes.distinctions import Feature, JobContext, distinctions
from health.insights.causes.extraction import extract
from tests.demo.conftest import MONDAY, Clock, Serve
from tests.simulator.world import EditableWorld, acme_world

FACTS = ("id", "number", "title", "branch", "event", "sha", "author", "created", "attempts")


def facts(run: Run) -> tuple[object, ...]:
    return tuple(getattr(run, name) for name in FACTS)


def visible(world: EditableWorld) -> list[Run]:
    return [run for run in world.runs.values() if run.created <= world.clock()]


def success_rate(runs: Iterable[Run]) -> float:
    found = Counter(run.attempts[-1].conclusion for run in runs)
    failed = found["failure"] + found["timed_out"] + found["startup_failure"]
    return found["success"] / (found["success"] + failed)


def jobs_of(runs: Iterable[Run]) -> list[Job]:
    return [job for run in runs for attempt in run.attempts for job in attempt.jobs]


def test_account_size(account: EditableWorld) -> None:
    runs = visible(account)
    assert 4000 <= len(runs) <= 6500
    assert 12_000 <= len(jobs_of(runs)) <= 20_000
    assert len(account.repositories) == 6
    assert all(2 <= len(each.workflows) <= 5 for each in account.repositories.values())
    assert 25 <= len({run.author for run in runs}) <= 30


def test_success_rates_are_realistic(account: EditableWorld) -> None:
    runs = visible(account)
    assert 0.87 <= success_rate(run for run in runs if run.branch == "main") <= 0.94
    assert 0.79 <= success_rate(run for run in runs if run.branch != "main") <= 0.87


def test_few_runs_at_weekends_and_nights(account: EditableWorld) -> None:
    days = Counter(run.created.weekday() for run in visible(account) if run.event != "schedule")
    hours = Counter(run.created.hour for run in visible(account) if run.event != "schedule")
    assert days[6] < days[2] * 0.3
    assert hours[3] < hours[10] * 0.1


def test_the_same_start_gives_the_same_account() -> None:
    first, again = (acme_world(start=MONDAY, days=12, clock=Clock()) for _ in range(2))
    assert len(first.runs) > 500
    assert [facts(run) for run in again.runs.values()] == [facts(run) for run in first.runs.values()]


def test_a_restart_days_later_keeps_all_past_runs() -> None:
    first = acme_world(start=MONDAY, days=20, clock=Clock())
    later = acme_world(start=MONDAY, days=20, clock=Clock(MONDAY + timedelta(days=3)))
    for run in visible(first):
        assert facts(later.runs[run.id]) == facts(run)


def test_old_history_does_not_depend_on_the_day_of_the_start(account: EditableWorld) -> None:
    friday = MONDAY - timedelta(days=3)
    other = acme_world(start=friday, clock=lambda: friday)
    shared = account.runs.keys() & other.runs.keys()
    old = [number for number in shared if account.runs[number].created < friday - timedelta(days=18)]
    assert len(old) > 2000
    for number in old:
        assert facts(account.runs[number]) == facts(other.runs[number])
    for number in shared:
        assert facts(account.runs[number])[:-1] == facts(other.runs[number])[:-1]


def test_run_numbers_of_a_workflow_are_consecutive(account: EditableWorld) -> None:
    numbers: dict[int, list[int]] = {}
    for run in sorted(visible(account), key=lambda run: run.created):
        numbers.setdefault(run.workflow.id, []).append(run.number)
    for found in numbers.values():
        assert found == list(range(found[0], found[0] + len(found)))


def test_ids_of_jobs_are_unique(account: EditableWorld) -> None:
    ids = [job.id for job in jobs_of(account.runs.values())]
    assert len(ids) == len(set(ids))


def test_one_workflow_is_broken_at_every_start() -> None:
    for hours in range(0, 48, 7):
        start = MONDAY + timedelta(hours=hours)
        world = acme_world(start=start, days=2, clock=Clock(start))
        current = world.episodes()[0]
        runs = on_main(world, current.repo, current.workflow, current.start, start)
        assert timedelta(hours=3) <= start - current.start <= timedelta(hours=32)
        assert len(runs) >= 4
        assert {run.attempts[-1].conclusion for run in runs} == {"failure"}


def test_one_workflow_is_broken_after_a_week() -> None:
    clock = Clock()
    world = acme_world(start=MONDAY, days=1, clock=clock)
    for _ in range(20):
        clock.pass_(hours=9)
        going_on = [e for e in world.episodes() if e.kind == "broken" and e.start <= clock() < e.end]
        assert any(clock() - each.start >= timedelta(hours=3) for each in going_on)


def test_earlier_breakages_have_ended(account: EditableWorld) -> None:
    earlier = [each for each in account.episodes() if each.kind == "broken" and each.end < MONDAY]
    assert 6 <= len(earlier) <= 9
    for each in earlier:
        assert timedelta(hours=2) <= each.end - each.start <= timedelta(hours=30)
        runs = on_main(account, each.repo, each.workflow, each.start, each.end)
        assert {(run.attempts[-1].conclusion, run.attempts[-1].cause) for run in runs} <= {("failure", each.cause)}
    assert sum(bool(on_main(account, e.repo, e.workflow, e.start, e.end)) for e in earlier) >= 6


def on_main(world: EditableWorld, repo: str, workflow: str, since: datetime, until: datetime) -> list[Run]:
    repository = world.find(f"acme/{repo}")
    assert repository
    runs = world.newest(repository, since, until - timedelta(seconds=1))
    return [run for run in runs if run.workflow.name == workflow and run.branch == "main"]


def test_one_workflow_is_slower_since_nine_days(account: EditableWorld) -> None:
    slow = next(each for each in account.episodes() if each.kind == "slow")
    assert timedelta(days=8) <= MONDAY - slow.start <= timedelta(days=10)
    runs = on_main(account, slow.repo, slow.workflow, MONDAY - timedelta(days=30), MONDAY)
    before, after = (
        [length for run in runs if (run.created >= slow.start) is late for length in seconds(run)]
        for late in (False, True)
    )
    assert min(len(before), len(after)) >= 12
    assert 1.5 < mean(after) / mean(before) < 2.1


def seconds(run: Run) -> list[float]:
    attempt = run.attempts[0]
    if attempt.conclusion != "success" or attempt.ended is None:
        return []
    return [(attempt.ended - attempt.started).total_seconds()]


def test_the_flaky_workflow_becomes_more_flaky(account: EditableWorld) -> None:
    shares = []
    for first, last in ((60, 18), (18, 6), (6, 0)):
        runs = [
            run for run in visible(account)
            if run.workflow.name == "E2E" and timedelta(days=last) <= MONDAY - run.created < timedelta(days=first)
        ]  # fmt: skip
        healed = [run for run in runs if len(run.attempts) > 1 and run.attempts[-1].conclusion == "success"]
        shares.append(len(healed) / len(runs))
    assert shares[0] < shares[1] < shares[2]


def test_queues_for_macos_runners_in_the_afternoons_of_the_last_week(account: EditableWorld) -> None:
    waits: dict[bool, list[float]] = {True: [], False: []}
    for job in jobs_of(visible(account)):
        if job.label == "macos-14" and job.ran and 12 <= job.created.hour < 17 and job.created.weekday() < 5:
            waits[MONDAY - job.created < timedelta(days=7)].append((job.started - job.created).total_seconds())
    assert mean(waits[True]) > 4 * mean(waits[False])


def test_all_edge_cases_occur(account: EditableWorld) -> None:
    runs = visible(account)
    jobs = jobs_of(runs)
    conclusions = {attempt.conclusion for run in runs for attempt in run.attempts}
    assert conclusions == {
        "success", "failure", "cancelled", "skipped", "timed_out", "startup_failure", "action_required", "neutral",
        "stale",
    }  # fmt: skip
    assert any(run.name == run.workflow.path for run in runs)
    assert any(run.author is None for run in runs)
    assert any(run.branch is None for run in runs)
    assert any(run.fork for run in runs)
    assert any(job.phantom for job in jobs)
    assert any(job.completed and job.completed < job.started for job in jobs if job.conclusion == "skipped")
    assert {run.event for run in runs} == {"push", "pull_request", "schedule", "workflow_dispatch", "merge_group"}
    assert {job.label for job in jobs} >= {"ubuntu-latest", "windows-latest", "macos-14", "self-hosted"}


def test_hostile_texts_occur(account: EditableWorld) -> None:
    runs = visible(account)
    texts = " ".join(f"{run.title} {run.branch}" for run in runs)
    for wanted in ("🚀", "feat/<script>alert(1)</script>", "<!channel>", "*bold*", "=HYPERLINK(", "\u202e", "دعم"):
        assert wanted in texts
    assert max(len(run.title) for run in runs) > 250


def test_failures_have_many_causes_that_their_logs_show(account: EditableWorld) -> None:
    causes: Counter[str] = Counter()
    for run in visible(account):
        for attempt in run.attempts:
            for job in attempt.jobs:
                if job.conclusion != "failure" or not job.ran or causes[attempt.cause or ""] > 2:
                    continue
                causes[attempt.cause or ""] += 1
                text = log_text(run, attempt, job)
                ended = re.search(r"##\[error\]Process completed with exit code \d+\.", text)
                assert bool(ended) is (attempt.cause != "runner_lost")
                assert len(text.splitlines()) > 100
    assert len(causes) >= 12


def test_every_attempt_ends_after_its_jobs(account: EditableWorld) -> None:
    for run in visible(account):
        for attempt in run.attempts:
            assert attempt.ended
            for job in attempt.jobs:
                assert job.completed
                assert job.completed <= attempt.ended


def test_steps_lie_inside_their_jobs(clock: Clock, serve: Serve) -> None:
    site = serve(acme_world(start=MONDAY, days=2, clock=clock))
    for run in site.json("/repos/acme/web-app/actions/runs?per_page=20&status=completed")["workflow_runs"]:
        for job in site.json(run["jobs_url"])["jobs"]:
            for step in job["steps"]:
                assert job["started_at"] <= step["started_at"] <= step["completed_at"] <= job["completed_at"]


def test_failures_fit_their_jobs(account: EditableWorld) -> None:
    """The tools of a failure are those of the language, its browser is that of the job."""
    tools = {
        "jest": "node", "tsc": "node", "npm": "node", "playwright": "node", "node": "node", "pytest": "python",
        "ruff": "python", "xctest": "swift", "cocoapods": "swift", "terraform": "terraform",
    }  # fmt: skip
    seen, jobs = Counter[str](), set[tuple[str, str, str | None]]()
    for run in visible(account):
        for attempt in run.attempts:
            for job in attempt.jobs:
                key = run.repository.name, job.name, attempt.cause
                if job.conclusion != "failure" or not job.ran or key in jobs:
                    continue
                jobs.add(key)
                for cause in extract(log_text(run, attempt, job).splitlines(keepends=True)).causes:
                    seen[cause.tool] += 1
                    assert tools.get(cause.tool, run.repository.language) == run.repository.language, cause
                    assert job.name != "Analyze" or cause.tool not in tools or cause.tool == "node", cause
                    assert cause.tool != "playwright" or ("[webkit]" in str(cause.subject)) == ("webkit" in job.name)
    assert seen.keys() >= tools.keys()


def test_a_cause_is_tied_to_one_value_of_a_matrix(account: EditableWorld) -> None:
    jobs = [
        JobContext(
            run.id, job.id, job.name, job.conclusion == "failure" and attempt.cause == "python_assert", run.created,
            run.branch, run.event, job.runner, None, (job.label,),
        )
        for run in visible(account)
        if (run.repository.name, run.workflow.name) == ("data-platform", "CI")
        for attempt in run.attempts
        for job in attempt.jobs
        if job.ran and job.conclusion in ("success", "failure")
    ]  # fmt: skip
    named = {(item.feature, item.values) for item in distinctions(jobs, UTC)}
    assert (Feature.MATRIX, ("3.13",)) in named
