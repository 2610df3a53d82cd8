"""Runs of one workflow: author and event, conclusion and cause, and re-runs.

A run is a pure function of the seed, the workflow and its second of creation. The scenario changes the outcome of a
run, not its identity: id, author, title and commit."""

from datetime import datetime, timedelta
from random import Random

from demo.content.failure_causes import causes_for
from demo.content.fixtures import ACTORS, BOT_CHANGES, BOTS, CHANGES, HOSTILE_CHANGES, QUEUE_BOT
from demo.world.catalog import WorkflowSpec
from demo.world.jobs import JobBuilder, copied_jobs
from demo.world.model import SETTLE_TIME, Attempt, Job, Repository, Run, Workflow
from demo.world.scenario import Episode, Scenario
from demo.world.seeded_random import seeded_fraction, seeded_random

# Conclusion and share of runs.
_RARE_CONCLUSIONS = (("action_required", 0.004), ("neutral", 0.003), ("stale", 0.002), ("startup_failure", 0.003))
# Shares of failed runs that are run again, of re-runs that pass, and of re-runs of all jobs.
_RERUN_SHARE, _PASSING_SHARE, _ALL_JOBS_SHARE = 0.07, 0.45, 0.25
_WITHOUT_RUNNER = ("startup_failure", "action_required", "skipped", "stale")
# Causes that can fail any job.
_GENERAL_CAUSES = ("out_of_memory", "runner_lost", "disk_full", "shutdown")


class RunBuilder:
    """`index` is the number of the workflow within the account."""

    def __init__(
        self, seed: str, index: int, repository: Repository, workflow: Workflow, spec: WorkflowSpec, scenario: Scenario
    ) -> None:
        self.repository, self.workflow, self.spec = repository, workflow, spec
        self.key = f"{repository.name}/{workflow.file}"
        self._seed, self._index, self._scenario = seed, index, scenario
        self._jobs = JobBuilder(spec, repository.name, scenario)

    def build(self, created: datetime, number: int, *, scheduled: bool = False, live: bool = False) -> Run:
        """Return the run of this moment with all its attempts. Live runs are run again within two minutes."""
        second = int(created.timestamp())
        rng = seeded_random(self._seed, self.key, second, "who")
        run = self._identity(rng, created, number, scheduled)
        self._attempts(seeded_random(self._seed, self.key, second, "how"), run, live)
        return run

    def run_id(self, created: datetime) -> int:
        """Return an id of eleven digits that grows with time, as GitHub's ids do."""
        return 14_000_000_000 + (int(created.timestamp()) - 1_700_000_000) * 64 + self._index

    def _identity(self, rng: Random, created: datetime, number: int, scheduled: bool) -> Run:
        events = [event for event in self.spec.events if event[0] != "schedule"] or [("workflow_dispatch", 1.0)]
        event = rng.choices([name for name, _ in events], [share for _, share in events])[0]
        event = "schedule" if scheduled else event
        author: str | None = rng.choice(ACTORS)
        title, branch = rng.choice(CHANGES)
        if event == "pull_request" and rng.random() < 0.13:
            author, (title, branch) = rng.choice(BOTS), rng.choice(BOT_CHANGES)
        if event == "pull_request" and rng.random() < 0.015:
            title, branch = rng.choice(HOSTILE_CHANGES)
        merged = f"{title} (#{1200 + number % 4000})"
        head_branch: str | None = branch
        message = committer = None
        if event in ("schedule", "workflow_dispatch"):
            # GitHub shows the workflow's name as the title of such a run; its commit is the head of the branch.
            title, head_branch, message, committer = self.workflow.name, "main", merged, ACTORS[number % len(ACTORS)]
        elif event == "push":
            title, head_branch = merged, "main"
        elif event == "merge_group":
            head_branch = f"gh-readonly-queue/main/pr-{1200 + number % 4000}-{number:040x}"
            title, author = merged, QUEUE_BOT
        run = Run(
            self.run_id(created), self.repository, self.workflow, number, title, head_branch, event,
            f"{rng.getrandbits(160):040x}", author, created, message=message, committer=committer,
        )  # fmt: skip
        return _with_nulls(rng.random(), run)

    def _attempts(self, rng: Random, run: Run, live: bool) -> None:
        on_main = run.branch == "main"
        conclusion, cause = self._outcome(rng, run, on_main)
        first = self._attempt(run, 1, run.created, conclusion, cause)
        run.attempts.append(first)
        again, passes, full, pause = rng.random(), rng.random(), rng.random(), rng.random()
        wait = timedelta(seconds=round(20 + 70 * pause if live else 90 + 2600 * pause * pause))
        if conclusion == "action_required" and passes < 0.6:
            self._rerun(run, run.created + timedelta(minutes=20) + wait, "success", None, all_jobs=True)
        broken = on_main and self._scenario.broken(self.repository.name, self.spec.name, run.created)
        if conclusion != "failure" or (cause != "flaky" and again > _RERUN_SHARE):
            return
        passes_now = not broken and (cause == "flaky" or passes < _PASSING_SHARE)
        twice = passes_now and full > 0.9
        begins = (first.ended or run.created) + wait
        conclusion = "success" if passes_now and not twice else "failure"
        self._rerun(run, begins, conclusion, cause, all_jobs=full < _ALL_JOBS_SHARE)
        if twice:
            self._rerun(run, (run.attempts[-1].ended or begins) + wait, "success", cause, all_jobs=False)

    def _rerun(self, run: Run, started: datetime, conclusion: str, cause: str | None, *, all_jobs: bool) -> None:
        """Add an attempt. "Re-run failed jobs" lists the other jobs again as copies; "Re-run all jobs" does not."""
        last = run.attempts[-1]
        failed = {job.name for job in last.jobs if job.conclusion != "success" and not job.phantom}
        if all_jobs or not failed:
            run.attempts.append(self._attempt(run, last.number + 1, started, conclusion, cause))
            return
        attempt = self._attempt(run, last.number + 1, started, conclusion, cause, failed)
        attempt.jobs = copied_jobs(run, last, attempt.number, failed) + attempt.jobs
        run.attempts.append(attempt)

    def _attempt(
        self, run: Run, number: int, started: datetime, conclusion: str, cause: str | None, only: set[str] | None = None
    ) -> Attempt:
        rng = seeded_random(self._seed, run.id, number)
        other_actor = rng.choice(ACTORS)
        attempt = Attempt(number, started, run.author if number == 1 else other_actor, conclusion, cause=cause)
        if conclusion == "startup_failure":
            run.name = self.workflow.path
        if conclusion in _WITHOUT_RUNNER:
            attempt.ended = started + SETTLE_TIME
            attempt.jobs = self._jobs.skipped(rng, run, attempt) if conclusion == "skipped" else []
            return attempt
        attempt.jobs = self._jobs.build(rng, run, attempt, only)
        end = _latest_completion(attempt.jobs, started)
        attempt.ended = end + SETTLE_TIME
        phantom = self._jobs.phantom(run, attempt, end) if conclusion in ("success", "failure") else None
        attempt.jobs += [phantom] if phantom else []
        return attempt

    def _outcome(self, rng: Random, run: Run, on_main: bool) -> tuple[str, str | None]:
        """Return conclusion and cause. The same numbers are drawn in the same order for every run, so that an episode
        changes only the runs that it applies to."""
        rare, flaky, cancelled, failed, timed_out, which_cause = (rng.random() for _ in range(6))
        broken = self._broken(run) if on_main else None
        if broken:
            return "failure", broken.cause
        rare_conclusion = _rare_conclusion(rare, on_main)
        if rare_conclusion:
            return rare_conclusion, None
        if flaky < self._scenario.factor("flaky", self.repository.name, self.spec.name, run.created, 0.0):
            return "failure", "flaky"
        if cancelled < (0.01 if on_main else 0.05):
            return "cancelled", None
        if failed >= (self.spec.success_main if on_main else self.spec.success_branch):
            return ("timed_out" if timed_out < 0.05 else "failure"), self._cause(run.created, which_cause)
        return ("skipped" if cancelled > 0.95 and self.spec.name == "Deploy" else "success"), None

    def _broken(self, run: Run) -> Episode | None:
        return self._scenario.broken(self.repository.name, self.spec.name, run.created)

    def _cause(self, moment: datetime, draw: float) -> str:
        """Return a cause. One cause of the workflow dominates each week; 12 % are causes of the runner."""
        if draw > 0.88:
            return _GENERAL_CAUSES[int((draw - 0.88) / 0.12 * len(_GENERAL_CAUSES))]
        kinds = sorted({job.kind for job in self.spec.jobs})
        known = [cause for kind in kinds for cause in causes_for(kind, self.repository.language)] or [
            "registry_timeout"
        ]
        week = moment.toordinal() // 7
        dominant = int(seeded_fraction(self._seed, self.key, week, "cause") * len(known))
        return known[dominant] if draw < 0.5 else known[int((draw - 0.5) / 0.38 * len(known))]


def _rare_conclusion(draw: float, on_main: bool) -> str | None:
    for conclusion, share in _RARE_CONCLUSIONS:
        if draw < share and not (on_main and conclusion == "action_required"):
            return conclusion
        draw -= share
    return None


def _latest_completion(jobs: list[Job], started: datetime) -> datetime:
    return max((job.completed for job in jobs if job.completed), default=started)


def _with_nulls(draw: float, run: Run) -> Run:
    """Set the fields that GitHub returns as null for deleted forks, accounts and branches."""
    if run.event == "pull_request":
        run.fork = draw < 0.012
        run.author = None if 0.02 < draw < 0.023 else run.author
        run.branch = None if 0.03 < draw < 0.033 else run.branch
    return run
