"""What needs a person now, the most urgent first. One thing is said once."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from db.alerting import words
from db.alerting.place import Place
from db.findings.regressions import Regression, regressions
from db.metrics import units
from db.metrics.distribution import percentile
from db.metrics.scope import Scope
from db.metrics.window import Window
from db.queries import findings
from db.queries.activity import inactive_names
from db.queries.alerts import AlertFilter, AlertRow, alert_page
from db.queries.dots import newest_dots
from db.queries.runs import RunRow
from db.queries.streaks import Streak, failing_streaks
from db.vocabulary import AlertState, RuleKind, Status

# A run stands still when it takes three times as long as 19 of 20 did, and half an hour.
_STUCK_TIMES, _STUCK_AT_LEAST = 3, timedelta(minutes=30)
_GIVEN_UP = timedelta(days=7)
# Runners are short when 19 of 20 runs of the last hours waited five minutes, and three times as long as before.
_LATELY, _BEFORE = timedelta(hours=3), timedelta(days=7)
_QUEUE_SECONDS, _QUEUE_TIMES, _QUEUE_RUNS = 300.0, 3, 5
_SAID = (RuleKind.CONSECUTIVE_FAILURES, RuleKind.SUCCESS_REGRESSION, RuleKind.DURATION_REGRESSION, RuleKind.STUCK_RUN)
_MOST_STUCK, _MOST_QUEUED, _MOST_DOTS = 50, 5_000, 200


@dataclass(frozen=True)
class Attention:
    """`kind`: broken, alert, success, duration, stuck or queue. `tone`: red is broken, orange got worse, blue waits.
    `run_id` is where to click, `first` the first bad run with its commit, `alert_id` the alert; null where there is
    none."""

    kind: str
    tone: str
    headline: str
    why: str
    since: datetime
    repo: str | None
    workflow: str | None
    workflow_id: int | None
    run_id: int | None
    first: RunRow | None
    alert_id: int | None = None


def attention(
    session: Session, scope: Scope, now: datetime, *, worse: Sequence[Regression] | None = None
) -> list[Attention]:
    """Broken default branches, firing alerts, what got worse, what stands still, what waits. Of workflows that cannot
    run only what stands still. `worse` where it is known already: it changes slowly."""
    streaks = failing_streaks(session, scope, now)
    broken = {(each.repo, each.workflow_id) for each in streaks}
    inactive = inactive_names(session)
    found = [_broken(each) for each in streaks]
    found += [
        _alert(each)
        for each in _alerts(session, scope, now)
        if (each.repo, each.workflow_id or 0) not in broken | inactive
    ]
    worse = regressions(session, scope, now) if worse is None else worse
    found += [
        _regression(each)
        for each in worse
        if (each.repo, each.workflow_id) not in (inactive if each.kind == "duration" else broken | inactive)
    ]
    found += _stuck(session, scope, now)
    found += _queues(session, scope, now)
    return found


def _broken(streak: Streak) -> Attention:
    runs = "1 failed run" if streak.length == 1 else f"{streak.length} failed runs in a row"
    headline = f"{streak.workflow} is broken on {streak.branch} of {streak.repo}"
    return Attention("broken", "red", headline, runs, streak.since, streak.repo, streak.workflow, streak.workflow_id,
                     streak.runs[-1].id, streak.first_bad)  # fmt: skip


def _alerts(session: Session, scope: Scope, now: datetime) -> list[AlertRow]:
    """Firing, neither acknowledged nor silenced, and of a kind that is not said here already. They know no event and no
    actor: those do not narrow them."""
    asked = AlertFilter(states=(AlertState.FIRING,), repos=scope.repos)
    return [
        each
        for each in alert_page(session, asked, now, limit=200).items
        if each.rule not in _SAID and _is_of(each, scope)
    ]


def _is_of(alert: AlertRow, scope: Scope) -> bool:
    """An alert over a whole repository, or over several branches together, is about each of them."""
    names = {alert.workflow, str(alert.workflow_id)}
    return (not scope.workflows or alert.workflow_id is None or not names.isdisjoint(scope.workflows)) and (
        not scope.branches or alert.branch is None or alert.branch in scope.branches
    )


def _alert(alert: AlertRow) -> Attention:
    place = Place(alert.repository_id, alert.repo, alert.workflow_id, alert.workflow, alert.branch)
    said = words.headline(alert.rule, place, alert.detail)
    why = words.measured(alert.rule, alert.detail) or f"threshold {alert.threshold}"
    return Attention("alert", "red", said, why, alert.opened_at, alert.repo,
                     alert.workflow, alert.workflow_id, None, None, alert.id)  # fmt: skip


def _regression(found: Regression) -> Attention:
    word = "fails more often" if found.kind == "success" else "got slower"
    headline = f"{found.workflow} of {found.repo} {word}"
    return Attention(found.kind, "orange", headline, found.text, found.since, found.repo, found.workflow,
                     found.workflow_id, found.first_run.id, found.first_run)  # fmt: skip


def _stuck(session: Session, scope: Scope, now: datetime) -> Iterator[Attention]:
    usual: dict[tuple[str, int], float] = {}
    began = Window(now - _GIVEN_UP, now - _STUCK_AT_LEAST)
    for run in findings.list_unfinished(session, scope, began, limit=_MOST_STUCK):
        since = run.started_at or run.created_at
        waiting = run.status != Status.IN_PROGRESS
        key = run.repo, run.workflow_id
        if key not in usual:
            usual[key] = _usual(session, run, now)
        took = (now - since).total_seconds()
        if not waiting and took < _STUCK_TIMES * usual[key]:
            continue
        word = "waits for a runner" if waiting else "is still running"
        usually = f" · 19 of 20 are over within {units.duration(usual[key])}" if usual[key] else ""
        yield Attention(
            "stuck", "blue", f"{run.workflow} #{run.run_number} of {run.repo} {word}",
            f"for {units.duration(took)}{usually}", since, run.repo, run.workflow, run.workflow_id, run.id, run,
        )  # fmt: skip


def _usual(session: Session, run: RunRow, now: datetime) -> float:
    """The 95th percentile of the workflow's last durations, in seconds; 0 where none is known."""
    scope = Scope(repos=(run.repo,), workflows=(str(run.workflow_id),))
    dots = newest_dots(session, scope, Window(now - timedelta(days=30), now), _MOST_DOTS)
    return percentile(sorted(dot.duration_seconds for dot in dots if dot.duration_seconds is not None), 0.95) or 0.0


def _queues(session: Session, scope: Scope, now: datetime) -> Iterator[Attention]:
    lately = _by_runner(session, scope, Window(now - _LATELY, now))
    if not any(
        len(found) >= _QUEUE_RUNS and (percentile(found, 0.95) or 0) >= _QUEUE_SECONDS for found in lately.values()
    ):
        return
    before = _by_runner(session, scope, Window(now - _BEFORE, now - _LATELY))
    for runner, found in lately.items():
        p95, usual = percentile(found, 0.95) or 0.0, percentile(before.get(runner, []), 0.95) or 0.0
        if len(found) >= _QUEUE_RUNS and p95 >= max(_QUEUE_SECONDS, _QUEUE_TIMES * usual):
            yield Attention(
                "queue", "blue", f"Runs wait {units.duration(p95)} for {runner or 'a runner'}",
                f"p95 of the last 3 hours, {len(found)} runs · {units.duration(usual)} in the week before",
                now - _LATELY, None, None, None, None, None,
            )  # fmt: skip


def _by_runner(session: Session, scope: Scope, window: Window) -> dict[str | None, list[float]]:
    """Queue seconds by runner label, ascending."""
    found: dict[str | None, list[float]] = defaultdict(list)
    for runner, seconds in findings.queues_by_runner(session, scope, window, limit=_MOST_QUEUED):
        found[runner].append(seconds)
    return {runner: sorted(seconds) for runner, seconds in found.items()}
