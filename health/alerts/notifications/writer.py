"""Writes the messages about what changed: one for each bundle of news, in the transaction of the change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from db.definitions.scope import Scope, Window
from db.enums import AlertState, RuleKind
from db.runs.run_queries import RunRow
from health.alerts.channels.base import Message
from health.alerts.measurement.measurements import RuleMeasurement
from health.alerts.notifications import render, text
from health.alerts.notifications.render import EVIDENCE_WINDOW, NO_EVIDENCE, Evidence, alert_data, message_data
from health.alerts.rules.rules import Rule
from health.alerts.rules.targets import AlertTarget
from health.alerts.rules.transitions import AlertEvent, Reason, group_events
from health.alerts.storage.alert_queries import AlertRow, alerts_of_group, count_episodes
from health.alerts.storage.alert_writes import mark_notified
from health.alerts.storage.outbox import enqueue
from health.metrics import service
from health.metrics.definitions.formulas import Metrics


@dataclass(frozen=True)
class AlertChange:
    """News of one alert. `changed`: it opened or closed. `alert` is how it stood before, null when it opens; `fixed`
    the run that ended it."""

    rule: Rule
    alert_id: int
    target: AlertTarget
    reason: Reason
    state_changed: bool
    measurement: RuleMeasurement | None
    alert: AlertRow | None
    notify: bool = True
    resolving_run: RunRow | None = None

    @property
    def detail(self) -> Mapping[str, Any]:
        return self.measurement.detail if self.measurement else {}


class NotificationWriter:
    def __init__(self, channels: Sequence[str], app_url: str) -> None:
        self._channels, self._app_url = channels, app_url

    def enqueue(self, session: Session, items: Sequence[AlertChange], now: datetime) -> None:
        told = [item for item in items if item.notify and not self._group_still_firing(session, item, now)]
        found = {item.alert_id: _evidence_of(session, item, now) for item in told}
        by_id = {item.alert_id: item for item in told}
        news = [_alert_event(item, found[item.alert_id].cause) for item in told]
        for group in group_events(news):
            listed = [by_id[each.alert_id] for each in group]
            first = listed[0]
            ended = self._resolved_group(session, first, now)
            if len(ended) > 1:
                about, message = self._group_resolved_message(first, ended, now)
            elif len(listed) == 1:
                about, message = [first.alert_id], self._single_message(session, first, found[first.alert_id], now)
            else:
                error = found[first.alert_id].error_line if _has_common_cause(group) else None
                about, message = self._group_message(listed, found, error, now)
            self._write(session, listed, about, message, now)

    @staticmethod
    def _group_still_firing(session: Session, item: AlertChange, now: datetime) -> bool:
        """What was told together is over when the last of it is that people may hear of: a silence may last."""
        group = item.alert.group_id if item.alert and item.reason is Reason.RESOLVED else None
        if group is None:
            return False
        over = AlertState.RESOLVED, AlertState.SILENCED
        return any(each.state not in over for each in alerts_of_group(session, group, now))

    @staticmethod
    def _resolved_group(session: Session, item: AlertChange, now: datetime) -> list[AlertRow]:
        """Of what was told together with it, all that came to an end of its own."""
        group = item.alert.group_id if item.alert and item.reason is Reason.RESOLVED else None
        rows = alerts_of_group(session, group, now) if group is not None else []
        return [row for row in rows if row.resolved_at and "reason" not in row.detail]

    def _write(
        self, session: Session, listed: Sequence[AlertChange], about: Sequence[int], message: Message, now: datetime
    ) -> None:
        first = listed[0]
        wanted = first.rule.channels or tuple(self._channels)
        lead = min(item.alert_id for item in listed)
        to = {channel: message.to_dict() for channel in self._channels if channel in wanted}
        enqueue(session, lead, first.reason, to, now, alert_ids=about)
        together = lead if len(listed) > 1 and first.reason is Reason.FIRST else None
        mark_notified(session, [item.alert_id for item in listed], now, group_id=together)

    def _single_message(self, session: Session, item: AlertChange, found: Evidence, now: datetime) -> Message:
        context = self._message_context(session, item, found, now)
        message = (
            self._resolved_message(session, item, context)
            if item.reason is Reason.RESOLVED
            else self._firing_message(item, context)
        )
        ended = now if item.reason is Reason.RESOLVED else None
        detail = item.detail or (item.alert.detail if item.alert else {})
        known = alert_data(
            item.alert_id, item.rule, item.target, detail, found, self._app_url, episode_count=context.episode_count,
            figures=context.figures, resolving_run=item.resolving_run, resolved_at=ended,
        )  # fmt: skip
        return replace(message, data=message_data(item.rule, [known]))

    @staticmethod
    def _firing_message(item: AlertChange, context: render.MessageContext) -> Message:
        still = item.reason is Reason.REPEAT
        streak = item.measurement.streak if item.measurement else None
        figures = item.measurement.metrics if item.measurement else None
        if streak:
            return render.branch_broken(streak, context, ongoing=still)
        if item.rule.built_in and figures:
            return render.rate_high(item.target, figures, context, ongoing=still)
        return render.rule_firing(item.target, item.detail, context, ongoing=still)

    def _resolved_message(self, session: Session, item: AlertChange, context: render.MessageContext) -> Message:
        since = _condition_since(item)
        if item.resolving_run and item.rule.kind is RuleKind.CONSECUTIVE_FAILURES:
            return render.branch_recovered(item.target, since, item.resolving_run, context)
        if item.rule.built_in:
            return render.rate_normal(item.target, since, self._window_metrics(session, item, context.now), context)
        return render.rule_resolved(item.target, item.detail, since, context)

    def _group_message(
        self, listed: Sequence[AlertChange], found: Mapping[int, Evidence], error_line: str | None, now: datetime
    ) -> tuple[list[int], Message]:
        rule, reason = listed[0].rule, listed[0].reason
        over = reason is Reason.RESOLVED
        lines = [
            render.target_line(
                rule, item.target, {} if over else item.detail, NO_EVIDENCE if over else found[item.alert_id]
            )
            for item in listed
        ]
        known = [
            alert_data(item.alert_id, rule, item.target, item.detail or (item.alert.detail if item.alert else {}),
                found[item.alert_id], self._app_url, resolving_run=item.resolving_run, resolved_at=now if over else None)
            for item in listed
        ]  # fmt: skip
        message = render.group_message(rule, reason, lines, error_line, self._app_url, now)
        return [item.alert_id for item in listed], replace(message, data=message_data(rule, known))

    def _group_resolved_message(
        self, item: AlertChange, rows: Sequence[AlertRow], now: datetime
    ) -> tuple[list[int], Message]:
        """Of several that were told in one message."""
        places = {
            row.id: AlertTarget(row.repository_id, row.repo, row.workflow_id, row.workflow, row.branch) for row in rows
        }
        message = render.group_message(
            item.rule, Reason.RESOLVED, [render.target_line(item.rule, places[row.id], {}) for row in rows], None,
            self._app_url, now,
        )  # fmt: skip
        known = [
            alert_data(row.id, item.rule, places[row.id], row.detail, NO_EVIDENCE, self._app_url,
                resolved_at=row.resolved_at or now)
            for row in rows
        ]  # fmt: skip
        return [row.id for row in rows], replace(message, data=message_data(item.rule, known))

    @staticmethod
    def _window_metrics(session: Session, item: AlertChange, now: datetime) -> Metrics:
        if item.measurement and item.measurement.metrics:
            return item.measurement.metrics
        # And what was created this very second.
        window = Window(now - timedelta(seconds=item.rule.effective_window), now + timedelta(seconds=1))
        return service.snapshot(session, render.scope_of(item.target), window, commits=False)

    def _message_context(
        self, session: Session, item: AlertChange, found: Evidence, now: datetime
    ) -> render.MessageContext:
        """The figures of 30 days are those of the workflow, or of the repository."""
        workflow_id = item.target.workflow_id
        scope = Scope(repos=(item.target.repo,), workflows=(str(workflow_id),) if workflow_id else ())
        figures = service.snapshot(session, scope, Window(now - EVIDENCE_WINDOW, now), commits=False)
        times = count_episodes(session, item.alert_id, now - EVIDENCE_WINDOW)
        return render.MessageContext(item.rule, figures, self._app_url, now, item.alert_id, found, times)


def _evidence_of(session: Session, item: AlertChange, now: datetime) -> Evidence:
    """Of what is over, the run that ended it."""
    if item.reason is not Reason.RESOLVED:
        return render.find_evidence(session, item.rule, item.target, item.measurement, now)
    return Evidence(last=item.resolving_run) if item.resolving_run else NO_EVIDENCE


def _alert_event(item: AlertChange, cause: str | None) -> AlertEvent:
    group = item.alert.group_id if item.alert else None
    return AlertEvent(
        item.alert_id, item.rule.id or 0, item.reason, group, cause if item.reason is Reason.FIRST else None
    )


def _has_common_cause(group: Sequence[AlertEvent]) -> bool:
    return group[0].cause is not None and all(each.cause == group[0].cause for each in group)


def _condition_since(item: AlertChange) -> datetime:
    """When it began; where it keeps no such moment, when it was opened."""
    if item.alert is None:
        return datetime.min
    return text.condition_since(item.alert.detail) or item.alert.opened_at
