"""The runs that appear while somebody watches.

Time is cut into slots of a few seconds. While the simulator is on, each slot brings one run; slots during which it was
off bring none. A span of slots is written down before it is shown (see `serve.Memory`), so that a run which was seen
once is the same after any restart. Slots are numbered through all spans; rounds of slots hold each live
workflow a fixed number of times, which makes every run number a matter of arithmetic."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from demo.dice import dice, fraction
from demo.history import Builder
from demo.model import Run

SLOT_SECONDS = 9
KEPT = timedelta(days=1)


@dataclass(frozen=True)
class Span:
    """Slots from `first` up to, and without, `end`; `index` is the number of the first one among all that were."""

    first: int
    end: int
    index: int

    @property
    def following(self) -> int:
        return self.index + self.end - self.first


def slot_at(moment: datetime) -> int:
    return int(moment.timestamp()) // SLOT_SECONDS


class Live:
    """`before[n]` is how many runs the n-th builder's workflow had before the first slot."""

    def __init__(self, seed: str, builders: list[Builder], before: list[int]) -> None:
        self._seed, self._builders, self._before = seed, builders, before
        self._latest: tuple[int, list[int]] = -1, []
        self._round = [n for n, builder in enumerate(builders) for _ in range(builder.spec.live)]

    def runs(self, span: Span, first: int, end: int) -> Iterator[Run]:
        """Runs of the slots from `first` up to `end` within the span, oldest first."""
        for slot in range(max(first, span.first), min(end, span.end)):
            yield self._run(slot, span.index + slot - span.first)

    def _run(self, slot: int, index: int) -> Run:
        turn, place = divmod(index, len(self._round))
        order = self._order(turn)
        chosen = order[place]
        number = self._before[chosen] + turn * self._round.count(chosen) + order[: place + 1].count(chosen)
        second = slot * SLOT_SECONDS + int(fraction(self._seed, slot) * SLOT_SECONDS)
        return self._builders[chosen].build(datetime.fromtimestamp(second, UTC), number, live=True)

    def _order(self, turn: int) -> list[int]:
        if self._latest[0] != turn:
            order = list(self._round)
            dice(self._seed, "round", turn).shuffle(order)
            self._latest = turn, order
        return self._latest[1]
