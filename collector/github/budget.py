"""GitHub's primary limit: so many requests an hour. Pure: the time is given."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

# The same hour is told with resets that differ by a second or two.
_SAME_HOUR = timedelta(seconds=60)
# An hour's limit is over after an hour; a later reset is a slip of whoever answered.
_LONGEST = timedelta(minutes=65)


@dataclass(frozen=True)
class RateState:
    """As GitHub last said; null where it says nothing (GHES without limits)."""

    limit: int | None
    remaining: int | None
    reset_at: datetime | None


class Budget:
    """`reserve`, in percent of the hourly limit, is left to others who use the same token."""

    def __init__(self, reserve: float = 0) -> None:
        self.reserve = reserve
        self.state = RateState(None, None, None)

    @property
    def kept(self) -> int:
        return int((self.state.limit or 0) * self.reserve / 100)

    def note(self, headers: Mapping[str, str], now: datetime) -> None:
        """Takes in what an answer says; answers of other resources (search) say nothing of this one."""
        limit, remaining = number(headers.get("x-ratelimit-limit")), number(headers.get("x-ratelimit-remaining"))
        reset = number(headers.get("x-ratelimit-reset"))
        if remaining is None or reset is None or headers.get("x-ratelimit-resource", "core") != "core":
            return
        reset_at, known = min(datetime.fromtimestamp(reset, UTC), now + _LONGEST), self.state
        if known.reset_at and known.remaining is not None and now < known.reset_at:
            if known.reset_at - reset_at > _SAME_HOUR:
                return  # a late answer of an hour that is over
            # Answers of parallel requests arrive out of order: within one hour the budget only shrinks.
            if abs(reset_at - known.reset_at) <= _SAME_HOUR:
                remaining, reset_at = min(remaining, known.remaining), max(reset_at, known.reset_at)
        self.state = RateState(limit, remaining, reset_at)

    def used_up_until(self, now: datetime) -> datetime | None:
        """The reset, while nothing but the reserve is left; once it has passed, there is a new hour's budget."""
        state = self.state
        if state.remaining is None or state.reset_at is None or now >= state.reset_at:
            return None
        return state.reset_at if state.remaining <= self.kept else None

    def covers(self, out: int, now: datetime) -> bool:
        """Whether one more may go while `out` are on their way, of which nobody knows yet what they cost."""
        state = self.state
        if state.remaining is None or state.reset_at is None or now >= state.reset_at:
            return True
        return state.remaining - out > self.kept

    def reason(self) -> str:
        size = f" of {self.state.limit:,} requests an hour" if self.state.limit else ""
        kept = f" but for the {self.kept:,} that RATE_LIMIT_RESERVE leaves to others" if self.kept else ""
        return f"the rate limit{size} is used up{kept}"


def number(value: str | None) -> int | None:
    return int(value) if value and value.isascii() and value.isdigit() and len(value) < 12 else None
