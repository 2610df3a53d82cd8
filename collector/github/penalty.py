"""GitHub's refusals to go on: how long nothing is asked. Pure: the time is given."""

import random
from collections.abc import Mapping
from datetime import datetime, timedelta

from collector.github.budget import Budget, number

_PAUSE, _LONGEST = timedelta(seconds=60), timedelta(minutes=15)
# GitHub asks for minutes. After an hour it is worth a request whatever was said.
_LONGEST_ASKED = timedelta(hours=1)
# Older servers name their secondary limit "abuse detection mechanism" and send no header.
_SIGNS = ("rate limit", "abuse detection")
_SLOW_DOWN = "GitHub asks to slow down (secondary rate limit)"


class Penalty:
    """`generation` counts penalties. A refusal of a request that left before the latest of them began is part of it:
    what several threads run into at once counts once."""

    def __init__(self) -> None:
        self.generation = 0
        self.reason = ""
        self._until: datetime | None = None
        self._pauses = 0

    def until(self, now: datetime) -> datetime | None:
        """Null where nothing is wrong."""
        return self._until if self._until and now < self._until else None

    def refused(self, generation: int, headers: Mapping[str, str], budget: Budget, now: datetime) -> datetime:
        """After a 403 or 429: waits for Retry-After, else for the reset, else for a minute that grows. `generation` is
        the one in which the request left."""
        going_on = self.until(now)
        same = going_on is not None and generation < self.generation
        until, reason = self._sentence(headers, budget, now, grow=not same)
        if same and going_on and until <= going_on:
            return going_on
        if not same:
            self.generation += 1
        self._until, self.reason = until, reason
        return until

    def well(self, generation: int) -> None:
        """A good answer to a request that left after the latest penalty: the next one begins small again."""
        if generation == self.generation:
            self._pauses = 0

    def _sentence(
        self, headers: Mapping[str, str], budget: Budget, now: datetime, *, grow: bool
    ) -> tuple[datetime, str]:
        retry_after = number(headers.get("retry-after"))
        if retry_after is not None:
            return now + min(timedelta(seconds=max(retry_after, 1)), _LONGEST_ASKED), _SLOW_DOWN
        reset = budget.state.reset_at
        if headers.get("x-ratelimit-remaining") == "0" and reset and reset > now:
            return reset, budget.reason()
        if not grow:
            return now, _SLOW_DOWN  # the pause that is going on already is the one meant
        pause = min(_PAUSE * 2**self._pauses, _LONGEST)
        self._pauses += 1
        return now + pause * random.uniform(1.0, 1.2), _SLOW_DOWN  # noqa: S311 - jitter, not secrecy


def is_rate_limit(status: int, headers: Mapping[str, str], message: str) -> bool:
    """A 403 without any sign of a limit is a matter of rights."""
    if status == 429:
        return True
    if status != 403:
        return False
    if "retry-after" in headers or headers.get("x-ratelimit-remaining") == "0":
        return True
    return any(sign in message.lower() for sign in _SIGNS)
