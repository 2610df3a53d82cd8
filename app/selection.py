"""Chosen days, as `dates=2026-11-01..2026-11-09` in the address has them: UTC days, both included. Pure.

What an address names that nothing stored has. Pure.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from db.definitions.scope import Window

_PATTERN = re.compile(r"(\d{4}-\d\d-\d\d)\.\.(\d{4}-\d\d-\d\d)", re.ASCII)
_EARLIEST, _LATEST = date(2000, 1, 1), date(2100, 1, 1)
_MAX_SHOWN = 60


class BadDays(ValueError):
    """Why a text names no days, in one sentence."""


@dataclass(frozen=True)
class Days:
    """First and last day, both included."""

    first: date
    last: date

    def __str__(self) -> str:
        """For people: 1 Nov – 9 Nov, with the year where the years differ."""
        if self.first.year != self.last.year:
            return f"{self.first:%d %b %Y} – {self.last:%d %b %Y}"
        return f"{self.first:%d %b} – {self.last:%d %b}"

    @property
    def query_value(self) -> str:
        return f"{self.first}..{self.last}"

    def started(self, today: date) -> "Days | None":
        """The days that have begun; null where none has."""
        return Days(self.first, min(self.last, today)) if self.first <= today else None

    def includes_today(self, today: date) -> bool:
        """Do they include the day that is not over?"""
        return self.first <= today <= self.last

    def window(self, now: datetime) -> Window:
        """From the first midnight to the end of the last day, at most to now. Empty where no day has begun."""
        since, after = (datetime.combine(day, time(), UTC) for day in (self.first, self.last + timedelta(days=1)))
        return Window(since, max(min(after, now), since))


def parse(text: str) -> Days:
    """Raises BadDays."""
    found = _PATTERN.fullmatch(text)
    shown = text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "…"
    if not found:
        raise BadDays(f"dates={shown} cannot be read: two days are wanted, such as 2026-11-01..2026-11-09.")
    try:
        first, last = date.fromisoformat(found[1]), date.fromisoformat(found[2])
    except ValueError:
        raise BadDays(f"dates={shown} names a day that does not exist.") from None
    if first > last:
        raise BadDays(f"dates={shown} ends before it begins.")
    if first < _EARLIEST or last >= _LATEST:
        raise BadDays(f"dates={shown} lies outside of {_EARLIEST.year} to {_LATEST.year - 1}.")
    return Days(first, last)


def future_note(days: Days, today: date) -> str | None:
    """What is to be said of days that have not begun, in one sentence; null where all have."""
    if days.first > today:
        return f"{days} has not begun (today is {today:%d %b %Y}, UTC): there are no runs to show."
    if days.last > today:
        return f"{days} reaches into the future: figures end now, {today:%d %b %Y} (UTC)."
    return None


@dataclass(frozen=True)
class UnknownNames:
    """Chosen values that are not known. `all_of` is `repositories` or `workflows` where none of the chosen ones is, so
    that there is nothing to show; else empty."""

    repos: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()
    none_known: str = ""

    @property
    def messages(self) -> list[str]:
        """A sentence for each value that is left out; none where the page itself has to say it."""
        if self.none_known:
            return []
        found = [f"{repo} is not monitored: it is left out." for repo in self.repos]
        return found + [f"The chosen repositories have no workflow {name}: it is left out." for name in self.workflows]


def find_unknown_names(
    repos: Sequence[str], workflows: Sequence[str], known_repos: Mapping[str, str], known_workflows: Collection[str]
) -> UnknownNames:
    """`known_repos`: by the name in lower case, since GitHub takes names in any case."""
    strange = tuple(repo for repo in repos if repo.lower() not in known_repos)
    if repos and len(strange) == len(repos):
        return UnknownNames(strange, (), "repositories")
    lost = tuple(name for name in workflows if name not in known_workflows)
    return UnknownNames(strange, lost, "workflows" if workflows and len(lost) == len(workflows) else "")
