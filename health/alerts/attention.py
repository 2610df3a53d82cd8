"""The attention list: what needs a person now, ranked by a score. Each problem is listed once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import log2, log10

from sqlalchemy.orm import Session

from core import formatting
from db.definitions.scope import Scope, Window
from db.enums import GroupBy, Severity, Status
from db.runs.run_lists import newest_run_points
from db.runs.run_queries import RunRow
from health.alerts.notifications import text
from health.alerts.open_alerts import (
    KIND_OF_RULE,
    Acknowledgement,
    ActiveSilence,
    Handling,
    ProblemKey,
    active_silences,
    handled_problems,
    handling,
    open_alerts,
)
from health.alerts.rules.targets import workflow_label
from health.alerts.storage.alert_queries import AlertRow
from health.insights import finding_queries
from health.insights.causes.triage import KnownFailure, known_failures
from health.insights.regressions import Regression, regressions
from health.insights.runner_shortage import HOURS, find_shortage, may_be_short
from health.metrics.branch_status import Streak, failing_streaks, inactive_names
from health.metrics.definitions.percentiles import percentile
from health.metrics.queries import executor
from health.metrics.queries.grouping import MetricsQuery
from health.metrics.queries.job_queries import job_waits
from health.metrics.queries.names import repository_names

# Maximum of each term of the score.
SEVERITY_SCORES = {Severity.CRITICAL: 50.0, Severity.WARNING: 35.0, Severity.INFO: 15.0}
RECENCY_SCORE, ACTIVITY_SCORE, STREAK_SCORE, ACKNOWLEDGED_SCORE = 30.0, 20.0, 10.0, -60.0
SEVERITY_COLORS = {Severity.CRITICAL: "red", Severity.WARNING: "orange", Severity.INFO: "blue"}
# The recency term halves in this time; 1,000 runs a week, and 32 failures in a row, have the maximum.
_HALF_LIFE = timedelta(days=2)
_MAX_RUNS_A_WEEK, _MAX_STREAK = 1_000, 32
# One failed run may be chance; the branch is failing when the next one fails, too.
_CRITICAL_STREAK = 2
# A branch is idle without a run for this time, and for this multiple of its usual pause.
_IDLE_LIMIT, _IDLE_FACTOR = timedelta(days=7), 3


@dataclass(frozen=True)
class Impact:
    """The terms of the score. `runs_a_week`: runs from the last 7 days that are affected. `failures` in a row; 0 where
    nothing fails."""

    severity: Severity
    age: timedelta
    runs_a_week: int
    failures: int = 0
    acknowledged: bool = False

    @property
    def score(self) -> float:
        """0 to 110, one decimal: severity + recency + activity + failures in a row − 60 if acknowledged or silenced."""
        recency: float = RECENCY_SCORE * 0.5 ** (max(self.age, timedelta()) / _HALF_LIFE)
        activity = ACTIVITY_SCORE * min(log10(1 + self.runs_a_week) / log10(1 + _MAX_RUNS_A_WEEK), 1.0)
        streak = STREAK_SCORE * min(log2(max(self.failures, 1)) / log2(_MAX_STREAK), 1.0)
        acknowledged = ACKNOWLEDGED_SCORE if self.acknowledged else 0.0
        return round(max(SEVERITY_SCORES[self.severity] + recency + activity + streak + acknowledged, 0.0), 1)


def severity_of_streak(failures: int, span: timedelta, idle: timedelta) -> Severity:
    """The severity of failures in a row. `span`: time from the first to the last of them; `idle`: time since the last
    one. One failure is a warning, and so is a broken branch without a run for a week and three of its usual pauses."""
    if failures < _CRITICAL_STREAK:
        return Severity.INFO if idle >= _IDLE_LIMIT else Severity.WARNING
    pause = span / (failures - 1)
    return Severity.WARNING if idle >= max(_IDLE_LIMIT, _IDLE_FACTOR * pause) else Severity.CRITICAL


# A run is stuck after three times the 95th percentile of its workflow, and at least half an hour.
_STUCK_FACTOR, _STUCK_MINIMUM = 3, timedelta(minutes=30)
_STUCK_MAX_AGE = timedelta(days=7)
# What a run that has not started waits for, by its status on GitHub.
_WAITING_TEXT = {
    Status.QUEUED: "is waiting for a runner",
    Status.PENDING: "is waiting for another run of its concurrency group",
}
_WEEK = timedelta(days=7)
_MAX_STUCK, _MAX_POINTS = 50, 200


@dataclass(frozen=True)
class Attention:
    """One problem. `kind`: broken, alert, success, duration, stuck or queue. `score` ranks it (Impact.score). `run_id`:
    the run to open; `first`: the first bad run with its commit; `alert_id`: the alert about it. They are null where
    there is none; `acknowledged` and `silenced` are those of the alert. `failures` in a row; 0 where nothing fails.
    `known`: the mark of the cause of the last failure by a user, with its error line; null for other causes."""

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
    silenced: ActiveSilence | None = None
    failures: int = 0
    score: float = 0.0
    known: KnownFailure | None = None

    @property
    def is_handled(self) -> bool:
        """Whether its alert is acknowledged or silenced."""
        return self.acknowledged is not None or self.silenced is not None

    @property
    def tone(self) -> str:
        """The colour of its severity: red, orange or blue."""
        return SEVERITY_COLORS[self.severity]


def attention(
    session: Session, scope: Scope, now: datetime, *, known_regressions: Sequence[Regression] | None = None
) -> list[Attention]:
    """Broken default branches, open alerts, regressions, stuck runs and queues, the highest score first. Workflows
    that are deleted or disabled are listed for stuck runs only. `known_regressions`: the result of regressions, if the
    caller has it; it changes slowly."""
    streaks = failing_streaks(session, scope, now)
    inactive = inactive_names(session)
    listed = {(streak.repo, streak.workflow_id) for streak in streaks} | inactive
    alerts = open_alerts(session, scope, now)
    silences = active_silences(session, now, alerts)
    activity = _WeeklyRunCounts(session, scope, now)
    last = ((streak.repository_id, streak.last_failure.id, streak.last_failure.attempt) for streak in streaks)
    known = known_failures(session, last, now)
    items = [replace(_broken(streak, now), known=known.get(streak.last_failure.id)) for streak in streaks]
    items += [
        _alert(alert, handling(alert, silences))
        for alert in alerts
        if alert.rule not in KIND_OF_RULE and (alert.repo, alert.workflow_id or 0) not in listed
    ]
    known_regressions = regressions(session, scope, now) if known_regressions is None else known_regressions
    items += [
        _regression(change)
        for change in known_regressions
        if (change.repo, change.workflow_id) not in (inactive if change.kind == "duration" else listed)
    ]
    items += _stuck(session, scope, now)
    items += _queues(session, scope, now)
    # What somebody does about another branch is no answer to a failing default branch.
    branches = {(streak.repo, streak.workflow_id): streak.branch for streak in streaks}
    relevant = [
        row for row in alerts if row.branch in (None, branches.get((row.repo, row.workflow_id or 0), row.branch))
    ]
    handled = handled_problems(relevant, silences)
    ranked = [_with_score(item, activity, handled, now) for item in items]
    return sorted(ranked, key=lambda item: (-item.score, -item.since.timestamp(), item.headline))


class _WeeklyRunCounts:
    """Numbers of runs from the last 7 days by repository and workflow."""

    def __init__(self, session: Session, scope: Scope, now: datetime) -> None:
        week = MetricsQuery(scope.for_sequences(), Window(now - _WEEK, now), GroupBy.WORKFLOW)
        names = repository_names(session)
        self._by_workflow: dict[tuple[str, int], int] = {}
        self._by_repo: dict[str, int] = {}
        for (key, _), counts in executor.outcomes(session, week).items():
            repo, runs = names.get(key[0], ""), sum(counts.values())
            self._by_workflow[repo, key[1]] = runs
            self._by_repo[repo] = self._by_repo.get(repo, 0) + runs

    def runs_for(self, item: Attention) -> int:
        """The runs of the workflow or repository of the item; all runs for a queue, whose runners are shared."""
        if item.repo is None:
            return sum(self._by_repo.values())
        if item.workflow_id is None:
            return self._by_repo.get(item.repo, 0)
        return self._by_workflow.get((item.repo, item.workflow_id), 0)


def _with_score(
    item: Attention, activity: _WeeklyRunCounts, handled: Mapping[ProblemKey, Handling], now: datetime
) -> Attention:
    if state := handled.get((item.kind, item.repo or "", item.workflow_id or 0)):
        item = replace(item, acknowledged=state.acknowledged, silenced=state.silenced, alert_id=state.alert_id)
    impact = Impact(item.severity, now - item.since, activity.runs_for(item), item.failures, item.is_handled)
    return replace(item, score=impact.score)


def _broken(streak: Streak, now: datetime) -> Attention:
    last, first = streak.last_failure, streak.first_failure
    severity = severity_of_streak(streak.length, last.created_at - first.created_at, now - last.created_at)
    state = "failed once" if streak.length == 1 else "is failing"
    headline = f"{workflow_label(streak.repo, streak.workflow)} {state} on {streak.branch}"
    return Attention(
        "broken",
        severity,
        headline,
        text.failures_text(streak.length),
        streak.since,
        streak.repo,
        streak.workflow,
        streak.workflow_id,
        last.id,
        streak.first_failure,
        failures=streak.length,
    )


def _alert(alert: AlertRow, state: Handling | None) -> Attention:
    headline = text.headline(alert.rule, alert.alert_target)
    why = text.measurement_text(alert.rule, alert.detail, alert.threshold) or f"threshold {alert.threshold}"
    severity = Severity(alert.severity) if alert.severity in list(Severity) else Severity.WARNING
    return Attention(
        "alert",
        severity,
        headline,
        why,
        alert.opened_at,
        alert.repo,
        alert.workflow,
        alert.workflow_id,
        alert_id=alert.id,
        acknowledged=state.acknowledged if state else None,
        silenced=state.silenced if state else None,
    )


def _regression(change: Regression) -> Attention:
    subject = workflow_label(change.repo, change.workflow)
    if change.kind == "success":
        headline, why = f"Success rate dropped: {subject} ({change.branch})", change.text
    else:
        medians = f"{formatting.duration(change.before)} → {formatting.duration(change.after)}"
        headline = f"{subject} slowed down {change.after / change.before - 1:.0%} (median {medians})"
        runs = f"{formatting.pluralize(change.sample_after, 'run')} since then, {change.sample_before:,} before"
        why = " · ".join(part for part in (runs, change.date_range_text) if part)
    return Attention(
        change.kind,
        Severity.WARNING,
        headline,
        why,
        change.since,
        change.repo,
        change.workflow,
        change.workflow_id,
        change.first_run.id,
        change.first_run,
    )


def _stuck(session: Session, scope: Scope, now: datetime) -> Iterator[Attention]:
    usual: dict[tuple[str, int], float] = {}
    started = Window(now - _STUCK_MAX_AGE, now - _STUCK_MINIMUM)
    for run in finding_queries.list_unfinished(session, scope, started, limit=_MAX_STUCK):
        since = run.started_at or run.created_at
        waiting = run.status != Status.IN_PROGRESS
        key = run.repo, run.workflow_id
        if key not in usual:
            usual[key] = _usual_duration(session, run, now)
        elapsed = (now - since).total_seconds()
        if not waiting and elapsed < _STUCK_FACTOR * usual[key]:
            continue
        subject = f"{workflow_label(run.repo, run.workflow)} #{run.run_number}"
        if waiting:
            headline = f"{subject} {_WAITING_TEXT.get(Status(run.status), 'has not started')}"
            why = f"waiting for {formatting.duration(elapsed)}"
        else:
            headline = f"Stuck run: {subject}"
            p95 = f" (p95 is {formatting.duration(usual[key])})" if usual[key] else ""
            why = f"running for {formatting.duration(elapsed)}{p95}"
        yield Attention(
            "stuck",
            Severity.INFO,
            headline,
            why,
            since,
            run.repo,
            run.workflow,
            run.workflow_id,
            run.id,
            run,
        )


def _usual_duration(session: Session, run: RunRow, now: datetime) -> float:
    """The 95th percentile of the latest durations of the workflow, in seconds; 0 if none is known."""
    scope = Scope(repos=(run.repo,), workflows=(str(run.workflow_id),))
    points = newest_run_points(session, scope, Window(now - timedelta(days=30), now), _MAX_POINTS)
    return (
        percentile(sorted(point.duration_seconds for point in points if point.duration_seconds is not None), 0.95)
        or 0.0
    )


def _queues(session: Session, scope: Scope, now: datetime) -> Iterator[Attention]:
    """Runner labels whose jobs wait longer than in the same hours a week before."""
    window = Window(now - timedelta(hours=HOURS), now)
    recent = job_waits(session, scope, window)
    if not any(may_be_short(waits, now.timestamp()) for waits in recent.values()):
        return
    before = job_waits(session, scope, Window(window.since - _WEEK, window.until - _WEEK))
    for label, waits in sorted(recent.items()):
        earlier = [seconds for _, seconds in before.get(label, ())]
        shortage = find_shortage(waits, earlier, now.timestamp())
        if shortage:
            usual = (
                f"p95 {formatting.duration(shortage.usual_p95)} in the same hours a week before"
                if shortage.usual_p95 is not None
                else "too few jobs in the same hours a week before to compare with"
            )
            waited = f"{shortage.waiting_jobs} of {shortage.jobs} jobs waited 5 minutes or longer"
            yield Attention(
                "queue",
                Severity.INFO,
                f"Long queue times: {label or 'jobs without a runner label'}",
                f"p95 {formatting.duration(shortage.p95)} over the last {HOURS} hours, {waited} · {usual}",
                window.since,
            )
