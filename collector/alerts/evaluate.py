"""Compares what is stored with ALERT_THRESHOLD, and writes alerts and their messages in one transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from collector.alerts import compose
from collector.alerts.rules import Threshold, fires_in_a_row, fires_on_rate
from collector.alerts.transitions import Transition, transition
from db import analytics
from db.engine import write_scope
from db.metrics.scope import Scope
from db.metrics.window import Window
from db.queries.alerts import AlertRow, list_alerts
from db.queries.logs import list_logs
from db.queries.repositories import list_repositories
from db.queries.runs import RunRow, last_success
from db.store.alerts import AlertScope, enqueue, open_alert, resolve_alert, update_detail
from db.store.locking import Chore, take_turn
from db.vocabulary import AlertState, RuleKind
from notify.message import Message

_DAY = timedelta(hours=24)


@dataclass(frozen=True)
class Evaluated:
    opened: int
    resolved: int


class Evaluator:
    """`channels` are the names of the configured ones: a message is written for each."""

    def __init__(
        self,
        engine: Engine,
        threshold: Threshold,
        channels: Sequence[str],
        app_url: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._engine, self._threshold, self._channels = engine, threshold, channels
        self._app_url, self._clock = app_url, clock

    def run(self) -> Evaluated:
        with write_scope(self._engine) as session:
            # Two who look before either writes would both open the alert.
            take_turn(session, Chore.ALERTS)
            now = self._clock()
            firing = list_alerts(session, states=[AlertState.FIRING], limit=10_000)
            for alert in firing:
                if alert.rule != self._threshold.kind:
                    resolve_alert(session, alert.id, {**alert.detail, "reason": "the rule changed"}, now)
            ours = {
                (each.repository_id, each.workflow_id): each for each in firing if each.rule == self._threshold.kind
            }
            if self._threshold.kind is RuleKind.CONSECUTIVE_FAILURES:
                return self._in_a_row(session, ours, now)
            return self._on_rate(session, ours, now)

    def _in_a_row(self, session: Session, firing: dict[tuple[int, int | None], AlertRow], now: datetime) -> Evaluated:
        """Per workflow: failures of one would otherwise be hidden by successes of another between them."""
        streaks = {
            (each.repository_id, each.workflow_id): each for each in analytics.failing_streaks(session, Scope(), now)
        }
        opened = resolved = 0
        for key in [*streaks, *(key for key in firing if key not in streaks)]:
            streak, alert = streaks.get((key[0], key[1] or 0)), firing.get(key)
            fires = fires_in_a_row(self._threshold, streak.length if streak else 0, firing=alert is not None)
            match transition(was_firing=alert is not None, fires=fires):
                case Transition.FIRST if streak:
                    self._open_streak(session, streak, now)
                    opened += 1
                case Transition.STILL if streak and alert:
                    detail = _detail(streak)
                    if detail != alert.detail:
                        update_detail(session, alert.id, detail)
                case Transition.RESOLVED if alert:
                    resolved += self._close_streak(session, alert, now)
        return Evaluated(opened, resolved)

    def _open_streak(self, session: Session, streak: analytics.Streak, now: datetime) -> None:
        scope = AlertScope(streak.repository_id, streak.workflow_id, RuleKind.CONSECUTIVE_FAILURES)
        alert_id = open_alert(session, scope, self._threshold.text, _detail(streak), now)
        context = self._context(session, streak.repo, streak.workflow_id, now, _error_line(session, streak.runs[-1]))
        self._tell(session, alert_id, Transition.FIRST, compose.broken(streak, context), now)

    def _close_streak(self, session: Session, alert: AlertRow, now: datetime) -> bool:
        """Without a success to name (history was pruned, the default branch changed) it closes without a message."""
        run = last_success(session, alert.repository_id, alert.workflow_id or 0)
        detail = {**alert.detail, "resolved_by": run.id if run else None}
        if not resolve_alert(session, alert.id, detail, now):
            return False
        if run:
            since = datetime.fromisoformat(str(alert.detail["since"]))
            context = self._context(session, alert.repo, alert.workflow_id, now, None)
            branch = str(alert.detail["branch"])
            message = compose.recovered(alert.repo, run.workflow, branch, since, run, context)
            self._tell(session, alert.id, Transition.RESOLVED, message, now)
        return True

    def _on_rate(self, session: Session, firing: dict[tuple[int, int | None], AlertRow], now: datetime) -> Evaluated:
        opened = resolved = 0
        for repository in list_repositories(session):
            alert = firing.get((repository.id, None))
            scope = Scope(repos=(repository.repo,), branches=(repository.default_branch,))
            day = analytics.snapshot(session, scope, Window(now - _DAY, now + timedelta(seconds=1)))
            decided = day.runs.success + day.runs.failure
            fires = fires_on_rate(self._threshold, decided, day.runs.failure, firing=alert is not None)
            context = self._context(session, repository.repo, None, now, None)
            match transition(was_firing=alert is not None, fires=fires):
                case Transition.FIRST:
                    detail = {"branch": repository.default_branch, "failed": day.runs.failure, "decided": decided}
                    alert_scope = AlertScope(repository.id, None, RuleKind.FAILURE_RATE)
                    alert_id = open_alert(session, alert_scope, self._threshold.text, detail, now)
                    message = compose.rate_high(
                        repository.repo, repository.default_branch, day, self._threshold.text, context
                    )
                    self._tell(session, alert_id, Transition.FIRST, message, now)
                    opened += 1
                case Transition.RESOLVED if alert and resolve_alert(session, alert.id, dict(alert.detail), now):
                    message = compose.rate_normal(repository.repo, repository.default_branch, day, context)
                    self._tell(session, alert.id, Transition.RESOLVED, message, now)
                    resolved += 1
        return Evaluated(opened, resolved)

    def _context(
        self, session: Session, repo: str, workflow_id: int | None, now: datetime, error_line: str | None
    ) -> compose.Context:
        scope = Scope(repos=(repo,), workflows=(str(workflow_id),) if workflow_id else ())
        figures = analytics.snapshot(session, scope, Window(now - compose.SPAN, now))
        return compose.Context(figures, error_line, self._app_url, now)

    def _tell(self, session: Session, alert_id: int, why: Transition, message: Message, now: datetime) -> None:
        enqueue(session, alert_id, why, {channel: message.to_dict() for channel in self._channels}, now)


def _detail(streak: analytics.Streak) -> dict[str, object]:
    return {
        "branch": streak.branch,
        "failures": streak.length,
        "since": streak.since.isoformat(),
        "first_bad_run": streak.first_bad.id,
        "last_run": streak.runs[-1].id,
    }


def _error_line(session: Session, run: RunRow) -> str | None:
    logs = list_logs(session, run.id, run.attempt, with_text=False)
    return next((log.error_line for log in logs if log.error_line), None)
