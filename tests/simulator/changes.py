"""Changes of an account between two syncs: new runs, ends of runs and re-runs."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from demo.world.model import SETTLE_TIME
from demo.world.seeded_random import seeded_random
from tests.simulator.bulk import BulkRuns
from tests.simulator.world import EditableWorld

# Maximum length of an attempt.
_MAX_LENGTH = timedelta(minutes=90)
_ONE_SECOND = timedelta(seconds=1)


@dataclass
class Changes:
    """Ids of runs."""

    new: list[int] = field(default_factory=list)
    finished: list[int] = field(default_factory=list)
    reruns: list[int] = field(default_factory=list)


def changes(
    world: EditableWorld,
    hours: float = 3,
    *,
    seed: str = "changes",
    new: int = 50,
    finished: int | None = None,
    reruns: int = 20,
    rerun_age_days: float = 5,
    jobs: tuple[int, int] = (2, 5),
) -> Changes:
    """Change the account in the `hours` before the clock, and not before its newest run: add `new` runs, finish
    `finished` runs in progress (None: all), and re-run `reruns` runs of the last `rerun_age_days`. What could not have
    ended by now is left in progress, so the account does not change as time passes."""
    period = _Period(world, hours, seed, jobs)
    ended = period.finish(finished)
    rerun = period.rerun(reruns, timedelta(days=rerun_age_days))
    return Changes(period.create(new), ended, rerun)


class _Period:
    def __init__(self, world: EditableWorld, hours: float, seed: str, jobs: tuple[int, int]) -> None:
        self._world, self._now = world, world.clock().replace(microsecond=0)
        self._rng = seeded_random(seed, self._now.isoformat(), len(world.runs))
        self._bulk = BulkRuns(world, self._rng, jobs)
        newest = (run.created + _ONE_SECOND for run in world.runs.values() if run.created < self._now)
        self._begin = min(max([self._now - timedelta(hours=hours), *newest]), self._now)
        self._before = list(world.runs.values())

    def finish(self, count: int | None) -> list[int]:
        in_progress = [run for run in self._before if run.attempts[-1].ended is None]
        chosen = self._rng.sample(in_progress, len(in_progress) if count is None else min(count, len(in_progress)))
        for run in chosen:
            # The attempt ends SETTLE_TIME later, which must not be after the clock.
            self._bulk.finish(run, self._moment(run.attempts[-1].started, self._now - SETTLE_TIME))
        return [run.id for run in chosen]

    def rerun(self, count: int, age: timedelta) -> list[int]:
        oldest, latest = self._now - age, self._now - _ONE_SECOND
        candidates = [
            (run, run.attempts[-1].ended) for run in self._before if run.created >= oldest and len(run.attempts) < 5
        ]
        ended_before = [
            (run, ended) for run, ended in candidates if ended and ended < min(latest, self._begin + _ONE_SECOND)
        ]
        chosen = self._rng.sample(ended_before, min(count, len(ended_before)))
        for run, ended in chosen:
            started = self._moment(ended)
            self._bulk.add_rerun(run, started, completed=self._fits(started))
        return [run.id for run, _ in chosen]

    def create(self, count: int) -> list[int]:
        rng = self._rng
        active = [repo for repo in self._world.repositories.values() if repo.workflows and not repo.archived]
        run_ids = []
        for moment in sorted(self._moment(self._begin - _ONE_SECOND) for _ in range(count)):
            repository = rng.choice(active)
            workflow = rng.choice(list(repository.workflows.values()))
            run_ids.append(self._bulk.add_run(repository, workflow, moment, completed=self._fits(moment)).id)
        return run_ids

    def _moment(self, after: datetime, latest: datetime | None = None) -> datetime:
        """Return a whole second in the period that is after the given time, and not after `latest` (None: the clock)
        if there is one."""
        first = max(self._begin, after.replace(microsecond=0) + _ONE_SECOND)
        seconds = int(((latest or self._now) - first).total_seconds())
        return first + timedelta(seconds=self._rng.randint(0, max(seconds, 0)))

    def _fits(self, started: datetime) -> bool:
        return started <= self._now - _MAX_LENGTH
