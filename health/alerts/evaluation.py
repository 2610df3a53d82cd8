"""Evaluates the rules, and writes alerts and their notifications in one transaction."""

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from db.collection.claims import AdvisoryLock, acquire_lock
from db.engine import write_scope
from db.enums import RuleKind, RuleScope
from db.logs.log_queries import failure_cause
from db.repositories.schedules import scheduled_run_exists
from db.runs.run_queries import RunRow
from health.alerts.measurement.branch_history import BranchRecovery, branch_recovery
from health.alerts.measurement.measurements import RuleMeasurement, measure_rule, with_owned
from health.alerts.notifications.evidence import AlertChange
from health.alerts.notifications.writer import NotificationWriter
from health.alerts.rules.measures import NO_DATA
from health.alerts.rules.rules import Rule, Threshold, built_in
from health.alerts.rules.targets import AlertTarget, Silence, matches, silenced_until
from health.alerts.rules.transitions import PreviousState, Reason, condition_met, next_transition, should_notify
from health.alerts.storage.alert_queries import AlertRow, firing_alerts
from health.alerts.storage.alert_writes import AlertScope, open_alert, resolve_alert, set_silenced_until, update_detail
from health.alerts.storage.silences import list_silences
from health.alerts.storage.stored_channels import list_definitions
from health.alerts.storage.stored_rules import list_rules, sync_built_in_rule
from health.metrics.branch_status import inactive_workflows

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PendingRootCause:
    """The latest failed run of an alert that is about to be notified, and whose error line is not stored yet."""

    repository_id: int
    run_id: int
    attempt: int


@dataclass(frozen=True)
class EvaluationResult:
    """Counts of alerts; `notified`: alerts with a notification. With `pending_root_causes` nothing was written."""

    opened: int = 0
    resolved: int = 0
    notified: int = 0
    pending_root_causes: tuple[PendingRootCause, ...] = ()


class _RollbackAndWait(Exception):
    """Rolls the evaluation back, because the root causes of some alerts are pending."""

    def __init__(self, pending: Sequence[PendingRootCause]) -> None:
        super().__init__()
        self.pending = tuple(pending)


class Evaluator:
    """`channels`: names of those of the environment variables; health.alerts.routing adds the named ones."""

    def __init__(
        self,
        engine: Engine,
        threshold: Threshold,
        channels: Sequence[str],
        app_url: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._engine, self._threshold, self._clock = engine, threshold, clock
        self._channels = list(channels)
        self._writer = NotificationWriter(channels, app_url)
        # By rule id: time of its last evaluation, and its `updated_at` then.
        self._evaluated: dict[int, tuple[datetime, datetime | None]] = {}

    def run(self, *, wait_for_root_cause: bool = False) -> EvaluationResult:
        """Evaluates all rules that are due. With `wait_for_root_cause`, pending root causes are returned and nothing is
        written; the caller fetches them and runs again."""
        evaluated: dict[int, tuple[datetime, datetime | None]] = {}
        try:
            with write_scope(self._engine) as session:
                # Without the lock, two evaluators could read the same state and both open the alert.
                acquire_lock(session, AdvisoryLock.ALERTS)
                now = self._clock()
                changes = self._evaluate_rules(session, now, evaluated)
                has_channel = bool(self._channels or list_definitions(session))
                if wait_for_root_cause and has_channel and (pending := list(_pending_root_causes(session, changes))):
                    raise _RollbackAndWait(pending)
                self._writer.enqueue(session, changes, now)
        except _RollbackAndWait as error:
            return EvaluationResult(pending_root_causes=error.pending)
        # After the commit: a rule whose evaluation was rolled back stays due.
        self._evaluated |= evaluated
        changed = [change for change in changes if change.state_changed]
        _log_changes(changed)
        reasons = [change.reason for change in changed]
        return EvaluationResult(
            reasons.count(Reason.FIRST), reasons.count(Reason.RESOLVED), sum(change.notify for change in changes)
        )

    def _evaluate_rules(
        self, session: Session, now: datetime, evaluated: dict[int, tuple[datetime, datetime | None]]
    ) -> list[AlertChange]:
        sync_built_in_rule(session, built_in(self._threshold), now)
        rules = [with_owned(session, rule) for rule in list_rules(session) if rule.enabled]
        firing = firing_alerts(session)
        inactive = inactive_workflows(session)
        remaining = [alert for alert in firing if not _close_silently(session, alert, rules, inactive, now)]
        silences = list_silences(session, not_ended_at=now)
        changes: list[AlertChange] = []
        for rule in rules:
            if rule.id is not None and self._is_due(rule, now):
                evaluated[rule.id] = now, rule.updated_at
                alerts = {alert.target: alert for alert in remaining if alert.rule_id == rule.id}
                changes += _RuleEvaluation(session, rule, silences, now).run(alerts)
        return changes

    def _is_due(self, rule: Rule, now: datetime) -> bool:
        """Rule types that change slowly have an evaluation interval; a new or changed rule is evaluated at once."""
        evaluated_at, updated_at = self._evaluated.get(rule.id or 0, (None, None))
        return (
            evaluated_at is None
            or updated_at != rule.updated_at
            or now - evaluated_at >= timedelta(seconds=rule.rule_type.evaluation_interval)
        )


def _log_changes(changes: Sequence[AlertChange]) -> None:
    for change in changes:
        outcome, target = "opened" if change.reason is Reason.FIRST else "resolved", change.target
        names = " / ".join(filter(None, (target.repo, target.workflow, target.branch)))
        fields = {"alert_ids": [change.alert_id], "repository": target.repo, "outcome": outcome}
        log.info("alert %s %s: %s, %s", change.alert_id, outcome, change.rule.name, names, extra=fields)


def _pending_root_causes(session: Session, changes: Sequence[AlertChange]) -> Iterator[PendingRootCause]:
    for change in changes:
        run = change.measurement.streak.last_failure if change.measurement and change.measurement.streak else None
        if (
            change.notify
            and change.reason is Reason.FIRST
            and run
            and failure_cause(session, run.id, run.attempt)[0] is None
        ):
            yield PendingRootCause(change.target.repository_id, run.id, run.attempt)


def _close_silently(
    session: Session, alert: AlertRow, rules: Sequence[Rule], inactive: Collection[tuple[int, int]], now: datetime
) -> bool:
    """Resolves, without a notification, an alert that no enabled rule covers any more, and one about a workflow that
    cannot run and therefore cannot recover."""
    reason = None
    if (alert.repository_id, alert.workflow_id) in inactive and alert.rule != RuleKind.STUCK_RUN:
        reason = "the workflow was deleted or disabled"
    elif not _has_enabled_rule(alert, rules):
        reason = "the rule changed"
    if reason is None:
        return False
    resolve_alert(session, alert.id, replace(alert.detail, reason=reason), now)
    return True


def _has_enabled_rule(alert: AlertRow, rules: Sequence[Rule]) -> bool:
    """Whether a rule still evaluates the target of the alert: its repository, workflow, scope and branch."""
    rule = next((rule for rule in rules if rule.id == alert.rule_id and rule.kind == alert.rule), None)
    if rule is None or not rule.covers(alert.repo, alert.workflow):
        return False
    if rule.per is not (RuleScope.REPOSITORY if alert.workflow_id is None else RuleScope.WORKFLOW):
        return False
    if rule.kind is not RuleKind.CONSECUTIVE_FAILURES:
        return True
    return matches(rule.scope.branches, alert.branch) and (rule.default_branch or alert.alert_target.per_branch)


class _RuleEvaluation:
    """One evaluation of one rule."""

    def __init__(self, session: Session, rule: Rule, silences: Sequence[Silence], now: datetime) -> None:
        self._session, self._rule, self._silences, self._now = session, rule, silences, now
        self._repeat = timedelta(seconds=rule.repeat_seconds) if rule.repeat_seconds else None

    def run(self, firing: dict[str, AlertRow]) -> list[AlertChange]:
        """`firing`: the alerts of the rule that fire, by target key."""
        measured = {row.target.key(self._rule.id): row for row in measure_rule(self._session, self._rule, self._now)}
        keys = [*measured, *(key for key in firing if key not in measured)]
        changes = (self._evaluate(measured.get(key), firing.get(key)) for key in keys)
        return [change for change in changes if change]

    def _evaluate(self, measured: RuleMeasurement | None, alert: AlertRow | None) -> AlertChange | None:
        target = measured.target if measured else alert.alert_target if alert else None
        if target is None:
            return None
        until = silenced_until(self._silences, self._rule.id, target.repo, target.workflow, target.branch, self._now)
        previous = _previous_state(alert) if alert else None
        fires = condition_met(self._rule, measured.measurement if measured else NO_DATA, firing=alert is not None)
        if fires and alert and measured and self._recovered_meanwhile(target, alert, measured):
            # The failures since that recovery are another episode, which opens an alert of its own.
            fires = False
        reason = next_transition(previous, firing=fires, now=self._now, silenced=until is not None, repeat=self._repeat)
        notify = should_notify(reason, previous, silenced=until is not None)
        if alert is None:
            return self._open(measured, until, notify=notify) if measured and reason is Reason.FIRST else None
        if reason is Reason.RESOLVED:
            return self._resolve(target, alert, measured, notify=notify)
        if measured:
            self._update(alert, measured, until)
        return AlertChange(self._rule, alert.id, target, reason, False, measured, alert) if notify else None

    def _open(self, measured: RuleMeasurement, until: datetime | None, *, notify: bool) -> AlertChange:
        rule, target = self._rule, measured.target
        scope = AlertScope(
            target.repository_id,
            target.workflow_id,
            rule.kind,
            target.branch,
            rule.id,
            rule.name,
            rule.severity,
            target.key(rule.id),
        )
        alert_id = open_alert(self._session, scope, rule.threshold, measured.detail, self._now, silenced_until=until)
        return AlertChange(rule, alert_id, target, Reason.FIRST, True, measured, None, notify=notify)

    def _update(self, alert: AlertRow, measured: RuleMeasurement, until: datetime | None) -> None:
        if measured.detail != alert.detail:
            update_detail(self._session, alert.id, measured.detail)
        if until != alert.silenced_until:
            set_silenced_until(self._session, alert.id, until)

    def _resolve(
        self, target: AlertTarget, alert: AlertRow, measured: RuleMeasurement | None, *, notify: bool
    ) -> AlertChange | None:
        """Resolves the alert; null if it stays open.

        A broken branch resolves with a success. Without one it stays open, because the failed runs may be running again
        or were cancelled in their re-run. If a success cannot come any more (the runs were pruned, the default branch
        changed), it resolves without a notification. So does a missing run whose schedule was changed or removed."""
        resolving_run: RunRow | None = None
        detail = alert.detail
        if self._rule.kind is RuleKind.CONSECUTIVE_FAILURES:
            since_first = self._branch_recovery(target, detail.first_bad_run)
            # Re-runs of earlier failures may have passed: the run that ended the episode is newer than its last
            # failure.
            since_last = self._branch_recovery(target, detail.last_run)
            resolving_run = since_last.first_success or since_first.first_success
            if since_first.run_known and resolving_run is None:
                return None
            resolved_by = resolving_run.id if resolving_run else None
            detail = replace(detail, resolved_by=resolved_by, nullable=(*detail.nullable, "resolved_by"))
            notify = notify and resolving_run is not None
        elif self._rule.kind is RuleKind.MISSING_RUN and not self._scheduled_run_exists(target, alert):
            notify, detail = False, replace(detail, reason="the schedule changed")
        if not resolve_alert(self._session, alert.id, detail, self._now):
            return None
        return AlertChange(
            self._rule,
            alert.id,
            target,
            Reason.RESOLVED,
            True,
            measured,
            alert,
            notify=notify,
            resolving_run=resolving_run,
        )

    def _scheduled_run_exists(self, target: AlertTarget, alert: AlertRow) -> bool:
        due, workflow_id = alert.detail.since, target.workflow_id or 0
        return due is not None and scheduled_run_exists(self._session, target.repository_id, workflow_id, due)

    def _recovered_meanwhile(self, target: AlertTarget, alert: AlertRow, measured: RuleMeasurement) -> bool:
        """Whether a success and new failures came between two evaluations. If a failure passed in a re-run while later
        failures remain, the branch did not recover."""
        if measured.streak is None or measured.detail.first_bad_run == alert.detail.first_bad_run:
            return False
        return self._branch_recovery(target, alert.detail.last_run).first_success is not None

    def _branch_recovery(self, target: AlertTarget, run_id: int | None) -> BranchRecovery:
        """The recovery after the run `run_id`, which the detail of the alert names."""
        branch = target.branch if target.per_branch else None
        return branch_recovery(
            self._session, target.repository_id, target.workflow_id or 0, run_id or 0, self._now, branch=branch
        )


def _previous_state(alert: AlertRow) -> PreviousState:
    return PreviousState(alert.notified_at, alert.acknowledged_at is not None, alert.silenced_until is not None)
