"""The acme account: inserts its history into a world, then new runs as time passes."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from demo.world.catalog import ORG, REPOSITORIES, workflow_file
from demo.world.history import RunBuilder
from demo.world.live import LIVE_RETENTION, LiveRuns, Span, slot_at
from demo.world.model import Repository, Workflow
from demo.world.ownership import CODEOWNERS, TEAMS
from demo.world.scenario import Episode, Scenario
from demo.world.schedule import Schedule
from demo.world.world import World

HISTORY_DAYS = 66
_RETENTION = timedelta(days=90)
_OPEN_END = 2**62
_ONE_DAY = timedelta(days=1)


class Account:
    """Timeline of a world. Workflows with a live share follow their schedule up to `start` and bring one run per live
    slot afterwards; the other workflows follow their schedule without end.

    `start` is the clock's time unless given. `days` is the length of the history. `spans` are earlier times in which
    the simulator ran. The same seed, start and spans give the same runs, whenever the account is created."""

    def __init__(
        self,
        world: World,
        *,
        seed: str = "acme",
        start: datetime | None = None,
        days: int = HISTORY_DAYS,
        spans: Iterable[Span] = (),
    ) -> None:
        start = start or world.clock()
        self._world, self._seed, self._start = world, seed, start
        self._scenario = Scenario(seed, start, days)
        self._builders = list(self._repositories())
        self._schedules = [Schedule(seed, builder.key, builder.spec) for builder in self._builders]
        now = world.clock()
        self._next_day = _midnight(max(start - timedelta(days=days), now - _RETENTION))
        self._numbers = [schedule.count_before(self._next_day) for schedule in self._schedules]
        live = [index for index, builder in enumerate(self._builders) if builder.spec.live]
        self._live_ids = {self._builders[index].workflow.id for index in live}
        self._live = LiveRuns(
            seed, [self._builders[index] for index in live], [self._count_until(index, start) for index in live]
        )
        self._next_slot = 0
        self._span = self._resume(list(spans), now)
        world.timeline = self
        self.advance()

    @property
    def span(self) -> Span:
        """The current span."""
        return self._span

    def advance(self) -> None:
        """Insert the runs that have become due and remove those that are past retention."""
        now = self._world.clock()
        while self._next_day <= now:
            self._insert_day(self._next_day)
            self._next_day += _ONE_DAY
            self._world.remove_runs(before=now - _RETENTION)
        due = slot_at(now) + 1
        if due > self._next_slot:
            for run in self._live.runs(self._span, self._next_slot, due):
                self._world.insert_run(run)
            self._next_slot = due
            self._world.remove_runs(before=now - LIVE_RETENTION, since=self._start, workflows=self._live_ids)

    def episodes(self, days: int = HISTORY_DAYS) -> list[Episode]:
        """Return the planted episodes of the last `days`, including those that are ongoing."""
        now = self._world.clock()
        return self._scenario.episodes(now - timedelta(days=days), now)

    def _resume(self, spans: list[Span], now: datetime) -> Span:
        """Insert the live runs of earlier spans and return the span that begins now."""
        # Where the clock was set back, or the last span was reserved past now, the new span follows it directly.
        first = max(slot_at(now), spans[-1].end if spans else slot_at(self._start) + 1)
        span = Span(first, _OPEN_END, spans[-1].next_index if spans else 0)
        self._next_slot = first
        oldest = slot_at(now - LIVE_RETENTION)
        for earlier in spans:
            for run in self._live.runs(earlier, oldest, earlier.end):
                self._world.insert_run(run)
        return span

    def _repositories(self) -> Iterator[RunBuilder]:
        """Insert the teams and the repositories of the catalog and yield a builder per workflow."""
        number = 0
        self._world.teams[ORG] = list(TEAMS)
        for index, spec in enumerate(REPOSITORIES, start=1):
            created = datetime(2023, 2, index * 3, 9, 30, tzinfo=self._start.tzinfo)
            repository = Repository(
                710_000_000 + index * 1117, f"{ORG}/{spec.name}", spec.private, spec.language, created,
                description=spec.description,
            )  # fmt: skip
            self._world.insert_repository(repository)
            files = {path: data for (name, path), data in CODEOWNERS.items() if name == spec.name}
            self._world.contents.update(((repository.id, path), data) for path, data in files.items())
            for workflow_spec in spec.workflows:
                workflow = Workflow(90_000_000 + index * 1000 + number, workflow_spec.name, workflow_spec.file)
                repository.workflows[workflow.id] = workflow
                self._world.files[workflow.id] = workflow_file(workflow_spec)
                yield RunBuilder(self._seed, number, repository, workflow, workflow_spec, self._scenario)
                number += 1

    def _insert_day(self, day: datetime) -> None:
        for index, (builder, schedule) in enumerate(zip(self._builders, self._schedules, strict=True)):
            for moment in schedule.moments(day):
                if builder.spec.live and moment >= self._start:
                    break
                self._numbers[index] += 1
                scheduled = schedule.is_scheduled(moment)
                self._world.insert_run(builder.build(moment, self._numbers[index], scheduled=scheduled))

    def _count_until(self, index: int, start: datetime) -> int:
        """Return the number of runs of a workflow before `start`."""
        schedule, day = self._schedules[index], _midnight(start)
        return schedule.count_before(day) + sum(moment < start for moment in schedule.moments(day))


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
