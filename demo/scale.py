"""A generated account of any size, for benchmarks and for tests of completeness."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from random import Random

from demo.dice import dice
from demo.mass import Mass
from demo.model import Repository, Run, Workflow
from demo.world import World, utc_now

OWNER = "scale"
_FIRST_ID = 16_000_000_000
_LANGUAGES = ("python", "node", "go", "jvm")
_WORKFLOWS = (("CI", 60), ("Lint", 20), ("Deploy", 12), ("Nightly", 8))
# Every finished run is over by this long before the clock.
_QUIET = timedelta(minutes=90)
_RERUN_SHARE, _TWICE_SHARE = 0.08, 0.35


def build(
    world_or_clock: World | Callable[[], datetime] = utc_now,
    *,
    repositories: int = 5,
    runs: int = 2000,
    jobs: tuple[int, int] = (2, 5),
    days: float = 30,
    seed: str = "scale",
    unfinished: float = 0.003,
) -> World:
    """`runs` in each of the repositories, evenly over the last `days`; `unfinished` is their share among all runs, all
    among the newest 5 %. The same seed and clock give the same account, and nothing in it changes by itself."""
    world = world_or_clock if isinstance(world_or_clock, World) else World.empty(world_or_clock)
    world.number_from(_FIRST_ID)
    rng, now = dice(seed), world.clock().replace(microsecond=0)
    mass = Mass(world, rng, jobs)
    made = [_repository(world, place) for place in range(repositories)]
    going_on = _going_on(rng, repositories, runs, unfinished)
    for moment, place, number in _moments(rng, now, repositories, runs, days):
        repository = made[place]
        run = mass.run(repository, _workflow(rng, repository), moment, over=(place, number) not in going_on)
        if run.attempts[-1].conclusion is not None and rng.random() < _RERUN_SHARE:
            _again(mass, rng, run, now)
    return world


def _repository(world: World, place: int) -> Repository:
    name = f"{OWNER}/service-{place + 1:02d}"
    repository = world.add_repository(name, private=place % 2 == 0, language=_LANGUAGES[place % len(_LANGUAGES)])
    for workflow, _ in _WORKFLOWS:
        world.add_workflow(name, workflow)
    return repository


def _moments(
    rng: Random, now: datetime, repositories: int, runs: int, days: float
) -> Iterator[tuple[datetime, int, int]]:
    """Creation, repository and number within it, oldest first."""
    newest, seconds = now - _QUIET, int(days * 86_400 - _QUIET.total_seconds())
    drawn = [sorted((rng.randrange(seconds) for _ in range(runs)), reverse=True) for _ in range(repositories)]
    found = ((ago, place, number) for place, each in enumerate(drawn) for number, ago in enumerate(each))
    for ago, place, number in sorted(found, key=lambda item: (-item[0], item[1], item[2])):
        yield newest - timedelta(seconds=ago), place, number


def _going_on(rng: Random, repositories: int, runs: int, share: float) -> set[tuple[int, int]]:
    """Repository and number of the runs that nobody has finished yet."""
    newest = range(runs - max(runs // 20, 1), runs)
    count = min(max(round(runs * share), 1), len(newest)) if share and runs else 0
    return {(place, number) for place in range(repositories) for number in rng.sample(newest, count)}


def _workflow(rng: Random, repository: Repository) -> Workflow:
    return rng.choices(list(repository.workflows.values()), [share for _, share in _WORKFLOWS])[0]


def _again(mass: Mass, rng: Random, run: Run, now: datetime) -> None:
    for _ in range(2 if rng.random() < _TWICE_SHARE else 1):
        begins = (run.attempts[-1].ended or now) + timedelta(seconds=rng.randrange(30, 1800))
        # An attempt of ordinary length has to be over by now.
        if begins > now - _QUIET:
            return
        mass.again(run, begins)
