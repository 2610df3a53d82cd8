"""The acme account: fills a world with its past when it begins, and with what becomes due as time goes on."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from demo import workflow_files
from demo.history import Builder
from demo.live import KEPT, Live, Span, slot_at
from demo.model import Repository, Run, Workflow
from demo.rhythm import Rhythm
from demo.scenario import Scenario
from demo.spec import ORG, REPOSITORIES
from demo.world import World

_RETAINED = timedelta(days=90)
_OPEN = 2**62
_ONE_DAY = timedelta(days=1)


class Account:
    """Workflows with a live share follow their rhythm up to `start` and then the live slots; the others follow their
    rhythm for ever. `spans` are earlier times in which the simulator was on."""

    def __init__(self, world: World, *, seed: str, start: datetime, days: int, spans: Iterable[Span]) -> None:
        self._world, self._seed, self._start = world, seed, start
        self.scenario = Scenario(seed, start, days)
        self._builders = list(self._repositories())
        self._rhythms = [Rhythm(seed, each.key, each.spec) for each in self._builders]
        now = world.clock()
        self._next_day = _midnight(max(start - timedelta(days=days), now - _RETAINED))
        self._numbers = [rhythm.before(self._next_day) for rhythm in self._rhythms]
        live = [each for each in self._builders if each.spec.live]
        self._live_ids = {each.workflow.id for each in live}
        self._live = Live(seed, live, [self._count_until(each, start) for each in live])
        self._made = 0
        self._span = self._resume(list(spans), now)

    @property
    def span(self) -> Span:
        """The one that is going on."""
        return self._span

    def advance(self) -> None:
        """Makes what becomes due, and forgets what is too old."""
        now = self._world.clock()
        while self._next_day <= now:
            self._make_day(self._next_day)
            self._next_day += _ONE_DAY
            self._world.forget(before=now - _RETAINED)
        due = slot_at(now) + 1
        if due > self._made:
            for run in self._live.runs(self._span, self._made, due):
                self._world.add(run)
            self._made = due
            self._world.forget(before=now - KEPT, since=self._start, workflows=self._live_ids)

    def _resume(self, spans: list[Span], now: datetime) -> Span:
        """Shows what was shown before, and opens the next span."""
        here = slot_at(now)
        # Where the clock went back, or the last span was reserved a little into the future, it just goes on.
        first = max(here, spans[-1].end if spans else slot_at(self._start) + 1)
        opened = Span(first, _OPEN, spans[-1].following if spans else 0)
        self._made = first
        oldest = slot_at(now - KEPT)
        for span in spans:
            for run in self._live.runs(span, oldest, span.end):
                self._world.add(run)
        return opened

    def _repositories(self) -> Iterable[Builder]:
        number = 0
        for index, spec in enumerate(REPOSITORIES, start=1):
            created = datetime(2023, 2, index * 3, 9, 30, tzinfo=self._start.tzinfo)
            repository = Repository(
                710_000_000 + index * 1117, f"{ORG}/{spec.name}", spec.private, spec.language, created,
                description=spec.description,
            )  # fmt: skip
            self._world.add_existing(repository)
            for workflow_spec in spec.workflows:
                workflow = Workflow(90_000_000 + index * 1000 + number, workflow_spec.name, workflow_spec.file)
                repository.workflows[workflow.id] = workflow
                self._world.files[workflow.id] = workflow_files.text(workflow_spec)
                yield Builder(self._seed, number, repository, workflow, workflow_spec, self.scenario)
                number += 1

    def _make_day(self, day: datetime) -> None:
        for place, (builder, rhythm) in enumerate(zip(self._builders, self._rhythms, strict=True)):
            for moment in rhythm.moments(day):
                if builder.spec.live and moment >= self._start:
                    break
                self._numbers[place] += 1
                self._world.add(self._built(builder, rhythm, moment, self._numbers[place]))

    @staticmethod
    def _built(builder: Builder, rhythm: Rhythm, moment: datetime, number: int) -> Run:
        return builder.build(moment, number, scheduled=rhythm.is_scheduled(moment))

    def _count_until(self, builder: Builder, start: datetime) -> int:
        rhythm, day = self._rhythms[self._builders.index(builder)], _midnight(start)
        return rhythm.before(day) + sum(moment < start for moment in rhythm.moments(day))


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
