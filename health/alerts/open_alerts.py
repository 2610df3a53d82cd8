"""The open alerts of a scope, with who acknowledged and silenced them, for lists of problems."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from db.definitions.scope import Scope
from db.enums import AlertState, RuleKind
from health.alerts.rules.targets import Silence
from health.alerts.storage.alert_queries import AlertFilter, AlertRow, alert_page
from health.alerts.storage.silences import list_silences

# Alerts of these rule types are about problems that the attention list contains anyway, by its kinds.
KIND_OF_RULE: Mapping[str, str] = {
    RuleKind.CONSECUTIVE_FAILURES: "broken",
    RuleKind.SUCCESS_REGRESSION: "success",
    RuleKind.DURATION_REGRESSION: "duration",
    RuleKind.STUCK_RUN: "stuck",
}
_FAILURE_RULES = (RuleKind.FAILURE_RATE, RuleKind.ERROR_BUDGET)
# Of each state: many firing alerts do not displace those that somebody handles.
_MAX_ALERTS = 200


@dataclass(frozen=True)
class Acknowledgement:
    """The acknowledgement of the alert about a problem."""

    at: datetime
    by: str
    comment: str


@dataclass(frozen=True)
class ActiveSilence:
    """The silence of the alert about a problem; `by` is empty if it is not known."""

    until: datetime
    by: str
    comment: str


@dataclass(frozen=True)
class Handling:
    """What was done about a problem: the alert about it, its acknowledgement and its silence, null for none."""

    alert_id: int
    acknowledged: Acknowledgement | None
    silenced: ActiveSilence | None


ProblemKey = tuple[str, str, int]


def open_alerts(session: Session, scope: Scope, now: datetime) -> list[AlertRow]:
    """The open alerts of the scope: firing ones, then acknowledged and silenced ones. Event and actor of the scope do
    not apply."""
    rows: list[AlertRow] = []
    for state in (AlertState.FIRING, AlertState.ACKNOWLEDGED, AlertState.SILENCED):
        filters = AlertFilter(states=(state,), repos=scope.repos)
        rows += alert_page(session, filters, now, limit=_MAX_ALERTS).items
    return [alert for alert in rows if _matches_scope(alert, scope)]


def active_silences(session: Session, now: datetime, alerts: Iterable[AlertRow]) -> Sequence[Silence]:
    """The silences that may cover the alerts; none, without a query, if no alert is silenced."""
    is_silenced = any(alert.state == AlertState.SILENCED for alert in alerts)
    return list_silences(session, not_ended_at=now) if is_silenced else ()


def handling(alert: AlertRow, silences: Sequence[Silence]) -> Handling | None:
    """Null for an alert that nobody has acknowledged or silenced."""
    acknowledged = silenced = None
    if alert.acknowledged_at is not None:
        acknowledged = Acknowledgement(
            alert.acknowledged_at, alert.acknowledged_by or "", alert.acknowledged_comment or ""
        )
    if alert.state == AlertState.SILENCED and alert.silenced_until is not None:
        silence = covering_silence(alert, silences)
        silenced = ActiveSilence(
            alert.silenced_until, silence.author if silence else "", silence.comment if silence else ""
        )
    return Handling(alert.id, acknowledged, silenced) if acknowledged or silenced else None


def covering_silence(alert: AlertRow, silences: Iterable[Silence]) -> Silence | None:
    """The silence that ends last of those that cover a silenced alert; null if none is known."""
    if alert.state != AlertState.SILENCED:
        return None
    covering = (
        silence for silence in silences if silence.covers(alert.rule_id, alert.repo, alert.workflow, alert.branch)
    )
    return max(covering, key=lambda silence: silence.ends_at, default=None)


def handled_problems(alerts: Iterable[AlertRow], silences: Sequence[Silence]) -> dict[ProblemKey, Handling]:
    """What was done about problems, by their kind, repository and workflow. An alert about the failures of a workflow
    is also about its broken branch."""
    handled: dict[ProblemKey, Handling] = {}
    for alert in alerts:
        state = handling(alert, silences)
        if state is None:
            continue
        if kind := KIND_OF_RULE.get(alert.rule):
            handled[kind, alert.repo, alert.workflow_id or 0] = state
        elif alert.rule in _FAILURE_RULES:
            handled.setdefault(("broken", alert.repo, alert.workflow_id or 0), state)
    return handled


def _matches_scope(alert: AlertRow, scope: Scope) -> bool:
    """Whether the alert is in the scope. One about a whole repository, or about several branches, is in each of
    them."""
    names = {alert.workflow, str(alert.workflow_id)}
    return (not scope.workflows or alert.workflow_id is None or not names.isdisjoint(scope.workflows)) and (
        not scope.branches or alert.branch is None or alert.branch in scope.branches
    )
