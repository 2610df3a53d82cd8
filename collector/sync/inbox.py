"""Applies webhook deliveries that the API stored: runs and jobs are written by the same functions as polled ones."""

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
from db.collection.counters import DEFERRED, CounterName, CounterRegistry, SummaryName
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
# On SQLite, storing a batch takes about 0.1 s, during which the API cannot write.
_BATCH = 120


@dataclass
class InboxResult:
    """Numbers of deliveries by result: `failed` cannot be applied, `deferred` failed and are tried again. `changed`
    counts rows. `runs_without_jobs`: completed runs whose jobs are to be fetched; `unknown_runs`: runs of which only a
    job is known; both as (repository_id, run_id)."""

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
        """Ids of repositories whose runs or jobs are to be fetched."""
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
    """A delivery and its event, or its result if there is no event to apply."""

    delivery: PendingDelivery
    content: RunEvent | JobEvent | DeliveryResult


class InboxProcessor:
    """Several collectors may run this at the same time. A delivery and its changes are committed together, so that a
    delivery of a process that is killed stays pending."""

    def __init__(
        self,
        engine: Engine,
        clock: Callable[[], datetime],
        *,
        stop: threading.Event | None = None,
        batch: int = _BATCH,
        counters: CounterRegistry | None = None,
    ) -> None:
        self._counters = counters or CounterRegistry()
        self._engine, self._clock, self._batch = engine, clock, batch
        self._stop = stop or threading.Event()

    def apply(self) -> InboxResult:
        """Applies all pending deliveries once. Raises SQLAlchemyError if the database cannot be used; the rest stays
        pending."""
        total = InboxResult()
        position = None
        while not self._stop.is_set():
            with session_scope(self._engine) as session:
                pending = pending_deliveries(session, after=position, limit=self._batch)
            if not pending:
                break
            position = pending[-1].position
            total += self._apply([_parse_delivery(delivery) for delivery in pending])
        return total

    def _apply(self, batch: Sequence[_ParsedDelivery]) -> InboxResult:
        """Applies a batch in one transaction; if that fails, one by one, so that one bad delivery does not stop
        others."""
        total = InboxResult()
        first_tries = [parsed for parsed in batch if not parsed.delivery.tries]
        try:
            total += self._store(first_tries)
        except Exception as error:
            if is_database_unavailable(error):
                raise
            total = InboxResult()
        else:
            batch = [parsed for parsed in batch if parsed.delivery.tries]
        for parsed in batch:
            total += self._apply_one(parsed)
        return total

    def _apply_one(self, parsed: _ParsedDelivery) -> InboxResult:
        try:
            return self._store([parsed])
        except Exception as error:
            if is_database_unavailable(error):
                raise
            reason = error_line(error)
        with write_scope(self._engine) as session:
            if not claim_deliveries(session, [parsed.delivery.delivery_id]):
                return InboxResult()
            is_final = record_failed_attempt(session, parsed.delivery.delivery_id, reason, self._clock())
        self._log_stored(parsed, "failed" if is_final else DEFERRED, reason)
        return InboxResult(failed=1) if is_final else InboxResult(deferred=1)

    def _store(self, batch: Sequence[_ParsedDelivery]) -> InboxResult:
        if not batch:
            return InboxResult()
        result, now = InboxResult(), self._clock()
        with write_scope(self._engine) as session:
            claimed_ids = claim_deliveries(session, [parsed.delivery.delivery_id for parsed in batch])
            claimed = {
                parsed.delivery.delivery_id: parsed for parsed in batch if parsed.delivery.delivery_id in claimed_ids
            }
            outcomes = [parsed.content for parsed in claimed.values() if isinstance(parsed.content, DeliveryResult)]
            outcomes += _store_deliveries(session, list(claimed.values()), result)
            record_results(session, outcomes, now)
            if result.changed:
                bump_data_version(session, now)
        for outcome in outcomes:
            self._log_stored(claimed[outcome.delivery_id], str(outcome.state), outcome.reason)
            result.applied += outcome.state is InboxState.APPLIED
            result.ignored += outcome.state is InboxState.IGNORED
            result.failed += outcome.state is InboxState.FAILED
        return result

    def _log_stored(self, parsed: _ParsedDelivery, outcome: str, reason: str | None) -> None:
        """Counts and logs a result that is stored."""
        self._counters.increment(CounterName.DELIVERIES, outcome)
        if outcome == InboxState.APPLIED:
            self._counters.observe(SummaryName.DELIVERY, (self._clock() - parsed.delivery.received_at).total_seconds())
        _log_outcome(parsed, outcome, reason)


def _store_deliveries(session: Session, batch: Sequence[_ParsedDelivery], result: InboxResult) -> list[DeliveryResult]:
    """Stores the events by repository id, so that a renamed repository stays the same; adds to `result`."""
    groups: dict[int, list[tuple[str, RunEvent | JobEvent]]] = defaultdict(list)
    for parsed in batch:
        if not isinstance(parsed.content, DeliveryResult):
            groups[parsed.content.repository.id].append((parsed.delivery.delivery_id, parsed.content))
    repositories = lock_repositories(session, groups)
    outcomes = []
    for repository_id, group in groups.items():
        repository = repositories.get(repository_id)
        state, reason = InboxState.APPLIED, None
        if repository is None or not repository.monitored:
            state, reason = InboxState.IGNORED, f"{group[0][1].repository.full_name or repository_id} is not monitored"
        else:
            stored = _store_events(session, repository_id, [event for _, event in group])
            result.changed += stored.changed
            result.runs_without_jobs |= {(repository_id, run_id) for run_id in stored.runs_to_fetch}
            result.unknown_runs |= {(repository_id, run_id) for run_id in stored.unknown_run_ids}
        outcomes += [DeliveryResult(delivery_id, state, repository_id, reason) for delivery_id, _ in group]
    return outcomes


def _store_events(session: Session, repository_id: int, events: Sequence[RunEvent | JobEvent]) -> StoredEvents:
    repository = get_repository(session, repository_id)
    name = events[-1].repository.full_name
    if name and name.lower() != repository.full_name.lower():
        # It was renamed: the next sync requests its new name.
        sync_state(session, repository_id).identity_checked_at = None
    runs = [event for event in events if isinstance(event, RunEvent)]
    if runs:
        workflows = [
            workflow_record(event.workflow) if event.workflow else workflow_record_from_run(event.run) for event in runs
        ]
        ensure_workflows(session, repository_id, workflows)
    records = [run_record(event.run) for event in runs]
    request_workflow_list(session, repository_id, records)
    return store_events(
        session,
        repository,
        records,
        [JobUpdate(event.job.run_id, job_record(event.job)) for event in events if isinstance(event, JobEvent)],
    )


def _log_outcome(parsed: _ParsedDelivery, outcome: str, reason: str | None) -> None:
    """One line per delivery, with the id that the API and GitHub use."""
    level = logging.WARNING if outcome in ("failed", DEFERRED) else logging.INFO
    event = parsed.content if isinstance(parsed.content, RunEvent | JobEvent) else None
    job = event.job if isinstance(event, JobEvent) else None
    run_id = job.run_id if job else event.run.id if isinstance(event, RunEvent) else None
    delivery = parsed.delivery
    fields = {"repository": event.repository.full_name or None, "run_id": run_id} if event else {}
    with log_context(
        delivery_id=delivery.delivery_id,
        event=delivery.event,
        outcome=outcome,
        job_id=job.id if job else None,
        **fields,
    ):
        subject = f" of run {run_id} in {fields['repository']}" if event else ""
        log.log(level, "webhook %s%s %s%s", delivery.event, subject, outcome, f": {reason}" if reason else "")


def _parse_delivery(delivery: PendingDelivery) -> _ParsedDelivery:
    try:
        return _ParsedDelivery(delivery, parse_event(delivery.event, delivery.body))
    except IgnoredEvent as error:
        return _ParsedDelivery(delivery, DeliveryResult(delivery.delivery_id, InboxState.IGNORED, reason=str(error)))
    except InvalidPayload as error:
        reason = str(error)
    except Exception as error:
        # Broad: no content of a delivery may stop the others.
        reason = error_line(error)
    return _ParsedDelivery(delivery, DeliveryResult(delivery.delivery_id, InboxState.FAILED, reason=reason))
