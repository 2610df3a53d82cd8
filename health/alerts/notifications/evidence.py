"""Alert changes, and the runs and the error line that explain them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from db.definitions.scope import Scope, Window
from db.enums import RuleKind
from db.logs.log_queries import failure_cause
from db.runs.run_queries import RunRow, first_and_last_failure, list_runs, list_runs_with_ids
from health.alerts.measurement.measurements import RuleMeasurement
from health.alerts.rules.detail import AlertDetail
from health.alerts.rules.rules import Rule
from health.alerts.rules.targets import AlertTarget
from health.alerts.rules.transitions import Reason
from health.alerts.storage.alert_queries import AlertRow
from health.insights.causes.triage import Triage, get_triage
from health.insights.finding_queries import list_flaky_runs

EVIDENCE_WINDOW = timedelta(days=30)
_SECOND = timedelta(seconds=1)
_RUN_LABELS = {RuleKind.STUCK_RUN: "Stuck run", RuleKind.DURATION_REGRESSION: "First slow run"}
# The lookback of rule types that measure the past but have no window of their own.
_LOOKBACK = {RuleKind.SUCCESS_REGRESSION: timedelta(days=7)}


@dataclass(frozen=True)
class AlertChange:
    """What one evaluation decided about an alert. `state_changed`: it opened or resolved. `notify`: a notification is
    due. `alert` is the stored alert before the change, null when it opens; `resolving_run` the run that resolved it."""

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
    def detail(self) -> AlertDetail | None:
        """The detail of this measurement; null where nothing was measured."""
        return self.measurement.detail if self.measurement else None

    @property
    def latest_detail(self) -> AlertDetail:
        """The detail of this measurement, or else the stored one."""
        return self.detail or (self.alert.detail if self.alert else AlertDetail())

    @property
    def condition_since(self) -> datetime:
        """Start of the condition, or else of the alert; datetime.min for an alert that was not stored yet."""
        if self.alert is None:
            return datetime.min
        return self.alert.detail.since or self.alert.opened_at


@dataclass(frozen=True)
class Evidence:
    """`first`: the run with which the condition began, and `label` its description; `last`: the newest run concerned.
    `error_line` is that of `last`, `cause` its fingerprint, which other targets may share; `known` is the mark of this
    cause by a user. Unknown values are null."""

    label: str = ""
    first: RunRow | None = None
    last: RunRow | None = None
    error_line: str | None = None
    cause: str | None = None
    known: Triage | None = None


NO_EVIDENCE = Evidence()


def find_evidence(session: Session, change: AlertChange, now: datetime) -> Evidence:
    """The runs behind a firing alert; of a resolved one, the run that resolved it."""
    if change.reason is Reason.RESOLVED:
        return Evidence(last=change.resolving_run) if change.resolving_run else NO_EVIDENCE
    rule, measurement = change.rule, change.measurement
    if measurement and measurement.streak:
        streak = measurement.streak
        return _failed_runs(session, "First bad commit", streak.first_failure, streak.last_failure, now)
    if rule.kind in _RUN_LABELS:
        run = measurement.run if measurement else None
        return Evidence(_RUN_LABELS[rule.kind], run, run)
    scope = scope_of(change.target)
    length = timedelta(seconds=rule.effective_window) or _LOOKBACK.get(rule.kind, EVIDENCE_WINDOW)
    window = Window(now - length, now + _SECOND)
    if rule.kind in (RuleKind.FAILURE_RATE, RuleKind.ERROR_BUDGET, RuleKind.SUCCESS_REGRESSION):
        failed = first_and_last_failure(session, scope, window)
        return _failed_runs(session, "First failed run", *failed, now) if failed else NO_EVIDENCE
    if rule.kind is RuleKind.FLAKY_RATE:
        flaky = list_flaky_runs(session, scope, window, limit=1)
        run = next(iter(list_runs_with_ids(session, [row.id for row in flaky])), None)
        return Evidence("Latest flaky run", run, run)
    newest = list_runs(session, scope, Window(now - EVIDENCE_WINDOW, now + _SECOND), limit=1).items
    return Evidence("Latest run", None, newest[0] if newest else None)


def scope_of(target: AlertTarget) -> Scope:
    return Scope(
        repos=(target.repo,),
        workflows=(str(target.workflow_id),) if target.workflow_id else (),
        branches=(target.branch,) if target.branch else (),
        own_branches=target.branch is not None,
    )


def _failed_runs(session: Session, label: str, first: RunRow, last: RunRow, now: datetime) -> Evidence:
    error_line, cause = failure_cause(session, last.id, last.attempt)
    known = get_triage(session, cause, now) if cause else None
    return Evidence(label, first, last, error_line, cause, known)
