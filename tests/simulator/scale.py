"""A generated account of any size, for benchmarks and for tests of completeness."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from random import Random

from demo.world.model import Repository, Run, Workflow
from demo.world.seeded_random import seeded_random
from demo.world.world import utc_now
from tests.simulator.bulk import BulkRuns
from tests.simulator.world import EditableWorld

OWNER = "scale"
_FIRST_ID = 16_000_000_000
_LANGUAGES = ("python", "node", "go", "jvm")
_WORKFLOWS = (("CI", 60), ("Lint", 20), ("Deploy", 12), ("Nightly", 8))
# No finished run ends within this time before the clock.
_QUIET_TIME = timedelta(minutes=90)
_RERUN_SHARE, _TWICE_SHARE = 0.08, 0.35


def build(
    world_or_clock: EditableWorld | Callable[[], datetime] = utc_now,
    *,
    repositories: int = 5,
    runs: int = 2000,
    jobs: tuple[int, int] = (2, 5),
    days: float = 30,
    seed: str = "scale",
    unfinished: float = 0.003,
) -> EditableWorld:
    """Return a world with `runs` in each of the repositories, uniformly distributed over the last `days`.

    `jobs` is the minimum and maximum per run. `unfinished` is the share of runs in progress, which are among the newest
    5 %. The same seed and clock give the same account. It does not change as time passes."""
    world = world_or_clock if isinstance(world_or_clock, EditableWorld) else EditableWorld(world_or_clock)
    world.number_from(_FIRST_ID)
    rng, now = seeded_random(seed), world.clock().replace(microsecond=0)
    bulk = BulkRuns(world, rng, jobs)
    added = [_add_repository(world, index) for index in range(repositories)]
    in_progress = _in_progress(rng, repositories, runs, unfinished)
    for moment, index, number in _moments(rng, now, repositories, runs, days):
        repository = added[index]
        completed = (index, number) not in in_progress
        run = bulk.add_run(repository, _workflow(rng, repository), moment, completed=completed)
        if run.attempts[-1].conclusion is not None and rng.random() < _RERUN_SHARE:
            _add_reruns(bulk, rng, run, now)
    return world


def _add_repository(world: EditableWorld, index: int) -> Repository:
    name = f"{OWNER}/service-{index + 1:02d}"
    repository = world.add_repository(name, private=index % 2 == 0, language=_LANGUAGES[index % len(_LANGUAGES)])
    for workflow, _ in _WORKFLOWS:
        world.add_workflow(name, workflow)
    return repository


def _moments(
    rng: Random, now: datetime, repositories: int, runs: int, days: float
) -> Iterator[tuple[datetime, int, int]]:
    """Yield creation time, index of the repository and number of the run within it, oldest first."""
    newest, seconds = now - _QUIET_TIME, int(days * 86_400 - _QUIET_TIME.total_seconds())
    drawn = [sorted((rng.randrange(seconds) for _ in range(runs)), reverse=True) for _ in range(repositories)]
    moments = ((ago, index, number) for index, ages in enumerate(drawn) for number, ago in enumerate(ages))
    for ago, index, number in sorted(moments, key=lambda item: (-item[0], item[1], item[2])):
        yield newest - timedelta(seconds=ago), index, number


def _in_progress(rng: Random, repositories: int, runs: int, share: float) -> set[tuple[int, int]]:
    """Return index of the repository and number of the runs in progress."""
    newest = range(runs - max(runs // 20, 1), runs)
    count = min(max(round(runs * share), 1), len(newest)) if share and runs else 0
    return {(index, number) for index in range(repositories) for number in rng.sample(newest, count)}


def _workflow(rng: Random, repository: Repository) -> Workflow:
    return rng.choices(list(repository.workflows.values()), [share for _, share in _WORKFLOWS])[0]


def _add_reruns(bulk: BulkRuns, rng: Random, run: Run, now: datetime) -> None:
    for _ in range(2 if rng.random() < _TWICE_SHARE else 1):
        started = (run.attempts[-1].ended or now) + timedelta(seconds=rng.randrange(30, 1800))
        # An attempt of usual length must have ended by now.
        if started > now - _QUIET_TIME:
            return
        bulk.add_rerun(run, started)
