"""Writes notifications to the outbox: one for each group of alert changes, in the transaction that changes the
alerts."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from db.definitions.scope import Scope, Window
from db.enums import AlertState
from health.alerts.channels.base import Message
from health.alerts.notifications import render
from health.alerts.notifications.evidence import EVIDENCE_WINDOW, AlertChange, Evidence, find_evidence, scope_of
from health.alerts.rules.transitions import AlertEvent, Reason, group_events
from health.alerts.storage.alert_queries import AlertRow, alerts_of_group, count_episodes
from health.alerts.storage.alert_writes import mark_notified
from health.alerts.storage.outbox import enqueue
from health.metrics import service
from health.metrics.definitions.formulas import Metrics


class NotificationWriter:
    """`channels`: the configured ones; a rule may name some of them."""

    def __init__(self, channels: Sequence[str], app_url: str) -> None:
        self._channels, self._app_url = channels, app_url

    def enqueue(self, session: Session, changes: Sequence[AlertChange], now: datetime) -> None:
        due = [change for change in changes if change.notify and not self._group_still_fires(session, change, now)]
        evidence = {change.alert_id: find_evidence(session, change, now) for change in due}
        by_id = {change.alert_id: change for change in due}
        events = [_alert_event(change, evidence[change.alert_id].cause) for change in due]
        for group in group_events(events):
            grouped = [by_id[event.alert_id] for event in group]
            first = grouped[0]
            resolved = self._resolved_group(session, first, now)
            if len(resolved) > 1:
                alert_ids = [row.id for row in resolved]
                message = render.group_resolved_message(first.rule, resolved, self._app_url, now)
            elif len(grouped) == 1:
                alert_ids = [first.alert_id]
                context = self._message_context(session, first, evidence[first.alert_id], now)
                message = render.alert_message(first, context)
            else:
                alert_ids = [change.alert_id for change in grouped]
                error = evidence[first.alert_id].error_line if _has_common_cause(group) else None
                message = render.group_message(grouped, evidence, error, self._app_url, now)
            self._write(session, grouped, alert_ids, message, now)

    @staticmethod
    def _group_still_fires(session: Session, change: AlertChange, now: datetime) -> bool:
        """Alerts that were notified in one message are resolved in one message, when none of them fires visibly any
        more. A silenced one does not count: its silence may last."""
        group_id = change.resolved_group_id
        if group_id is None:
            return False
        inactive = AlertState.RESOLVED, AlertState.SILENCED
        return any(row.state not in inactive for row in alerts_of_group(session, group_id, now))

    @staticmethod
    def _resolved_group(session: Session, change: AlertChange, now: datetime) -> list[AlertRow]:
        """The alerts of its group that recovered; not those that were closed for another reason."""
        group_id = change.resolved_group_id
        rows = alerts_of_group(session, group_id, now) if group_id is not None else []
        return [row for row in rows if row.resolved_at and row.detail.reason is None]

    def _write(
        self,
        session: Session,
        changes: Sequence[AlertChange],
        alert_ids: Sequence[int],
        message: Message,
        now: datetime,
    ) -> None:
        first, changed_ids = changes[0], [change.alert_id for change in changes]
        channels = [name for name in self._channels if not first.rule.channels or name in first.rule.channels]
        lead = min(changed_ids)
        enqueue(session, lead, first.reason, {name: message.to_dict() for name in channels}, now, alert_ids=alert_ids)
        group_id = lead if len(changes) > 1 and first.reason is Reason.FIRST else None
        mark_notified(session, changed_ids, now, group_id=group_id)

    def _message_context(
        self, session: Session, change: AlertChange, evidence: Evidence, now: datetime
    ) -> render.MessageContext:
        """The figures of 30 days are those of the workflow, or of the repository."""
        workflow_id = change.target.workflow_id
        scope = Scope(repos=(change.target.repo,), workflows=(str(workflow_id),) if workflow_id else ())
        figures = service.snapshot(session, scope, Window(now - EVIDENCE_WINDOW, now), commits=False)
        episodes = count_episodes(session, change.alert_id, now - EVIDENCE_WINDOW)
        needs_window = change.reason is Reason.RESOLVED and change.rule.built_in and change.resolving_run is None
        window_metrics = self._window_metrics(session, change, now) if needs_window else None
        return render.MessageContext(figures, self._app_url, now, evidence, episodes, window_metrics)

    @staticmethod
    def _window_metrics(session: Session, change: AlertChange, now: datetime) -> Metrics:
        if change.measurement and change.measurement.metrics:
            return change.measurement.metrics
        # The window includes runs that were created in this second.
        window = Window(now - timedelta(seconds=change.rule.effective_window), now + timedelta(seconds=1))
        return service.snapshot(session, scope_of(change.target), window, commits=False)


def _alert_event(change: AlertChange, cause: str | None) -> AlertEvent:
    group_id = change.alert.group_id if change.alert else None
    cause = cause if change.reason is Reason.FIRST else None
    return AlertEvent(change.alert_id, change.rule.id or 0, change.reason, group_id, cause)


def _has_common_cause(events: Sequence[AlertEvent]) -> bool:
    return events[0].cause is not None and all(event.cause == events[0].cause for event in events)
