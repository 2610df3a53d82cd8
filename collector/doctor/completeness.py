"""What the doctor says of what is stored: is it complete, and where not, why, and what to do."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from collector.doctor.environment import DoctorCheck
from core import VERSION, formatting
from core.formatting import format_time, pluralize
from db.engine import session_scope
from db.enums import CompletenessState
from db.repositories.repository_queries import TargetRow, unresolved_targets
from db.webhook_inbox import InboxSummary
from health.alerts.storage.channel_queues import ChannelQueue, list_channels
from health.completeness.collection_status import CollectionReport, collection_report, is_heartbeat_stale, stall_message
from health.completeness.descriptions import Tone, completeness_entries, completeness_status, remediation
from health.completeness.service import list_completeness, list_missing_numbers
from health.completeness.status import RepositoryCompleteness, incomplete_repositories

# Repositories with trouble that are named one by one.
_MAX_LISTED = 10
# When the collector is well, both take seconds.
_INBOX_LATE, _OUTBOX_LATE = timedelta(minutes=5), timedelta(minutes=15)


def check_completeness(engine: Engine, now: datetime) -> Iterator[DoctorCheck]:
    """Only what the running collector cannot read is wrong. Gaps and history come by themselves or never, and what an
    earlier collector could not read is tried anew by the doctor itself."""
    with session_scope(engine) as session:
        ledgers, told = list_completeness(session), collection_report(session, now)
        unread = unresolved_targets(session, [each.repo for each in ledgers])
        silent = told.heartbeat is None or is_heartbeat_stale(told.heartbeat, now)
        yield _collector(told, now, silent)
        yield from _versions(told)
        if told.webhook_at:
            yield _inbox(told.inbox, told.webhook_at, now, silent)
        yield from _outbox(list_channels(session, []), now, silent)
        yield _completeness(ledgers, len(unread), now, silent)
        yield from _problems(session, ledgers, unread, now, silent)


def _collector(told: CollectionReport, now: datetime, silent: bool) -> DoctorCheck:
    if told.heartbeat is None:
        return DoctorCheck("Collector", None, "has not run yet; start it with python -m collector")
    seen = formatting.relative((now - told.heartbeat.seen_at).total_seconds())
    if told.heartbeat.stopped_at:
        return DoctorCheck(
            "Collector",
            None,
            f"stopped at {format_time(told.heartbeat.stopped_at, now)}; start it with make run, or python -m collector",
        )
    if hangs := stall_message(told.heartbeat, now):
        return DoctorCheck("Collector", False, f"{hangs} Check its log and restart it")
    if silent:
        return DoctorCheck("Collector", None, f"is not running, last seen {seen}; start it, and look at its log")
    held = [f"{each.name} ({pluralize(each.repositories, 'repository', 'repositories')})"
            for each in told.collectors if each.alive]  # fmt: skip
    several = f"; {len(held)} share the work: {', '.join(held)}" if len(held) > 1 else ""
    return DoctorCheck("Collector", True, f"at work, last seen {seen}{several}")


def _versions(told: CollectionReport) -> Iterator[DoctorCheck]:
    running = {each.name: str(each.detail.version) for each in told.collectors if each.alive}
    other = [f"{name} runs {version}" for name, version in running.items() if version not in (VERSION, "None")]
    if other:
        yield DoctorCheck("Version", None, f"this is {VERSION}, but {', '.join(other)}: bring all to one version")
    elif running:
        yield DoctorCheck("Version", True, f"{VERSION}, here and in what runs")


def _inbox(found: InboxSummary, latest: datetime, now: datetime, silent: bool) -> DoctorCheck:
    came = f"the latest delivery came {formatting.relative((now - latest).total_seconds())}, {found.pending:,} wait"
    waits = now - found.oldest_pending_at if found.oldest_pending_at else timedelta()
    if waits > _INBOX_LATE:
        since = f"the oldest for {formatting.duration(waits.total_seconds())}"
        return DoctorCheck(
            "Deliveries", _check_result(True, silent), f"{came}, {since}: the collector's log says what keeps them"
        )
    if not found.failed:
        return DoctorCheck("Deliveries", True, came)
    failed = f"{found.failed:,} of the last 7 days could not be applied"
    remedy = "polling brings their runs, and the table inbox says why (state = 'failed')"
    return DoctorCheck("Deliveries", None, f"{came}; {failed}: {remedy}")


def _outbox(channels: Sequence[ChannelQueue], now: datetime, silent: bool) -> Iterator[DoctorCheck]:
    """Messages that wait; nothing where none does."""
    for each in channels:
        waits = now - each.oldest_at if each.oldest_at else timedelta()
        told = f"{pluralize(each.pending, 'message waits', 'messages wait')}, the oldest for "
        told += formatting.duration(waits.total_seconds())
        if each.failures and each.error:
            remedy = f"the last try failed: {each.error.rstrip('.')}; try it with POST /api/alerts/test"
            yield DoctorCheck(f"Messages to {each.channel}", _check_result(True, silent), f"{told}; {remedy}")
        elif waits > _OUTBOX_LATE:
            line = f"{told}: is {each.channel} still configured, and the collector running?"
            yield DoctorCheck(f"Messages to {each.channel}", _check_result(True, silent), line)


def _completeness(ledgers: Sequence[RepositoryCompleteness], unread: int, now: datetime, silent: bool) -> DoctorCheck:
    if not ledgers and not unread:
        return DoctorCheck("Completeness", None, "nothing is stored yet; the collector's first look brings it")
    said = completeness_status(ledgers, unread, now, is_stale=silent)
    failing = unread or any(each.state == CompletenessState.FAILING for each in ledgers)
    ok = True if said.tone == Tone.GOOD else _check_result(bool(failing), silent)
    return DoctorCheck("Completeness", ok, f"{said.headline}. {said.detail}".strip())


def _problems(
    session: Session,
    ledgers: Sequence[RepositoryCompleteness],
    unread: Sequence[TargetRow],
    now: datetime,
    silent: bool,
) -> Iterator[DoctorCheck]:
    """The worst first."""
    listed = incomplete_repositories(ledgers)
    for target in unread[:_MAX_LISTED]:
        error = target.error or ""
        yield DoctorCheck(
            f"Data of {target.name}",
            _check_result(True, silent),
            f"{error.rstrip('.')}. {remediation(target.error_code)}",
        )
    for ledger in listed[: max(_MAX_LISTED - len(unread), 0)]:
        detail = _worst_problem(session, ledger, now)
        yield DoctorCheck(
            f"Data of {ledger.repo}", _check_result(ledger.state == CompletenessState.FAILING, silent), detail
        )
    more = len(unread) + len(listed) - _MAX_LISTED
    if more > 0:
        yield DoctorCheck("Data", None, f"and {more:,} more; GET /api/repositories lists all of them")


def _worst_problem(session: Session, ledger: RepositoryCompleteness, now: datetime) -> str:
    """What is worst of it, what to do about that, and how much more there is."""
    found = completeness_entries(ledger, list_missing_numbers(session, ledger.id), now)
    bad = [each for each in found if each.tone == Tone.BAD] + [each for each in found if each.tone == Tone.BUSY]
    more = f"(And {len(bad) - 1} more.)" if len(bad) > 1 else ""
    return " ".join(filter(None, [f"{bad[0].text.rstrip('.')}.", bad[0].remedy, more]))


def _check_result(failing: bool, silent: bool) -> bool | None:
    return False if failing and not silent else None
