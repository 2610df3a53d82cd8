"""The one gate that every request of the process passes: how many at once, how many a minute, how many an hour, and
none during a penalty. What to do is decided in `pace`, `budget` and `penalty`; here it is waited for."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from collector.github.budget import Budget, RateState
from collector.github.errors import RateLimited
from collector.github.pace import Pace
from collector.github.penalty import Penalty
from collector.work import step

# GitHub allows 100 at once, of all who use the token.
CONCURRENT = 90
PATIENCE_SECONDS = 90.0
# Whoever waits looks up this often: the stop or a longer penalty may have come.
_LOOK_SECONDS = 0.25


@dataclass(frozen=True)
class Ticket:
    """Leave to send one request. `generation`: how many penalties there had been by then."""

    points: int
    generation: int


class RateLimit:
    """`pace` null: not paced. Penalties of up to `patience` seconds are waited for where a request wants to leave, for
    longer ones RateLimited is raised, so that the work can end and be taken up later. `limited`: the server is known
    to have limits; any other shows it by its headers, and until then is asked as fast as it can answer."""

    def __init__(
        self,
        clock: Callable[[], datetime],
        *,
        reserve: float = 0,
        pace: Pace | None = None,
        patience: float = 0,
        limited: bool = False,
    ) -> None:
        self._clock, self._pace, self._patience, self._limited = clock, pace, patience, limited
        self._budget, self._penalty = Budget(reserve), Penalty()
        self._changed = threading.Condition()
        self._out, self._share = 0, 1
        self.stop: threading.Event | None = None

    @property
    def state(self) -> RateState:
        with self._changed:
            return self._budget.state

    @property
    def kept(self) -> int:
        """Requests of the hour that are left to others."""
        with self._changed:
            return self._budget.kept

    def set_share(self, collectors: int) -> None:
        """So many use the same token: each takes its part of the points and of what goes at once."""
        with self._changed:
            self._share = max(collectors, 1)
            self._changed.notify_all()

    def check(self) -> None:
        """Raises RateLimited where a request would be refused now; does not wait."""
        with self._changed:
            blocked = self._blocked(self._clock())
        if blocked:
            raise blocked

    @contextmanager
    def passage(self, points: int = 1) -> Iterator[Ticket]:
        """Waits until one more request may leave; it has left until the block ends. Raises RateLimited where the wait
        is longer than the patience, or `stop` is set during it."""
        ticket = self._enter(points)
        try:
            yield ticket
        finally:
            with self._changed:
                self._out -= 1
                if self._pace:
                    self._pace.answered(points)
                self._changed.notify()

    def note(self, headers: Mapping[str, str]) -> None:
        """Takes in what an answer says of the budget."""
        if "x-ratelimit-remaining" not in headers:
            return
        with self._changed:
            self._limited = True
            self._budget.note(headers, self._clock())

    def note_success(self, ticket: Ticket) -> None:
        with self._changed:
            self._penalty.well(ticket.generation)

    def refused(self, headers: Mapping[str, str], ticket: Ticket | None = None) -> RateLimited:
        """After a 403 or 429 that is_rate_limit: from now on nothing leaves before `until`."""
        self.note(headers)
        with self._changed:
            generation = ticket.generation if ticket else self._penalty.generation
            until = self._penalty.refused(generation, headers, self._budget, self._clock())
            return RateLimited(self._penalty.reason, until)

    def _enter(self, points: int) -> Ticket:
        with self._changed:
            while (wait := self._wait(points)) > 0:
                if self.stop is not None and self.stop.is_set():
                    raise RateLimited("the program is about to end", self._clock() + timedelta(seconds=1))
                self._changed.wait(min(wait, _LOOK_SECONDS))
                step()
            self._out += 1
            if self._pace:
                self._pace.sent(points)
            return Ticket(points, self._penalty.generation)

    def _wait(self, points: int) -> float:
        """Seconds until it is worth asking again; 0: go."""
        now = self._clock()
        if blocked := self._blocked(now):
            seconds = (blocked.until - now).total_seconds()
            if seconds > self._patience:
                raise blocked
            return seconds
        if self._out >= max(CONCURRENT // self._share, 1):
            return _LOOK_SECONDS
        if self._out and not self._budget.covers(self._out, now):
            return _LOOK_SECONDS
        return self._pace.delay(points, share=self._share) if self._pace and self._limited else 0.0

    def _blocked(self, now: datetime) -> RateLimited | None:
        if until := self._penalty.until(now):
            return RateLimited(self._penalty.reason, until)
        if until := self._budget.used_up_until(now):
            return RateLimited(self._budget.reason(), until)
        return None
