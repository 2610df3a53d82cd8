"""Runs of one workflow: who started it and why, how it went, and whether it was run again. A run is a pure function
of the seed, the workflow and its second of creation; the scenario changes how it goes, never which run it is."""

from datetime import datetime, timedelta
from random import Random

from demo.causes import causes_for
from demo.dice import dice, fraction
from demo.jobs import JobMaker, copies
from demo.model import SETTLE, Attempt, Job, Repository, Run, Workflow
from demo.scenario import Episode, Scenario
from demo.spec import WorkflowSpec
from demo.texts import ACTORS, BOT_WORK, BOTS, NASTY, QUEUE_BOT, WORK

_RARE = (("action_required", 0.004), ("neutral", 0.003), ("stale", 0.002), ("startup_failure", 0.003))
_RERUN_SHARE, _PASSES_SHARE, _FULL_SHARE = 0.07, 0.45, 0.25
_NEVER_RAN = ("startup_failure", "action_required", "skipped", "stale")
_ANYWHERE = ("out_of_memory", "runner_lost", "disk_full", "shutdown")


class Builder:
    """`index` numbers the workflow within the account."""

    def __init__(
        self, seed: str, index: int, repository: Repository, workflow: Workflow, spec: WorkflowSpec, scenario: Scenario
    ) -> None:
        self.repository, self.workflow, self.spec = repository, workflow, spec
        self.key = f"{repository.name}/{workflow.file}"
        self._seed, self._index, self._scenario = seed, index, scenario
        self._jobs = JobMaker(spec, repository.name, scenario)

    def build(self, created: datetime, number: int, *, scheduled: bool = False, live: bool = False) -> Run:
        second = int(created.timestamp())
        rng = dice(self._seed, self.key, second, "who")
        run = self._identity(rng, created, number, scheduled)
        self._attempts(dice(self._seed, self.key, second, "how"), run, live)
        return run

    def run_id(self, created: datetime) -> int:
        """Eleven digits, growing with time, as GitHub's do."""
        return 14_000_000_000 + (int(created.timestamp()) - 1_700_000_000) * 64 + self._index

    def _identity(self, rng: Random, created: datetime, number: int, scheduled: bool) -> Run:
        events = [each for each in self.spec.events if each[0] != "schedule"] or [("workflow_dispatch", 1.0)]
        event = rng.choices([name for name, _ in events], [share for _, share in events])[0]
        event = "schedule" if scheduled else event
        author: str | None = rng.choice(ACTORS)
        title, branch = rng.choice(WORK)
        if event == "pull_request" and rng.random() < 0.13:
            author, (title, branch) = rng.choice(BOTS), rng.choice(BOT_WORK)
        if event == "pull_request" and rng.random() < 0.015:
            title, branch = rng.choice(NASTY)
        merged = f"{title} (#{1200 + number % 4000})"
        shown: str | None = branch
        message = committer = None
        if event in ("schedule", "workflow_dispatch"):
            # GitHub titles such a run by its workflow; its commit is the newest one of the branch.
            title, shown, message, committer = self.workflow.name, "main", merged, ACTORS[number % len(ACTORS)]
        elif event == "push":
            title, shown = merged, "main"
        elif event == "merge_group":
            title, shown, author = merged, f"gh-readonly-queue/main/pr-{1200 + number % 4000}-{number:040x}", QUEUE_BOT
        run = Run(
            self.run_id(created), self.repository, self.workflow, number, title, shown, event,
            f"{rng.getrandbits(160):040x}", author, created, message=message, committer=committer,
        )  # fmt: skip
        return self._with_gaps(rng.random(), run)

    @staticmethod
    def _with_gaps(draw: float, run: Run) -> Run:
        """What GitHub leaves out: deleted forks, accounts and branches."""
        if run.event == "pull_request":
            run.fork = draw < 0.012
            run.author = None if 0.02 < draw < 0.023 else run.author
            run.branch = None if 0.03 < draw < 0.033 else run.branch
        return run

    def _attempts(self, rng: Random, run: Run, live: bool) -> None:
        on_main = run.branch == "main"
        conclusion, cause = self._verdict(rng, run, on_main)
        first = self._attempt(run, 1, run.created, conclusion, cause)
        run.attempts.append(first)
        again, passes, full, pause = rng.random(), rng.random(), rng.random(), rng.random()
        wait = timedelta(seconds=round(20 + 70 * pause if live else 90 + 2600 * pause * pause))
        if conclusion == "action_required" and passes < 0.6:
            self._again(run, run.created + timedelta(minutes=20) + wait, "success", None, full=True)
        broken = on_main and self._scenario.broken(self.repository.name, self.spec.name, run.created)
        if conclusion != "failure" or (cause != "flaky" and again > _RERUN_SHARE):
            return
        heals = not broken and (cause == "flaky" or passes < _PASSES_SHARE)
        twice = heals and full > 0.9
        begins = (first.ended or run.created) + wait
        self._again(run, begins, "success" if heals and not twice else "failure", cause, full=full < _FULL_SHARE)
        if twice:
            self._again(run, (run.attempts[-1].ended or begins) + wait, "success", cause, full=False)

    def _again(self, run: Run, started: datetime, conclusion: str, cause: str | None, *, full: bool) -> None:
        """ "Re-run failed jobs" lists the others again as copies; "Re-run all jobs" does not."""
        last = run.attempts[-1]
        failed = {job.name for job in last.jobs if job.conclusion != "success" and not job.phantom}
        if full or not failed:
            run.attempts.append(self._attempt(run, last.number + 1, started, conclusion, cause))
            return
        attempt = self._attempt(run, last.number + 1, started, conclusion, cause, failed)
        attempt.jobs = copies(run, last, attempt.number, failed) + attempt.jobs
        run.attempts.append(attempt)

    def _attempt(
        self, run: Run, number: int, started: datetime, conclusion: str, cause: str | None, only: set[str] | None = None
    ) -> Attempt:
        rng = dice(self._seed, run.id, number)
        somebody = rng.choice(ACTORS)
        attempt = Attempt(number, started, run.author if number == 1 else somebody, conclusion, cause=cause)
        if conclusion == "startup_failure":
            run.name = self.workflow.path
        if conclusion in _NEVER_RAN:
            attempt.ended = started + SETTLE
            attempt.jobs = self._jobs.skipped(rng, run, attempt) if conclusion == "skipped" else []
            return attempt
        attempt.jobs = self._jobs.make(rng, run, attempt, only)
        end = _last(attempt.jobs, started)
        attempt.ended = end + SETTLE
        phantom = self._jobs.phantom(run, attempt, end) if conclusion in ("success", "failure") else None
        attempt.jobs += [phantom] if phantom else []
        return attempt

    def _verdict(self, rng: Random, run: Run, on_main: bool) -> tuple[str, str | None]:
        """Always the same draws in the same order, so that an episode changes nothing but what it is about."""
        rare, flaky, stopped, decided, timed_out, odd = (rng.random() for _ in range(6))
        broken = self._broken(run) if on_main else None
        if broken:
            return "failure", broken.cause
        seldom = _seldom(rare, on_main)
        if seldom:
            return seldom, None
        if flaky < self._scenario.factor("flaky", self.repository.name, self.spec.name, run.created, 0.0):
            return "failure", "flaky"
        if stopped < (0.01 if on_main else 0.05):
            return "cancelled", None
        if decided >= (self.spec.success_main if on_main else self.spec.success_branch):
            return ("timed_out" if timed_out < 0.05 else "failure"), self._cause(run.created, odd)
        return ("skipped" if stopped > 0.95 and self.spec.name == "Deploy" else "success"), None

    def _broken(self, run: Run) -> Episode | None:
        return self._scenario.broken(self.repository.name, self.spec.name, run.created)

    def _cause(self, moment: datetime, odd: float) -> str:
        """A few causes dominate each week, as in life; now and then it is the machine."""
        if odd > 0.88:
            return _ANYWHERE[int((odd - 0.88) / 0.12 * len(_ANYWHERE))]
        kinds = sorted({job.kind for job in self.spec.jobs})
        known = [cause for kind in kinds for cause in causes_for(kind, self.repository.language)] or [
            "registry_timeout"
        ]
        week = moment.toordinal() // 7
        favourite = int(fraction(self._seed, self.key, week, "cause") * len(known))
        return known[favourite] if odd < 0.5 else known[int((odd - 0.5) / 0.38 * len(known))]


def _seldom(draw: float, on_main: bool) -> str | None:
    for conclusion, share in _RARE:
        if draw < share and not (on_main and conclusion == "action_required"):
            return conclusion
        draw -= share
    return None


def _last(jobs: list[Job], started: datetime) -> datetime:
    return max((job.completed for job in jobs if job.completed), default=started)
