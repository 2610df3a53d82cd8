"""What happens in an account while nobody looks."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from demo.dice import dice
from demo.mass import Mass
from demo.world import World

# Long enough for an attempt to be over.
_LONGEST = timedelta(minutes=90)
_ONE_SECOND = timedelta(seconds=1)


@dataclass
class Changes:
    """Ids of runs."""

    new: list[int] = field(default_factory=list)
    finished: list[int] = field(default_factory=list)
    reruns: list[int] = field(default_factory=list)


def changes(
    world: World,
    hours: float = 3,
    *,
    seed: str = "changes",
    new: int = 50,
    finished: int | None = None,
    reruns: int = 20,
    rerun_age_days: float = 5,
    jobs: tuple[int, int] = (2, 5),
) -> Changes:
    """Lets this happen in the `hours` before the clock, and never before the newest run that was there: `new` runs,
    the end of `finished` unfinished ones (null: of all), and `reruns` of runs that are up to that many days old. What
    could not be over by now is left unfinished, so nothing changes by itself."""
    move = _Move(world, hours, seed, jobs)
    ended = move.finish(finished)
    again = move.rerun(reruns, timedelta(days=rerun_age_days))
    return Changes(move.create(new), ended, again)


class _Move:
    def __init__(self, world: World, hours: float, seed: str, jobs: tuple[int, int]) -> None:
        self._world, self._now = world, world.clock().replace(microsecond=0)
        self._rng = dice(seed, self._now.isoformat(), len(world.runs))
        self._mass = Mass(world, self._rng, jobs)
        newest = (run.created + _ONE_SECOND for run in world.runs.values() if run.created < self._now)
        self._begin = min(max([self._now - timedelta(hours=hours), *newest]), self._now)
        self._before = list(world.runs.values())

    def finish(self, count: int | None) -> list[int]:
        going_on = [run for run in self._before if run.attempts[-1].ended is None]
        chosen = self._rng.sample(going_on, len(going_on) if count is None else min(count, len(going_on)))
        for run in chosen:
            self._mass.finish(run, self._moment(run.attempts[-1].started))
        return [run.id for run in chosen]

    def rerun(self, count: int, age: timedelta) -> list[int]:
        oldest, latest = self._now - age, self._now - _ONE_SECOND
        over = [
            (run, run.attempts[-1].ended) for run in self._before if run.created >= oldest and len(run.attempts) < 5
        ]
        chosen = [(run, ended) for run, ended in over if ended and ended < min(latest, self._begin + _ONE_SECOND)]
        drawn = self._rng.sample(chosen, min(count, len(chosen)))
        for run, ended in drawn:
            started = self._moment(ended)
            self._mass.again(run, started, over=self._fits(started))
        return [run.id for run, _ in drawn]

    def create(self, count: int) -> list[int]:
        rng = self._rng
        open_ones = [each for each in self._world.repositories.values() if each.workflows and not each.archived]
        made = []
        for moment in sorted(self._moment(self._begin - _ONE_SECOND) for _ in range(count)):
            repository = rng.choice(open_ones)
            workflow = rng.choice(list(repository.workflows.values()))
            made.append(self._mass.run(repository, workflow, moment, over=self._fits(moment)).id)
        return made

    def _moment(self, after: datetime) -> datetime:
        """A whole second within the time of the move, and after that one."""
        first = max(self._begin, after.replace(microsecond=0) + _ONE_SECOND)
        return first + timedelta(seconds=self._rng.randint(0, max(int((self._now - first).total_seconds()), 0)))

    def _fits(self, started: datetime) -> bool:
        return started <= self._now - _LONGEST
