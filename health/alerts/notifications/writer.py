"""Writes notifications to the outbox: one for each group of alert changes, in the transaction that changes the
alerts."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from db.definitions.scope import Scope, Window
from db.enums import AlertState
from health.alerts.notifications import render
from health.alerts.notifications.evidence import EVIDENCE_WINDOW, AlertChange, Evidence, find_evidence, scope_of
from health.alerts.routing import Router
from health.alerts.rules.transitions import AlertEvent, Reason, group_events
from health.alerts.storage.alert_groups import first_groups
from health.alerts.storage.alert_queries import AlertRow, alerts_of_group, count_episodes
from health.alerts.storage.alert_writes import mark_notified
from health.alerts.storage.outbox import enqueue
from health.metrics import service
from health.metrics.definitions.formulas import Metrics


class NotificationWriter:
    """`channels`: names of those of the environment variables. Each channel gets one notification a group, with exactly
    the alerts that are routed to it."""

    def __init__(self, channels: Sequence[str], app_url: str) -> None:
        self._channels, self._app_url = channels, app_url

    def enqueue(self, session: Session, changes: Sequence[AlertChange], now: datetime) -> None:
        due = [change for change in changes if change.notify]
        if not due:
            return
        plan = _Plan(session, Router(session, self._channels), due, now)
        released = [change for change in due if not plan.is_held(change)]
        evidence = {change.alert_id: find_evidence(session, change, now) for change in released}
        by_id = {change.alert_id: change for change in released}
        messages: dict[tuple[int, ...], list[str]] = {}
        for channel in plan.channels:
            events = [
                _alert_event(change, evidence[change.alert_id].cause, plan.group_of(change, channel))
                for change in released
                if channel in plan.released_channels(change)
            ]
            for group in group_events(events):
                messages.setdefault(tuple(event.alert_id for event in group), []).append(channel)
        for alert_ids, channels in messages.items():
            grouped = [by_id[alert_id] for alert_id in alert_ids]
            self._write(session, grouped, evidence, channels, plan, now)
        self._mark_notified(session, released, evidence, now)

    def _write(
        self,
        session: Session,
        grouped: Sequence[AlertChange],
        evidence: Mapping[int, Evidence],
        channels: Sequence[str],
        plan: "_Plan",
        now: datetime,
    ) -> None:
        first = grouped[0]
        alert_ids = sorted({change.alert_id for change in grouped} | set(plan.group_of(first, channels[0])))
        resolved = plan.resolved_rows(alert_ids) if first.reason is Reason.RESOLVED and len(alert_ids) > 1 else []
        if len(resolved) > 1 and plan.group_of(first, channels[0]):
            alert_ids = [row.id for row in resolved]
            message = render.group_resolved_message(first.rule, resolved, self._app_url, now)
        elif len(grouped) == 1:
            alert_ids = [first.alert_id]
            context = self._message_context(session, first, evidence[first.alert_id], now)
            message = render.alert_message(first, context)
        else:
            alert_ids = [change.alert_id for change in grouped]
            events = [_alert_event(change, evidence[change.alert_id].cause, ()) for change in grouped]
            error = evidence[first.alert_id].error_line if _has_common_cause(events) else None
            message = render.group_message(grouped, evidence, error, self._app_url, now)
        mentions = plan.mentions(grouped, evidence)
        if mentions:
            message = replace(message, data={**message.data, "mentions": mentions})
        lead = min(change.alert_id for change in grouped)
        enqueue(session, lead, first.reason, dict.fromkeys(channels, message.to_dict()), now, alert_ids=alert_ids)

    @staticmethod
    def _mark_notified(
        session: Session, changes: Sequence[AlertChange], evidence: Mapping[int, Evidence], now: datetime
    ) -> None:
        """Alerts that opened together have one group, whatever channels they go to."""
        by_id = {change.alert_id: change for change in changes}
        events = [_alert_event(change, evidence[change.alert_id].cause, ()) for change in changes]
        for group in group_events(events):
            ids = [event.alert_id for event in group]
            opened_together = len(ids) > 1 and by_id[ids[0]].reason is Reason.FIRST
            mark_notified(session, ids, now, group_id=min(ids) if opened_together else None)

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


class _Plan:
    """Which channels get which changes. A resolution goes to the channels that were sent the opening, as far as they
    are still usable. Alerts that a channel received in one message are resolved there in one message, when none of them
    fires visibly any more; a silenced one does not count, because its silence may last."""

    def __init__(self, session: Session, router: Router, due: Sequence[AlertChange], now: datetime) -> None:
        self._mentions = router.table.mentions
        self._groups: dict[int, dict[int, AlertRow]] = {}
        self._routes: dict[int, tuple[str, ...]] = {}
        self._sent: dict[int, dict[str, tuple[int, ...]]] = {}
        for change in due:
            group_id = change.alert.group_id if change.alert else None
            if group_id is not None and group_id not in self._groups:
                rows = alerts_of_group(session, group_id, now)
                self._groups[group_id] = {row.id: row for row in rows}
                self._sent.update(first_groups(session, [row.id for row in rows]))
            elif change.alert is not None and change.alert_id not in self._sent:
                self._sent.update(first_groups(session, [change.alert_id]))
            self._routes[change.alert_id] = self._route(router, change)
        self.channels = tuple(dict.fromkeys(name for names in self._routes.values() for name in names))

    def _route(self, router: Router, change: AlertChange) -> tuple[str, ...]:
        if change.reason is Reason.RESOLVED:
            before = [name for name in self._sent.get(change.alert_id, {}) if name in router.table.usable]
            if before:
                return tuple(before)
        target, rule = change.target, change.rule
        return router.route(rule.channels, target.repository_id, target.workflow_id, rule.severity).channels

    def group_of(self, change: AlertChange, channel: str) -> tuple[int, ...]:
        """The alerts that the channel received together with this one; empty if it was alone."""
        ids = self._sent.get(change.alert_id, {}).get(channel, ())
        return ids if len(ids) > 1 else ()

    def released_channels(self, change: AlertChange) -> list[str]:
        channels = self._routes[change.alert_id]
        if change.reason is not Reason.RESOLVED:
            return list(channels)
        return [name for name in channels if not self._still_fires(change, name)]

    def is_held(self, change: AlertChange) -> bool:
        """Whether each of its channels waits for the other alerts of its group."""
        return bool(self._routes[change.alert_id]) and not self.released_channels(change)

    def _still_fires(self, change: AlertChange, channel: str) -> bool:
        rows = self._groups.get(change.alert.group_id or 0, {}) if change.alert else {}
        inactive = AlertState.RESOLVED, AlertState.SILENCED
        return any(rows[item].state not in inactive for item in self.group_of(change, channel) if item in rows)

    def resolved_rows(self, alert_ids: Sequence[int]) -> list[AlertRow]:
        """The alerts among these that recovered; not those that were closed for another reason."""
        rows = {row.id: row for group in self._groups.values() for row in group.values()}
        recovered = [rows[alert_id] for alert_id in alert_ids if alert_id in rows]
        return [row for row in recovered if row.resolved_at and row.detail.reason is None]

    def mentions(self, changes: Sequence[AlertChange], evidence: Mapping[int, Evidence]) -> list[str]:
        """The Slack members of the authors of the first bad commits, for alerts that open."""
        opened = [change for change in changes if change.reason is Reason.FIRST]
        runs = [evidence[change.alert_id].first for change in opened]
        logins = [run.actor.casefold() for run in runs if run is not None and run.actor]
        return list(dict.fromkeys(self._mentions[login] for login in logins if login in self._mentions))


def _alert_event(change: AlertChange, cause: str | None, group: Sequence[int]) -> AlertEvent:
    cause = cause if change.reason is Reason.FIRST else None
    return AlertEvent(change.alert_id, change.rule.id or 0, change.reason, min(group) if group else None, cause)


def _has_common_cause(events: Sequence[AlertEvent]) -> bool:
    return events[0].cause is not None and all(event.cause == events[0].cause for event in events)
