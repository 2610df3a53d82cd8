"""Writes the messages about what changed: one for each bundle of news, in the transaction of the change."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from collector.alerts import compose
from db import analytics
from db.alerting.bundles import News, bundle
from db.alerting.place import Place
from db.alerting.rule import Rule
from db.alerting.transitions import Reason
from db.metrics.formulas import Metrics
from db.metrics.scope import Scope
from db.metrics.window import Window
from db.observations import Observation
from db.queries.alerts import AlertRow, alerts_of_group
from db.queries.logs import failure_of
from db.queries.runs import RunRow
from db.store.alerts import enqueue, note_told
from db.vocabulary import AlertState, RuleKind
from notify.message import Message


@dataclass(frozen=True)
class Item:
    """News of one alert. `changed`: it opened or closed. `alert` is how it stood before, null when it opens; `fixed`
    the run that ended it."""

    rule: Rule
    alert_id: int
    place: Place
    reason: Reason
    changed: bool
    seen: Observation | None
    alert: AlertRow | None
    told: bool = True
    fixed: RunRow | None = None


class Teller:
    def __init__(self, channels: Sequence[str], app_url: str) -> None:
        self._channels, self._app_url = channels, app_url

    def tell(self, session: Session, items: Sequence[Item], now: datetime) -> None:
        told = [item for item in items if item.told and not self._others_go_on(session, item, now)]
        causes = {item.alert_id: _cause(session, item) for item in told if item.reason is Reason.FIRST}
        by_id = {item.alert_id: item for item in told}
        news = [_news(item, causes.get(item.alert_id, (None, None))[1]) for item in told]
        for group in bundle(news):
            listed = [by_id[each.alert_id] for each in group]
            first = listed[0]
            error = causes.get(first.alert_id, (None, None))[0]
            if first.reason is Reason.RESOLVED and first.alert and first.alert.group_id:
                message = self._recovery(session, first, first.alert.group_id, now)
            elif len(listed) == 1:
                message = self._single(session, first, error, now)
            else:
                message = self._together(listed, error if _one_cause(group) else None, now)
            self._write(session, listed, message, now)

    @staticmethod
    def _others_go_on(session: Session, item: Item, now: datetime) -> bool:
        """What was told together is over when the last of it is."""
        group = item.alert.group_id if item.alert and item.reason is Reason.RESOLVED else None
        if group is None:
            return False
        return any(each.state != AlertState.RESOLVED for each in alerts_of_group(session, group, now))

    def _write(self, session: Session, listed: Sequence[Item], message: Message, now: datetime) -> None:
        first = listed[0]
        wanted = first.rule.channels or tuple(self._channels)
        lead = min(item.alert_id for item in listed)
        to = {channel: message.to_dict() for channel in self._channels if channel in wanted}
        enqueue(session, lead, first.reason, to, now)
        together = lead if len(listed) > 1 and first.reason is Reason.FIRST else None
        note_told(session, [item.alert_id for item in listed], now, group_id=together)

    def _single(self, session: Session, item: Item, error_line: str | None, now: datetime) -> Message:
        context = self._context(session, item, now, error_line)
        still = item.reason is Reason.REPEAT
        streak = item.seen.streak if item.seen else None
        figures = item.seen.metrics if item.seen else None
        if item.reason is not Reason.RESOLVED:
            if streak:
                return compose.broken(streak, context, still=still)
            if item.rule.built_in and figures:
                branch = item.place.branch or ""
                return compose.rate_high(item.place.repo, branch, figures, item.rule.threshold, context)
            return compose.measured(item.rule, item.place, item.seen.detail if item.seen else {}, context, still=still)
        since = _since(item)
        if item.fixed and item.rule.kind is RuleKind.CONSECUTIVE_FAILURES:
            return compose.recovered(
                item.place.repo, item.fixed.workflow, item.place.branch or "", since, item.fixed, context
            )
        if item.rule.built_in:
            return compose.rate_normal(item.place.repo, item.place.branch or "", self._last_day(session, item, now),
                                       context)  # fmt: skip
        return compose.over(item.rule, item.place, item.seen.detail if item.seen else {}, since, context)

    def _together(self, listed: Sequence[Item], error_line: str | None, now: datetime) -> Message:
        places = [(item.place.words, item.seen.detail if item.seen else {}) for item in listed]
        return compose.together(listed[0].rule, listed[0].reason, places, error_line, self._app_url, now)

    def _recovery(self, session: Session, item: Item, group: int, now: datetime) -> Message:
        """Of all that was told in one message."""
        places = [
            (Place(row.repository_id, row.repo, row.workflow_id, row.workflow, row.branch).words, row.detail)
            for row in alerts_of_group(session, group, now)
        ]
        return compose.together(item.rule, Reason.RESOLVED, places, None, self._app_url, now)

    @staticmethod
    def _last_day(session: Session, item: Item, now: datetime) -> Metrics:
        scope = Scope(repos=(item.place.repo,), branches=(item.place.branch,) if item.place.branch else ())
        window = compose.window_of(item.rule, now)
        return item.seen.metrics if item.seen and item.seen.metrics else analytics.snapshot(session, scope, window)

    def _context(self, session: Session, item: Item, now: datetime, error_line: str | None) -> compose.Context:
        """The figures of 30 days are those of the workflow, or of the repository."""
        workflow_id = item.place.workflow_id
        scope = Scope(repos=(item.place.repo,), workflows=(str(workflow_id),) if workflow_id else ())
        figures = analytics.snapshot(session, scope, Window(now - compose.SPAN, now))
        return compose.Context(figures, error_line, self._app_url, now, item.alert_id)


def _news(item: Item, cause: str | None) -> News:
    group = item.alert.group_id if item.alert else None
    return News(item.alert_id, item.rule.id or 0, item.reason, group, cause)


def _one_cause(group: Sequence[News]) -> bool:
    return group[0].cause is not None and all(each.cause == group[0].cause for each in group)


def _cause(session: Session, item: Item) -> tuple[str | None, str | None]:
    """The error line and its fingerprint."""
    run = item.seen.streak.runs[-1] if item.seen and item.seen.streak else None
    return failure_of(session, run.id, run.attempt) if run else (None, None)


def _since(item: Item) -> datetime:
    """When it began; where it keeps no such moment, when it was opened."""
    told = item.alert.detail.get("since") if item.alert else None
    if isinstance(told, str):
        return datetime.fromisoformat(told)
    return item.alert.opened_at if item.alert else datetime.min
