"""Applying webhook deliveries: what the API stored becomes runs and jobs, through the same door as what was polled."""

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from collector.github.payloads import IgnoredEvent, InvalidPayload, JobEvent, RunEvent, parse_event
from collector.sync.convert import job_record, run_record, workflow_record, workflow_record_from_run
from collector.sync.failures import error_line, is_database_unavailable
from core.logging import log_context
from db.collection.claims import lock_repositories
from db.collection.counters import CounterName, CounterRegistry, SummaryName
from db.collection.sync_state import bump_data_version, sync_state
from db.engine import session_scope, write_scope
from db.enums import InboxState
from db.jobs.webhook_events import JobUpdate, StoredEvents, store_events
from db.repositories.repository_writes import ensure_workflows, get_repository, request_workflow_list
from db.webhook_inbox import (
    DeliveryResult,
    PendingDelivery,
    claim_deliveries,
    pending_deliveries,
    record_failed_attempt,
    record_results,
)

log = logging.getLogger(__name__)
# On SQLite, storing so many takes about 0.1 s, and the API waits for it.
_BATCH = 120


@dataclass
class InboxResult:
    """What became of the deliveries that waited. `failed` cannot be applied; `put_off` failed now and are tried again.
    `wanting` are runs that are over and whose jobs are to be fetched, `unknown` those that only a job told of, both as
    (repository_id, run_id)."""

    applied: int = 0
    ignored: int = 0
    failed: int = 0
    deferred: int = 0
    changed: int = 0
    runs_without_jobs: set[tuple[int, int]] = field(default_factory=set)
    unknown_runs: set[tuple[int, int]] = field(default_factory=set)

    @property
    def count(self) -> int:
        return self.applied + self.ignored + self.failed

    @property
    def repositories(self) -> frozenset[int]:
        """Those with something to fetch."""
        return frozenset(repository_id for repository_id, _ in self.runs_without_jobs | self.unknown_runs)

    def __add__(self, other: "InboxResult") -> "InboxResult":
        return InboxResult(
            self.applied + other.applied,
            self.ignored + other.ignored,
            self.failed + other.failed,
            self.deferred + other.deferred,
            self.changed + other.changed,
            self.runs_without_jobs | other.runs_without_jobs,
            self.unknown_runs | other.unknown_runs,
        )


@dataclass(frozen=True)
class _ParsedDelivery:
    """A delivery and what it tells, or what becomes of it without that."""

    delivery: PendingDelivery
    content: RunEvent | JobEvent | DeliveryResult


class InboxProcessor:
    """Several collectors may do this at once. A delivery and what it changed are committed together, so that a program
    that is killed in between leaves it waiting."""

    def __init__(
        self,
        engine: Engine,
        clock: Callable[[], datetime],
        *,
        stop: threading.Event | None = None,
        batch: int = _BATCH,
        tally: CounterRegistry | None = None,
    ) -> None:
        self._tally = tally or CounterRegistry()
        self._engine, self._clock, self._batch = engine, clock, batch
        self._stop = stop or threading.Event()

    def apply(self) -> InboxResult:
        """Everything that waits, once. Raises SQLAlchemyError where the database cannot be used: the rest waits on."""
        total = InboxResult()
        place = None
        while not self._stop.is_set():
            with session_scope(self._engine) as session:
                waiting = pending_deliveries(session, after=place, limit=self._batch)
            if not waiting:
                break
            place = waiting[-1].position
            total += self._apply([_parse_delivery(delivery) for delivery in waiting])
        return total

    def _apply(self, batch: Sequence[_ParsedDelivery]) -> InboxResult:
        """In one transaction; where that fails, one by one, so that one bad delivery stops no other."""
        total = InboxResult()
        fresh = [each for each in batch if not each.delivery.tries]
        try:
            total += self._store(fresh)
        except Exception as error:
            if is_database_unavailable(error):
                raise
            total = InboxResult()
        else:
            batch = [each for each in batch if each.delivery.tries]
        for parsed in batch:
            total += self._apply_one(parsed)
        return total

    def _apply_one(self, one: _ParsedDelivery) -> InboxResult:
        try:
            return self._store([one])
        except Exception as error:
            if is_database_unavailable(error):
                raise
            reason = error_line(error)
        with write_scope(self._engine) as session:
            if not claim_deliveries(session, [one.delivery.delivery_id]):
                return InboxResult()
            over = record_failed_attempt(session, one.delivery.delivery_id, reason, self._clock())
        self._log_stored(one, "failed" if over else "put_off", reason)
        return InboxResult(failed=1) if over else InboxResult(deferred=1)

    def _store(self, batch: Sequence[_ParsedDelivery]) -> InboxResult:
        if not batch:
            return InboxResult()
        found, now = InboxResult(), self._clock()
        with write_scope(self._engine) as session:
            claimed = claim_deliveries(session, [each.delivery.delivery_id for each in batch])
            ours = [each for each in batch if each.delivery.delivery_id in claimed]
            settled = [each.content for each in ours if isinstance(each.content, DeliveryResult)]
            settled += _store_deliveries(session, ours, found)
            record_results(session, settled, now)
            if found.changed:
                bump_data_version(session, now)
        told = {each.delivery.delivery_id: each for each in ours}
        for each in settled:
            self._log_stored(told[each.delivery_id], str(each.state), each.reason)
            found.applied += each.state is InboxState.APPLIED
            found.ignored += each.state is InboxState.IGNORED
            found.failed += each.state is InboxState.FAILED
        return found

    def _log_stored(self, one: _ParsedDelivery, outcome: str, reason: str | None) -> None:
        """Once it is stored what became of it."""
        self._tally.increment(CounterName.DELIVERIES, outcome)
        if outcome == InboxState.APPLIED:
            self._tally.observe(SummaryName.DELIVERY, (self._clock() - one.delivery.received_at).total_seconds())
        _log_outcome(one, outcome, reason)


def _store_deliveries(session: Session, batch: Sequence[_ParsedDelivery], found: InboxResult) -> list[DeliveryResult]:
    """By repository, and each of them is known by its id: a renamed one is still the same."""
    groups: dict[int, list[tuple[str, RunEvent | JobEvent]]] = defaultdict(list)
    for each in batch:
        if not isinstance(each.content, DeliveryResult):
            groups[each.content.repository.id].append((each.delivery.delivery_id, each.content))
    known = lock_repositories(session, groups)
    settled = []
    for repository_id, group in groups.items():
        repository = known.get(repository_id)
        state, reason = InboxState.APPLIED, None
        if repository is None or not repository.monitored:
            state, reason = InboxState.IGNORED, f"{group[0][1].repository.full_name or repository_id} is not monitored"
        else:
            stored = _store_events(session, repository_id, [event for _, event in group])
            found.changed += stored.changed
            found.runs_without_jobs |= {(repository_id, run_id) for run_id in stored.runs_to_fetch}
            found.unknown_runs |= {(repository_id, run_id) for run_id in stored.unknown_run_ids}
        settled += [DeliveryResult(delivery_id, state, repository_id, reason) for delivery_id, _ in group]
    return settled


def _store_events(session: Session, repository_id: int, events: Sequence[RunEvent | JobEvent]) -> StoredEvents:
    repository = get_repository(session, repository_id)
    name = events[-1].repository.full_name
    if name and name.lower() != repository.full_name.lower():
        # It was renamed: the next look at it asks for its new name.
        sync_state(session, repository_id).identity_checked_at = None
    runs = [event for event in events if isinstance(event, RunEvent)]
    if runs:
        workflows = [
            workflow_record(each.workflow) if each.workflow else workflow_record_from_run(each.run) for each in runs
        ]
        ensure_workflows(session, repository_id, workflows)
    records = [run_record(each.run) for each in runs]
    request_workflow_list(session, repository_id, records)
    return store_events(
        session,
        repository,
        records,
        [JobUpdate(each.job.run_id, job_record(each.job)) for each in events if isinstance(each, JobEvent)],
    )


def _log_outcome(one: _ParsedDelivery, outcome: str, reason: str | None) -> None:
    """One line a delivery, under the id by which the API and GitHub know it."""
    level = logging.WARNING if outcome in ("failed", "put_off") else logging.INFO
    event = one.content if isinstance(one.content, RunEvent | JobEvent) else None
    job = event.job if isinstance(event, JobEvent) else None
    run_id = job.run_id if job else event.run.id if isinstance(event, RunEvent) else None
    about = {"repository": event.repository.full_name or None, "run_id": run_id} if event else {}
    with log_context(delivery_id=one.delivery.delivery_id, event=one.delivery.event, outcome=outcome,
               job_id=job.id if job else None, **about):  # fmt: skip
        place = f" of run {run_id} in {about['repository']}" if event else ""
        log.log(level, "webhook %s%s %s%s", one.delivery.event, place, outcome, f": {reason}" if reason else "")


def _parse_delivery(delivery: PendingDelivery) -> _ParsedDelivery:
    try:
        return _ParsedDelivery(delivery, parse_event(delivery.event, delivery.body))
    except IgnoredEvent as why:
        return _ParsedDelivery(delivery, DeliveryResult(delivery.delivery_id, InboxState.IGNORED, reason=str(why)))
    except InvalidPayload as why:
        reason = str(why)
    except Exception as error:
        # Whatever a delivery holds, the others go on.
        reason = error_line(error)
    return _ParsedDelivery(delivery, DeliveryResult(delivery.delivery_id, InboxState.FAILED, reason=reason))
