"""Days of runs: plausible, with a rhythm of weekdays and hours, and the same for the same anchor every time."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta

from demo.model import SETTLE, Attempt, Job, Repository, Run, Workflow
from demo.scenario import Episode
from demo.spec import ACTORS, BOT_TITLES, BRANCHES, NASTY, TITLES, JobSpec, WorkflowSpec

_HOURS = (1, 1, 1, 1, 1, 2, 5, 14, 30, 42, 46, 40, 30, 38, 46, 44, 38, 28, 14, 8, 5, 4, 3, 2)
# Enough to look alive, few enough for a first sync of two months in under a minute.
_VOLUME = 0.6
_RARE = (("action_required", 0.004), ("neutral", 0.003), ("stale", 0.002), ("startup_failure", 0.004))
_CAUSES = {
    "lint": ("typescript", "python_assert"),
    "build": ("npm_resolve", "docker_limit", "disk_full", "gradle"),
    "deploy": ("terraform_plan", "registry_timeout", "docker_limit"),
    "e2e": ("playwright_timeout", "runner_lost", "playwright_timeout"),
}
_TESTS = {
    "node": "jest",
    "go": "go_test",
    "jvm": "jvm_test",
    "python": "python_assert",
    "swift": "jest",
    "terraform": "terraform_plan",
}


class Builder:
    """Makes runs of one workflow. Everything random comes from `rng`, seeded by whoever asks."""

    def __init__(self, repository: Repository, workflow: Workflow, spec: WorkflowSpec, episodes: list[Episode]) -> None:
        self.repository, self.workflow, self.spec = repository, workflow, spec
        self._short = repository.full_name.partition("/")[2]
        self._episodes = [each for each in episodes if each.repo == self._short]

    def day(self, rng: random.Random, day: datetime, base_id: int) -> Iterator[Run]:
        """Runs created on that day (UTC midnight), in order of creation."""
        for number, moment in enumerate(sorted(self._moments(rng, day))):
            yield self.build(rng, moment, base_id + number * 40)

    def build(self, rng: random.Random, created: datetime, run_id: int, *, event: str | None = None) -> Run:
        event = event or rng.choices([e for e, _ in self.spec.events], [w for _, w in self.spec.events])[0]
        on_main = event in ("push", "schedule", "workflow_dispatch", "merge_group")
        author = rng.choice(ACTORS)
        title = rng.choice(BOT_TITLES if author.endswith("[bot]") else TITLES)
        branch: str | None = "main" if on_main else rng.choice(BRANCHES)
        if not on_main and rng.random() < 0.012:
            title, branch = rng.choice(NASTY)
        run = Run(
            id=run_id, repository=self.repository, workflow=self.workflow, number=0, title=title, branch=branch,
            event=event, sha=f"{rng.getrandbits(160):040x}", author=author, created=created,
        )  # fmt: skip
        if not on_main and rng.random() < 0.01:
            run.fork, run.branch = True, "main"
        self._run_attempts(rng, run, on_main)
        return run

    def _moments(self, rng: random.Random, day: datetime) -> Iterator[datetime]:
        if self.spec.cron_hour is not None:
            yield day + timedelta(hours=self.spec.cron_hour, minutes=7, seconds=rng.randrange(240))
            return
        weight = 0.15 if day.weekday() >= 5 else 1.0
        typical = self.spec.daily * _VOLUME * weight
        count = int(rng.gauss(typical, typical * 0.2) + rng.random())
        for _ in range(max(count, 0)):
            hour = rng.choices(range(24), _HOURS)[0]
            yield day + timedelta(hours=hour, seconds=rng.randrange(3600))

    def _run_attempts(self, rng: random.Random, run: Run, on_main: bool) -> None:
        conclusion = self._rare(rng, run) or self._decide(rng, run, on_main)
        run.attempts.append(self._attempt(rng, run, 1, run.created, conclusion))
        flaky = self._share("flaky", run.created)
        if conclusion == "failure" and (run.cause == "flaky" or rng.random() < 0.06) and not self._broken(run.created):
            again = run.attempts[0].ended or run.created
            passes = run.cause == "flaky" or rng.random() < 0.4
            self.rerun(rng, run, again + timedelta(seconds=rng.randrange(90, 1800)), passes=passes)
            if flaky and not passes and rng.random() < 0.4:
                last = run.attempts[-1].ended or again
                self.rerun(rng, run, last + timedelta(minutes=4), passes=True)

    def rerun(self, rng: random.Random, run: Run, started: datetime, *, passes: bool, failed_only: bool = True) -> None:
        """A new attempt. "Re-run failed jobs" lists the others again as copies: new ids, the same times."""
        last = run.attempts[-1]
        number = last.number + 1
        conclusion = "success" if passes else "failure"
        attempt = self._attempt(rng, run, number, started, conclusion)
        if failed_only:
            failed = {job.name for job in last.jobs if job.conclusion != "success"}
            fresh = [job for job in attempt.jobs if job.name in failed and not job.phantom]
            passed = [job for job in last.jobs if job.name not in failed and not job.phantom]
            copies = [copy_of(run, number, index, job) for index, job in enumerate(passed)]
            attempt.jobs = copies + fresh
            attempt.ended = max((job.completed for job in fresh if job.completed), default=started) + SETTLE
        run.attempts.append(attempt)

    def _rare(self, rng: random.Random, run: Run) -> str | None:
        draw = rng.random()
        for conclusion, share in _RARE:
            if draw < share:
                if conclusion == "startup_failure":
                    run.name = self.workflow.path
                return conclusion
            draw -= share
        return None

    def _decide(self, rng: random.Random, run: Run, on_main: bool) -> str:
        broken = self._broken(run.created) if on_main else None
        if broken:
            run.cause = broken.cause
            return "failure"
        draw = rng.random()
        if draw < self._share("flaky", run.created):
            run.cause = "flaky"
            return "failure"
        if not on_main and draw > 0.955:
            return "cancelled"
        if draw > 0.95 and self.spec.name == "Deploy":
            return "skipped"
        success = self.spec.success_main if on_main else self.spec.success_branch
        return "success" if rng.random() < success else rng.choices(("failure", "timed_out"), (0.95, 0.05))[0]

    def _broken(self, moment: datetime) -> Episode | None:
        return next(
            (e for e in self._episodes if e.kind == "broken" and e.holds(self._short, self.spec.name, moment)), None
        )

    def _share(self, kind: str, moment: datetime, *, default: float = 0.0) -> float:
        holding = (e for e in self._episodes if e.kind == kind and e.holds(self._short, self.spec.name, moment))
        return next((e.factor for e in holding), default)

    def _attempt(self, rng: random.Random, run: Run, number: int, started: datetime, conclusion: str) -> Attempt:
        actor = run.author if number == 1 else rng.choice(ACTORS[:24])
        attempt = Attempt(number, started, actor, conclusion)
        if conclusion in ("startup_failure", "action_required", "skipped", "stale"):
            attempt.ended = started + SETTLE
            if conclusion == "skipped":
                attempt.jobs = [self._skipped(rng, run, number, spec, started) for spec in self.spec.jobs]
            return attempt
        attempt.jobs = list(self._jobs(rng, run, attempt))
        attempt.ended = max(job.completed for job in attempt.jobs if job.completed) + SETTLE
        if self.spec.phantom and conclusion in ("success", "failure"):
            attempt.jobs.append(self._phantom(run, number, attempt.ended - SETTLE, conclusion))
        return attempt

    def _jobs(self, rng: random.Random, run: Run, attempt: Attempt) -> Iterator[Job]:
        slow = self._share("slow", attempt.started, default=1.0)
        bad = rng.randrange(len(self.spec.jobs)) if attempt.conclusion not in ("success", "neutral") else -1
        ready, stage, ends, failed = attempt.started, 0, [attempt.started], False
        for index, spec in enumerate(self.spec.jobs):
            if spec.stage != stage:
                stage, ready, ends = spec.stage, max(ends), []
                failed = bad in range(index)
            if failed:
                yield self._skipped(rng, run, attempt.number, spec, ready)
                ends.append(ready)
                continue
            verdict = (
                "success"
                if index != bad
                else {"timed_out": "failure"}.get(attempt.conclusion or "", attempt.conclusion)
            )
            job = self._job(rng, run, attempt.number, index, ready, slow)
            job.conclusion = verdict
            if index == bad:
                self._spoil(rng, run, attempt, spec, job)
            ends.append(job.completed or ready)
            yield job

    def _job(self, rng: random.Random, run: Run, number: int, index: int, ready: datetime, slow: float) -> Job:
        spec = self.spec.jobs[index]
        started = ready + timedelta(seconds=self._wait(rng, spec, ready))
        seconds = max(spec.seconds * slow * rng.lognormvariate(0, 0.16), 4.0)
        return Job(
            job_id(run.id, number, index), spec.name, spec.kind, spec.label, ready + timedelta(seconds=1),
            started, _whole(started + timedelta(seconds=seconds)), None, rng.getrandbits(31), _runner(rng, spec.label),
        )  # fmt: skip

    def _spoil(self, rng: random.Random, run: Run, attempt: Attempt, spec: JobSpec, job: Job) -> None:
        """The failing job: cut short, and with a cause."""
        share = {"timed_out": 3.5, "cancelled": rng.uniform(0.1, 0.7)}.get(
            attempt.conclusion or "", rng.uniform(0.4, 1.0)
        )
        length = (job.completed - job.started) * share if job.completed else timedelta(0)
        job.completed = _whole(job.started + length)
        if run.cause in (None, "flaky") and attempt.conclusion in ("failure", "timed_out"):
            own = _CAUSES.get(spec.kind) or (_TESTS.get(run.repository.language, "jest"), "registry_timeout")
            cause = rng.choice(own) if rng.random() < 0.9 else rng.choice(("out_of_memory", "runner_lost", "disk_full"))
            run.cause = run.cause or cause

    def _wait(self, rng: random.Random, spec: JobSpec, moment: datetime) -> float:
        """Seconds for a runner: a few, with peaks in the busy hours, and more where a label is short."""
        busy = moment.weekday() < 5 and moment.hour in (9, 10, 11, 14, 15, 16)
        seconds = rng.lognormvariate(1.6, 0.6) + (rng.expovariate(1 / 35) if busy and rng.random() < 0.35 else 0)
        short = spec.label == "macos-14" and moment.weekday() < 5 and 12 <= moment.hour < 17
        return round(seconds * (self._share("queue", moment, default=1.0) if short else 1.0))

    def _skipped(self, rng: random.Random, run: Run, number: int, spec: JobSpec, at: datetime) -> Job:
        # GitHub shows some skipped jobs as completed before they started.
        odd = timedelta(seconds=rng.choice((0, 0, 0, 1)))
        number_of = job_id(run.id, number, self.spec.jobs.index(spec))
        return Job(number_of, spec.name, spec.kind, spec.label, at, at, at - odd, "skipped", 0)

    def _phantom(self, run: Run, number: int, at: datetime, conclusion: str) -> Job:
        return Job(
            job_id(run.id, number, 19), self.spec.phantom or "", "report", "", at, at, at, conclusion, 0, phantom=True
        )


def _whole(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def _runner(rng: random.Random, label: str) -> str:
    return (
        f"acme-runner-{rng.randrange(1, 13):02d}"
        if label == "self-hosted"
        else f"GitHub Actions {rng.randrange(1_000_000_000, 1_000_099_999)}"
    )


def job_id(run_id: int, attempt: int, index: int) -> int:
    """Copies stand behind the 20 jobs that an attempt can have of its own."""
    return run_id * 1000 + attempt * 40 + index


def copy_of(run: Run, number: int, index: int, job: Job) -> Job:
    return Job(
        job_id(run.id, number, 20 + index), job.name, job.kind, job.label, job.created, job.started, job.completed,
        job.conclusion, job.seed, job.runner,
    )  # fmt: skip
