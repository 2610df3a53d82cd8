"""Is it complete? The answer in a sentence, for all repositories together. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from db.metrics import units
from db.metrics.ledger import RepositoryLedger, reading_of
from db.metrics.ledger_words import reading_line
from db.metrics.phrases import at, counted, day, minute
from db.vocabulary import LedgerState


class Tone(StrEnum):
    """NOTE is for what is no fault and will not change."""

    GOOD = "good"
    BUSY = "busy"
    BAD = "bad"
    NOTE = "note"


@dataclass(frozen=True)
class Verdict:
    tone: Tone
    headline: str
    more: str = ""


def verdict(
    ledgers: Sequence[RepositoryLedger], unread: int, now: datetime, *, silent: bool = False,
    stopped_at: datetime | None = None,
) -> Verdict:  # fmt: skip
    """`unread` names of GITHUB_REPOS led to no repository; `silent`: no collector is at work, since `stopped_at` where
    it ended in order."""
    total = len(ledgers) + unread
    if not total:
        return Verdict(Tone.NOTE, "Nothing is monitored yet", "Set GITHUB_REPOS=owner/name and start the collector.")
    complete = [each for each in ledgers if each.complete]
    if len(complete) == total:
        return _all_complete(complete, now, silent, stopped_at)
    failing = unread + sum(each.state == LedgerState.FAILING for each in ledgers)
    gaps = sum(each.state == LedgerState.GAPS for each in ledgers)
    busy = total - len(complete) - failing - gaps
    parts = _parts(total, ((failing, "cannot be read"), (gaps, "has gaps|have gaps"),
                           (busy, "is catching up|are catching up")))  # fmt: skip
    more = [_history(ledgers, now)] if busy else []
    if complete:
        rest = _since(complete)
        more.append(
            f"Everything of the other {counted(len(complete), 'repository', 'repositories')}{rest} is complete."
        )
    tone = Tone.BAD if failing or gaps or silent else Tone.BUSY
    return Verdict(tone, parts, " ".join(filter(None, [*more, _looked(ledgers, now, silent, stopped_at)])))


def _all_complete(
    complete: Sequence[RepositoryLedger], now: datetime, silent: bool, stopped_at: datetime | None
) -> Verdict:
    looked = min((each.synced_at for each in complete if each.synced_at), default=now)
    if silent:
        return Verdict(
            Tone.BAD,
            f"Everything{_since(complete)} is complete up to {minute(looked)} UTC",
            f"Nothing was looked at since, {units.relative((now - looked).total_seconds())}: "
            f"the collector {_away(stopped_at, now)}.",
        )
    ago = units.relative((now - looked).total_seconds())
    deep = min((each.relooked_deep_at or each.synced_at or now for each in complete), default=now)
    return Verdict(
        Tone.GOOD,
        f"Everything{_since(complete)} is complete, last look {ago}",
        f"Re-runs and late changes of the last 31 days were looked for {units.relative((now - deep).total_seconds())}.",
    )


def _since(ledgers: Sequence[RepositoryLedger]) -> str:
    latest = max((each.complete_since for each in ledgers if each.complete_since), default=None)
    return f" since {day(latest)}" if latest else ""


def _parts(total: int, found: Sequence[tuple[int, str]]) -> str:
    """1 of 41 repositories cannot be read, 3 have gaps."""
    said: list[str] = []
    for number, verbs in found:
        one, _, many = verbs.partition("|")
        verb = one if number == 1 or not many else many
        if number:
            of_all = f"{number:,} of {counted(total, 'repository', 'repositories')}" if total > 1 else "The repository"
            said.append(f"{number:,} {verb}" if said else f"{of_all} {verb}")
    return ", ".join(said)


def _history(ledgers: Sequence[RepositoryLedger], now: datetime) -> str:
    found = reading_of(ledgers, now)
    if found is None:
        return ""
    return f"{reading_line(found.done, found.expected, found.seconds_left)}."


def _away(stopped_at: datetime | None, now: datetime) -> str:
    return f"stopped at {at(stopped_at, now)}" if stopped_at else "is not running"


def _looked(ledgers: Sequence[RepositoryLedger], now: datetime, silent: bool, stopped_at: datetime | None) -> str:
    if silent:
        return f"The collector {_away(stopped_at, now)}."
    looked = max((each.synced_at for each in ledgers if each.synced_at), default=None)
    return f"Last look {units.relative((now - looked).total_seconds())}." if looked else ""
