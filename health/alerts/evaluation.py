"""Compares what is stored with the rules, and writes alerts and their messages in one transaction."""

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
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
from health.alerts.measurement.measurements import RuleMeasurement, measure_rule
from health.alerts.notifications import text
from health.alerts.notifications.writer import AlertChange, NotificationWriter
from health.alerts.rules.conditions import NO_DATA, condition_met
from health.alerts.rules.rules import Rule, Threshold, built_in
from health.alerts.rules.targets import AlertTarget, Silence, matches, silenced_until
from health.alerts.rules.transitions import PreviousState, Reason, needs_update, should_notify
from health.alerts.storage.alert_queries import AlertRow, firing_alerts
from health.alerts.storage.alert_writes import AlertScope, open_alert, resolve_alert, set_silenced_until, update_detail
from health.alerts.storage.silences import list_silences
from health.alerts.storage.stored_rules import list_rules, sync_built_in_rule
from health.metrics.queries.branch_status import inactive_workflows

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PendingRootCause:
    """The latest failed run of an alert about to be told, whose error line is not known yet."""

    repository_id: int
    run_id: int
    attempt: int


@dataclass(frozen=True)
class EvaluationResult:
    """`told`: how many alerts people are told of. Where some are `unexplained`, nothing was written."""

    opened: int = 0
    resolved: int = 0
    notified: int = 0
    pending_root_causes: tuple[PendingRootCause, ...] = ()


class _RollbackAndWait(Exception):
    """Takes back what was written."""

    def __init__(self, pending: Sequence[PendingRootCause]) -> None:
        super().__init__()
        self.unexplained = tuple(pending)


class Evaluator:
    """`channels` are the names of the configured ones: a message is written for each that a rule wants."""

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
        self._teller = NotificationWriter(channels, app_url)
        # Rule to the moment of its last look, and its state then.
        self._looked: dict[int, tuple[datetime, datetime | None]] = {}

    def run(self, *, wait_for_root_cause: bool = False) -> EvaluationResult:
        """All rules that are due. Who is `patient` gets the unexplained ones instead of telling them, and comes again
        when more is known of them, or enough time has passed."""
        looked: dict[int, tuple[datetime, datetime | None]] = {}
        try:
            with write_scope(self._engine) as session:
                # Two who look before either writes would both open the alert.
                acquire_lock(session, AdvisoryLock.ALERTS)
                now = self._clock()
                items = self._evaluate_rules(session, now, looked)
                if (
                    wait_for_root_cause
                    and self._channels
                    and (unexplained := list(_pending_root_causes(session, items)))
                ):
                    raise _RollbackAndWait(unexplained)
                self._teller.enqueue(session, items, now)
        except _RollbackAndWait as error:
            return EvaluationResult(pending_root_causes=error.unexplained)
        # Not before it is written: what was not is looked at again at once.
        self._looked |= looked
        _log([item for item in items if item.state_changed])
        done = [item.reason for item in items if item.state_changed]
        return EvaluationResult(
            done.count(Reason.FIRST), done.count(Reason.RESOLVED), sum(item.notify for item in items)
        )

    def _evaluate_rules(
        self, session: Session, now: datetime, evaluated_at: dict[int, tuple[datetime, datetime | None]]
    ) -> list[AlertChange]:
        sync_built_in_rule(session, built_in(self._threshold), now)
        rules = [rule for rule in list_rules(session) if rule.enabled]
        firing = firing_alerts(session)
        inactive = inactive_workflows(session)
        kept = [alert for alert in firing if not _close_silently(session, alert, rules, inactive, now)]
        silences = list_silences(session, not_ended_at=now)
        items: list[AlertChange] = []
        for rule in rules:
            if rule.id is not None and self._is_due(rule, now):
                evaluated_at[rule.id] = now, rule.updated_at
                ours = {alert.target: alert for alert in kept if alert.rule_id == rule.id}
                items += _RuleEvaluation(session, rule, silences, now).run(ours)
        return items

    def _is_due(self, rule: Rule, now: datetime) -> bool:
        """What changes slowly is looked at less often; a rule that was just made or changed at once."""
        looked, updated = self._looked.get(rule.id or 0, (None, None))
        return (
            looked is None
            or updated != rule.updated_at
            or now - looked >= timedelta(seconds=rule.rule_type.evaluation_interval)
        )


def _log(items: Sequence[AlertChange]) -> None:
    for item in items:
        done = "opened" if item.reason is Reason.FIRST else "resolved"
        where = " / ".join(filter(None, (item.target.repo, item.target.workflow, item.target.branch)))
        fields = {"alert_ids": [item.alert_id], "repository": item.target.repo, "outcome": done}
        log.info("alert %s %s: %s, %s", item.alert_id, done, item.rule.name, where, extra=fields)


def _pending_root_causes(session: Session, items: Sequence[AlertChange]) -> Iterator[PendingRootCause]:
    for item in items:
        run = item.measurement.streak.runs[-1] if item.measurement and item.measurement.streak else None
        if (
            item.notify
            and item.reason is Reason.FIRST
            and run
            and failure_cause(session, run.id, run.attempt)[0] is None
        ):
            yield PendingRootCause(item.target.repository_id, run.id, run.attempt)


def _close_silently(
    session: Session, alert: AlertRow, rules: Sequence[Rule], inactive: Collection[tuple[int, int]], now: datetime
) -> bool:
    """Closes, without a message, what no rule that is switched on is about any more, and what is about a workflow that
    cannot run: no end of it could ever be seen."""
    reason = None
    if (alert.repository_id, alert.workflow_id) in inactive and alert.rule != RuleKind.STUCK_RUN:
        reason = "the workflow was deleted or disabled"
    elif not _has_enabled_rule(alert, rules):
        reason = "the rule changed"
    if reason is None:
        return False
    resolve_alert(session, alert.id, {**alert.detail, "reason": reason}, now)
    return True


def _has_enabled_rule(alert: AlertRow, rules: Sequence[Rule]) -> bool:
    rule = next((each for each in rules if each.id == alert.rule_id and each.kind == alert.rule), None)
    if rule is None or not rule.covers(alert.repo, alert.workflow):
        return False
    about = RuleScope.REPOSITORY if alert.workflow_id is None else RuleScope.WORKFLOW
    branch = rule.kind is not RuleKind.CONSECUTIVE_FAILURES or matches(rule.scope.branches, alert.branch)
    own = rule.default_branch or rule.kind is not RuleKind.CONSECUTIVE_FAILURES or not alert.target.endswith("/")
    return rule.per is about and branch and own


class _RuleEvaluation:
    """One look at one rule."""

    def __init__(self, session: Session, rule: Rule, silences: Sequence[Silence], now: datetime) -> None:
        self._session, self._rule, self._silences, self._now = session, rule, silences, now
        self._repeat = timedelta(seconds=rule.repeat_seconds) if rule.repeat_seconds else None

    def run(self, firing: dict[str, AlertRow]) -> list[AlertChange]:
        seen = {each.target.target(self._rule.id): each for each in measure_rule(self._session, self._rule, self._now)}
        targets = [*seen, *(target for target in firing if target not in seen)]
        found = (self._decide(seen.get(target), firing.get(target)) for target in targets)
        return [item for item in found if item]

    def _decide(self, seen: RuleMeasurement | None, alert: AlertRow | None) -> AlertChange | None:
        place = seen.target if seen else _alert_target(alert) if alert else None
        if place is None:
            return None
        until = silenced_until(self._silences, self._rule.id, place.repo, place.workflow, place.branch, self._now)
        previous = _previous_state(alert) if alert else None
        fire = condition_met(self._rule, seen.measurement if seen else NO_DATA, firing=alert is not None)
        if fire and alert and seen and self._recovered_meanwhile(place, alert, seen):
            # It failed again since: that is another episode, if it comes to one.
            fire = False
        reason = needs_update(previous, firing=fire, now=self._now, silenced=until is not None, repeat=self._repeat)
        told = should_notify(reason, previous, silenced=until is not None)
        if alert is None:
            return self._open(seen, until, told=told) if seen and reason is Reason.FIRST else None
        if reason is Reason.RESOLVED:
            return self._close(place, alert, seen, told=told)
        if seen:
            self._update(alert, seen, until)
        return AlertChange(self._rule, alert.id, place, reason, False, seen, alert) if told else None

    def _open(self, seen: RuleMeasurement, until: datetime | None, *, told: bool) -> AlertChange:
        rule, place = self._rule, seen.target
        scope = AlertScope(
            place.repository_id, place.workflow_id, rule.kind, place.branch, rule.id, rule.name, rule.severity,
            place.target(rule.id),
        )  # fmt: skip
        alert_id = open_alert(self._session, scope, rule.threshold, seen.detail, self._now, silenced_until=until)
        return AlertChange(rule, alert_id, place, Reason.FIRST, True, seen, None, notify=told)

    def _update(self, alert: AlertRow, seen: RuleMeasurement, until: datetime | None) -> None:
        if seen.detail != alert.detail:
            update_detail(self._session, alert.id, seen.detail)
        if until != alert.silenced_until:
            set_silenced_until(self._session, alert.id, until)

    def _close(
        self, place: AlertTarget, alert: AlertRow, seen: RuleMeasurement | None, *, told: bool
    ) -> AlertChange | None:
        """A broken branch is over with a success. Where there is none because the failed runs are run again or were
        cancelled then, it waits; where it can never come (history was pruned, another branch is the default) it closes
        without a message, and so does a missing run that did not come because its schedule was changed or removed."""
        fixed: RunRow | None = None
        detail = dict(alert.detail)
        if self._rule.kind is RuleKind.CONSECUTIVE_FAILURES:
            since = self._branch_recovery(place, alert, "first_bad_run")
            # Others may have passed before, when they were run again: what ended it came after the last failure.
            fixed = self._branch_recovery(place, alert, "last_run").first_success or since.first_success
            if since.run_known and fixed is None:
                return None
            detail["resolved_by"] = fixed.id if fixed else None
            told = told and fixed is not None
        elif self._rule.kind is RuleKind.MISSING_RUN and not self._scheduled_run_exists(place, alert):
            told, detail["reason"] = False, "the schedule changed"
        if not resolve_alert(self._session, alert.id, detail, self._now):
            return None
        return AlertChange(
            self._rule, alert.id, place, Reason.RESOLVED, True, seen, alert, notify=told, resolving_run=fixed
        )

    def _scheduled_run_exists(self, place: AlertTarget, alert: AlertRow) -> bool:
        due = text.condition_since(alert.detail)
        return due is not None and scheduled_run_exists(self._session, place.repository_id, place.workflow_id or 0, due)

    def _recovered_meanwhile(self, place: AlertTarget, alert: AlertRow, seen: RuleMeasurement) -> bool:
        """Between two looks there may be a success and failures after it. A failure that passed when it was run again
        is none, as long as later ones stay."""
        if seen.streak is None or seen.detail["first_bad_run"] == alert.detail.get("first_bad_run"):
            return False
        return self._branch_recovery(place, alert, "last_run").first_success is not None

    def _branch_recovery(self, place: AlertTarget, alert: AlertRow, run: str) -> BranchRecovery:
        """`run` names one in the detail of the alert."""
        branch = place.branch if place.per_branch else None
        return branch_recovery(
            self._session, place.repository_id, place.workflow_id or 0, alert.detail.get(run) or 0, self._now,
            branch=branch,
        )  # fmt: skip


def _previous_state(alert: AlertRow) -> PreviousState:
    return PreviousState(alert.notified_at, alert.acknowledged_at is not None, alert.silenced_until is not None)


def _alert_target(alert: AlertRow) -> AlertTarget:
    own = bool(alert.branch) and alert.target.endswith(f"/{alert.branch}")
    return AlertTarget(alert.repository_id, alert.repo, alert.workflow_id, alert.workflow, alert.branch, own)
