"""How much something that needs attention matters now: a sum of bounded terms. Pure.

What needs a person now, ranked by its impact. One thing is told once.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import log2, log10

from sqlalchemy.orm import Session

from core import formatting
from db.definitions.scope import Scope, Window
from db.enums import AlertState, GroupBy, RuleKind, Severity, Status
from db.runs.run_lists import newest_run_points
from db.runs.run_queries import RunRow
from health.alerts.notifications import text
from health.alerts.storage.alert_queries import AlertFilter, AlertRow, alert_page
from health.insights import finding_queries
from health.insights.regressions import Regression, regressions
from health.insights.statistics import HOURS, find_shortage, may_be_short
from health.metrics.branch_status import Streak, failing_streaks, inactive_names
from health.metrics.definitions.distribution import percentile
from health.metrics.queries import executor
from health.metrics.queries.grouping import MetricsQuery
from health.metrics.queries.job_queries import job_waits

# Points of each term at most.
SEVERITY_SCORES = {Severity.CRITICAL: 50.0, Severity.WARNING: 35.0, Severity.INFO: 15.0}
RECENCY_SCORE, ACTIVITY_SCORE, STREAK_SCORE, ACKNOWLEDGED_SCORE = 30.0, 20.0, 10.0, -60.0
SEVERITY_COLORS = {Severity.CRITICAL: "red", Severity.WARNING: "orange", Severity.INFO: "blue"}
# Half of what is fresh after so long; a workflow of 1,000 runs a week, or 32 failures in a row, has all points.
_HALF_LIFE = timedelta(days=2)
_MAX_RUNS_A_WEEK, _MAX_STREAK = 1_000, 32
# A run that fails once has failed; a branch is broken when the next one fails too.
_CRITICAL_STREAK = 2
# No run for so long, and for so many of its usual pauses: nobody works on it.
_IDLE_LIMIT, _IDLE_FACTOR = timedelta(days=7), 3


@dataclass(frozen=True)
class Impact:
    """`runs_a_week`: of what is affected, in the last 7 days. `failures` in a row, 0 for what does not fail."""

    severity: Severity
    age: timedelta
    runs_a_week: int
    failures: int = 0
    acknowledged: bool = False

    @property
    def score(self) -> float:
        """0 to 110, one decimal: severity + how new it is + how much runs there + failures in a row − 60 where somebody
        knows of it."""
        fresh: float = RECENCY_SCORE * 0.5 ** (max(self.age, timedelta()) / _HALF_LIFE)
        activity = ACTIVITY_SCORE * min(log10(1 + self.runs_a_week) / log10(1 + _MAX_RUNS_A_WEEK), 1.0)
        streak = STREAK_SCORE * min(log2(max(self.failures, 1)) / log2(_MAX_STREAK), 1.0)
        known = ACKNOWLEDGED_SCORE if self.acknowledged else 0.0
        return round(max(SEVERITY_SCORES[self.severity] + fresh + activity + streak + known, 0.0), 1)


def severity_of_streak(failures: int, span: timedelta, idle: timedelta) -> Severity:
    """Of failures in a row, from the first to the last of which `span` passed; `idle`: since the last one. One failure
    is a warning. So is a branch on which nothing ran for a week and three of its usual pauses."""
    if failures < _CRITICAL_STREAK:
        return Severity.INFO if idle >= _IDLE_LIMIT else Severity.WARNING
    pause = span / (failures - 1)
    return Severity.WARNING if idle >= max(_IDLE_LIMIT, _IDLE_FACTOR * pause) else Severity.CRITICAL


# A run stands still when it takes three times as long as 19 of 20 did, and half an hour.
_STUCK_FACTOR, _STUCK_MINIMUM = 3, timedelta(minutes=30)
_STUCK_MAX_AGE = timedelta(days=7)
# What a run that has not begun waits for, by GitHub's state of it.
_WAITING_TEXT = {
    Status.QUEUED: "waits for a runner",
    Status.PENDING: "waits for another run of its concurrency group",
}
_WEEK = timedelta(days=7)
# Alerts of these kinds are about what is listed here by itself.
_KIND_OF_RULE = {
    RuleKind.CONSECUTIVE_FAILURES: "broken", RuleKind.SUCCESS_REGRESSION: "success",
    RuleKind.DURATION_REGRESSION: "duration", RuleKind.STUCK_RUN: "stuck",
}  # fmt: skip
_MAX_STUCK, _MAX_POINTS, _MAX_ALERTS = 50, 200, 200


@dataclass(frozen=True)
class Acknowledgement:
    """Of the alert about it."""

    at: datetime
    by: str
    comment: str


@dataclass(frozen=True)
class Attention:
    """`kind`: broken, alert, success, duration, stuck or queue. `severity`: critical, warning or info. `score` as
    health.alerts.attention, by which it is ranked. `run_id` is where to click, `first` the first bad run with its
    commit, `alert_id` the alert; null where there is none. `acknowledged`: who knows of it; null where nobody said so.
    `failures` in a row, 0 for what does not fail."""

    kind: str
    severity: Severity
    headline: str
    why: str
    since: datetime
    repo: str | None = None
    workflow: str | None = None
    workflow_id: int | None = None
    run_id: int | None = None
    first: RunRow | None = None
    alert_id: int | None = None
    acknowledged: Acknowledgement | None = None
    failures: int = 0
    score: float = 0.0

    @property
    def tone(self) -> str:
        """The colour of its severity: red, orange or blue."""
        return SEVERITY_COLORS[self.severity]


def attention(
    session: Session, scope: Scope, now: datetime, *, known_regressions: Sequence[Regression] | None = None
) -> list[Attention]:
    """Broken default branches, firing alerts, what got worse, what stands still, what waits; of the highest score
    first. Of workflows that cannot run only what stands still. `worse` where it is known already: it changes slowly."""
    streaks = failing_streaks(session, scope, now)
    inactive = inactive_names(session)
    listed = {(each.repo, each.workflow_id) for each in streaks} | inactive
    alerts = _alerts(session, scope, now)
    activity = _WeeklyRunCounts(session, scope, now)
    found = [_broken(each, now) for each in streaks]
    found += [
        _alert(each) for each in alerts
        if each.rule not in _KIND_OF_RULE and (each.repo, each.workflow_id or 0) not in listed
    ]  # fmt: skip
    known_regressions = regressions(session, scope, now) if known_regressions is None else known_regressions
    found += [
        _regression(each)
        for each in known_regressions
        if (each.repo, each.workflow_id) not in (inactive if each.kind == "duration" else listed)
    ]
    found += _stuck(session, scope, now)
    found += _queues(session, scope, now)
    known = _acknowledged_alerts(alerts)
    ranked = [_with_score(each, activity, known, now) for each in found]
    return sorted(ranked, key=lambda each: (-each.score, -each.since.timestamp(), each.headline))


class _WeeklyRunCounts:
    """Runs of the last 7 days by repository, workflow and in all."""

    def __init__(self, session: Session, scope: Scope, now: datetime) -> None:
        week = MetricsQuery(scope.for_sequences(), Window(now - _WEEK, now), GroupBy.WORKFLOW)
        names = executor.repository_names(session)
        self._by_workflow: dict[tuple[str, int], int] = {}
        self._by_repo: dict[str, int] = {}
        for (key, _), counts in executor.outcomes(session, week).items():
            repo, runs = names.get(key[0], ""), sum(counts.values())
            self._by_workflow[repo, key[1]] = runs
            self._by_repo[repo] = self._by_repo.get(repo, 0) + runs

    def runs_for(self, item: Attention) -> int:
        """What it is about: a workflow, a repository, or runners, which are everybody's."""
        if item.repo is None:
            return sum(self._by_repo.values())
        if item.workflow_id is None:
            return self._by_repo.get(item.repo, 0)
        return self._by_workflow.get((item.repo, item.workflow_id), 0)


def _with_score(
    item: Attention, activity: _WeeklyRunCounts, known: dict[tuple[str, str, int], AlertRow], now: datetime
) -> Attention:
    alert = known.get((item.kind, item.repo or "", item.workflow_id or 0))
    acknowledged = _acknowledgement(alert) if alert else item.acknowledged
    impact = Impact(item.severity, now - item.since, activity.runs_for(item), item.failures, acknowledged is not None)
    alert_id = alert.id if alert else item.alert_id
    return replace(item, score=impact.score, acknowledged=acknowledged, alert_id=alert_id)


def _broken(streak: Streak, now: datetime) -> Attention:
    last, first = streak.runs[-1], streak.runs[0]
    severity = severity_of_streak(streak.length, last.created_at - first.created_at, now - last.created_at)
    place = f"{streak.workflow} {{}} on {streak.branch} of {streak.repo}"
    headline = place.format("failed once" if streak.length == 1 else "is broken")
    return Attention(
        "broken", severity, headline, text.failures_text(streak.length), streak.since, streak.repo, streak.workflow,
        streak.workflow_id, last.id, streak.first_failure, failures=streak.length,
    )  # fmt: skip


def _alerts(session: Session, scope: Scope, now: datetime) -> list[AlertRow]:
    """Firing and not silenced, acknowledged or not. They know no event and no actor: those do not narrow them."""
    states = (AlertState.FIRING, AlertState.ACKNOWLEDGED)
    page = alert_page(session, AlertFilter(states=states, repos=scope.repos), now, limit=_MAX_ALERTS)
    return [each for each in page.items if _matches_scope(each, scope)]


def _acknowledged_alerts(alerts: Iterable[AlertRow]) -> dict[tuple[str, str, int], AlertRow]:
    """Acknowledged alerts by the kind, repository and workflow of what they are about here. An alert about the failures
    of a workflow is about its broken branch, too."""
    found: dict[tuple[str, str, int], AlertRow] = {}
    for each in alerts:
        kind = _KIND_OF_RULE.get(RuleKind(each.rule)) if each.rule in list(RuleKind) else None
        if each.acknowledged_at is None:
            continue
        if kind:
            found[kind, each.repo, each.workflow_id or 0] = each
        elif each.rule in _FAILURE_RULES:
            found.setdefault(("broken", each.repo, each.workflow_id or 0), each)
    return found


_FAILURE_RULES = (RuleKind.FAILURE_RATE, RuleKind.ERROR_BUDGET)


def _acknowledgement(alert: AlertRow) -> Acknowledgement | None:
    if alert.acknowledged_at is None:
        return None
    return Acknowledgement(alert.acknowledged_at, alert.acknowledged_by or "", alert.acknowledged_comment or "")


def _matches_scope(alert: AlertRow, scope: Scope) -> bool:
    """An alert over a whole repository, or over several branches together, is about each of them."""
    names = {alert.workflow, str(alert.workflow_id)}
    return (not scope.workflows or alert.workflow_id is None or not names.isdisjoint(scope.workflows)) and (
        not scope.branches or alert.branch is None or alert.branch in scope.branches
    )


def _alert(alert: AlertRow) -> Attention:
    headline = text.headline(alert.rule, alert.alert_target)
    why = text.measurement_text(alert.rule, alert.detail) or f"threshold {alert.threshold}"
    severity = Severity(alert.severity) if alert.severity in list(Severity) else Severity.WARNING
    return Attention(
        "alert", severity, headline, why, alert.opened_at, alert.repo, alert.workflow, alert.workflow_id,
        alert_id=alert.id, acknowledged=_acknowledgement(alert),
    )  # fmt: skip


def _regression(change: Regression) -> Attention:
    word = "fails more often" if change.kind == "success" else "got slower"
    headline = f"{change.workflow} of {change.repo} {word}"
    return Attention(change.kind, Severity.WARNING, headline, change.text, change.since, change.repo, change.workflow,
                 change.workflow_id, change.first_run.id, change.first_run)  # fmt: skip


def _stuck(session: Session, scope: Scope, now: datetime) -> Iterator[Attention]:
    usual: dict[tuple[str, int], float] = {}
    began = Window(now - _STUCK_MAX_AGE, now - _STUCK_MINIMUM)
    for run in finding_queries.list_unfinished(session, scope, began, limit=_MAX_STUCK):
        since = run.started_at or run.created_at
        waiting = run.status != Status.IN_PROGRESS
        key = run.repo, run.workflow_id
        if key not in usual:
            usual[key] = _usual_duration(session, run, now)
        took = (now - since).total_seconds()
        if not waiting and took < _STUCK_FACTOR * usual[key]:
            continue
        word = _WAITING_TEXT.get(Status(run.status), "has not started") if waiting else "is still running"
        usually = f" · 19 of 20 are over within {formatting.duration(usual[key])}" if usual[key] else ""
        yield Attention(
            "stuck", Severity.INFO, f"{run.workflow} #{run.run_number} of {run.repo} {word}",
            f"for {formatting.duration(took)}{usually}", since, run.repo, run.workflow, run.workflow_id, run.id, run,
        )  # fmt: skip


def _usual_duration(session: Session, run: RunRow, now: datetime) -> float:
    """The 95th percentile of the workflow's last durations, in seconds; 0 where none is known."""
    scope = Scope(repos=(run.repo,), workflows=(str(run.workflow_id),))
    dots = newest_run_points(session, scope, Window(now - timedelta(days=30), now), _MAX_POINTS)
    return percentile(sorted(dot.duration_seconds for dot in dots if dot.duration_seconds is not None), 0.95) or 0.0


def _queues(session: Session, scope: Scope, now: datetime) -> Iterator[Attention]:
    """By the labels whose jobs waited, against the same hours of the same weekday a week before."""
    window = Window(now - timedelta(hours=HOURS), now)
    recent = job_waits(session, scope, window)
    if not any(may_be_short(waits, now.timestamp()) for waits in recent.values()):
        return
    before = job_waits(session, scope, Window(window.since - _WEEK, window.until - _WEEK))
    for label, waits in sorted(recent.items()):
        earlier = [seconds for _, seconds in before.get(label, ())]
        short = find_shortage(waits, earlier, now.timestamp())
        if short:
            usual = (
                f"p95 {formatting.duration(short.usual_p95)} in the same hours a week before"
                if short.usual_p95 is not None
                else "too few jobs in the same hours a week before to compare with"
            )
            waited = f"{short.waiting_jobs} of {short.jobs} jobs waited 5 minutes or longer"
            yield Attention(
                "queue",
                Severity.INFO,
                f"Jobs wait {formatting.duration(short.p95)} for {label or 'a runner'}",
                f"p95 of the last {HOURS} hours, {waited} · {usual}",
                window.since,
            )
