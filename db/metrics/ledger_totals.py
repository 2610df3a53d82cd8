"""The ledgers of all repositories together: in numbers, and those with trouble first. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from db.metrics.ledger import LogCounts, Reading, RepositoryLedger, reading_of
from db.vocabulary import GapKind, LedgerState

_WORST_FIRST = (LedgerState.FAILING, LedgerState.GAPS, LedgerState.CATCHING_UP)


@dataclass(frozen=True)
class Totals:
    """Every state and every kind of gap is there, with 0 where there is none. `unread` names of GITHUB_REPOS led to no
    repository; each is a gap, too. `numbers_missing` are run numbers that GitHub is still asked for."""

    states: Mapping[LedgerState, int]
    gaps: Mapping[GapKind, int]
    unread: int
    runs: int
    jobs_missing: int
    numbers_missing: int
    numbers_absent: int
    logs: LogCounts
    reading: Reading | None


def totals(ledgers: Sequence[RepositoryLedger], unread: int, now: datetime) -> Totals:
    states = Counter(ledger.state for ledger in ledgers)
    gaps = Counter(gap.kind for ledger in ledgers for gap in ledger.gaps)
    gaps[GapKind.UNREADABLE] += unread
    return Totals(
        states={state: states[state] for state in LedgerState},
        gaps={kind: gaps[kind] for kind in GapKind},
        unread=unread,
        runs=sum(ledger.runs for ledger in ledgers),
        jobs_missing=sum(ledger.jobs_missing for ledger in ledgers),
        numbers_missing=sum(each.numbers for ledger in ledgers for each in ledger.missing.holes if each.open),
        numbers_absent=sum(ledger.runs_absent for ledger in ledgers),
        logs=LogCounts(
            pending=sum(ledger.logs.pending for ledger in ledgers),
            expired=sum(ledger.logs.expired for ledger in ledgers),
            missing=sum(ledger.logs.missing for ledger in ledgers),
        ),
        reading=reading_of(ledgers, now),
    )


def troubled(ledgers: Iterable[RepositoryLedger]) -> list[RepositoryLedger]:
    """Those that are not complete: what cannot be read first, then what has gaps (most first), then the rest."""
    listed = [ledger for ledger in ledgers if not ledger.complete]
    return sorted(listed, key=lambda each: (_WORST_FIRST.index(each.state), -len(each.gaps), each.repo.lower()))
