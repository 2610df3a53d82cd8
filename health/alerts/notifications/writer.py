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
from health.alerts.measurement.measurements import Observation
from health.alerts.notifications import render, text
from health.alerts.notifications.render import NOTHING_SEEN, SPAN, Evidence, facts, one
from health.alerts.rules.rules import Rule
from health.alerts.rules.targets import Place
from health.alerts.rules.transitions import News, Reason, bundle
from health.alerts.storage.alert_queries import AlertRow, alerts_of_group, count_episodes
from health.alerts.storage.alert_writes import note_told
from health.alerts.storage.outbox import enqueue
from health.metrics import service
from health.metrics.definitions.formulas import Metrics


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

    @property
    def detail(self) -> Mapping[str, Any]:
        return self.seen.detail if self.seen else {}


class Teller:
    def __init__(self, channels: Sequence[str], app_url: str) -> None:
        self._channels, self._app_url = channels, app_url

    def tell(self, session: Session, items: Sequence[Item], now: datetime) -> None:
        told = [item for item in items if item.told and not self._others_go_on(session, item, now)]
        found = {item.alert_id: _found(session, item, now) for item in told}
        by_id = {item.alert_id: item for item in told}
        news = [_news(item, found[item.alert_id].cause) for item in told]
        for group in bundle(news):
            listed = [by_id[each.alert_id] for each in group]
            first = listed[0]
            ended = self._ended_with(session, first, now)
            if len(ended) > 1:
                about, message = self._recovery(first, ended, now)
            elif len(listed) == 1:
                about, message = [first.alert_id], self._single(session, first, found[first.alert_id], now)
            else:
                error = found[first.alert_id].error_line if _one_cause(group) else None
                about, message = self._together(listed, found, error, now)
            self._write(session, listed, about, message, now)

    @staticmethod
    def _others_go_on(session: Session, item: Item, now: datetime) -> bool:
        """What was told together is over when the last of it is that people may hear of: a silence may last."""
        group = item.alert.group_id if item.alert and item.reason is Reason.RESOLVED else None
        if group is None:
            return False
        over = AlertState.RESOLVED, AlertState.SILENCED
        return any(each.state not in over for each in alerts_of_group(session, group, now))

    @staticmethod
    def _ended_with(session: Session, item: Item, now: datetime) -> list[AlertRow]:
        """Of what was told together with it, all that came to an end of its own."""
        group = item.alert.group_id if item.alert and item.reason is Reason.RESOLVED else None
        rows = alerts_of_group(session, group, now) if group is not None else []
        return [row for row in rows if row.resolved_at and "reason" not in row.detail]

    def _write(
        self, session: Session, listed: Sequence[Item], about: Sequence[int], message: Message, now: datetime
    ) -> None:
        first = listed[0]
        wanted = first.rule.channels or tuple(self._channels)
        lead = min(item.alert_id for item in listed)
        to = {channel: message.to_dict() for channel in self._channels if channel in wanted}
        enqueue(session, lead, first.reason, to, now, alert_ids=about)
        together = lead if len(listed) > 1 and first.reason is Reason.FIRST else None
        note_told(session, [item.alert_id for item in listed], now, group_id=together)

    def _single(self, session: Session, item: Item, found: Evidence, now: datetime) -> Message:
        context = self._context(session, item, found, now)
        message = self._over(session, item, context) if item.reason is Reason.RESOLVED else self._fires(item, context)
        ended = now if item.reason is Reason.RESOLVED else None
        detail = item.detail or (item.alert.detail if item.alert else {})
        known = one(
            item.alert_id, item.rule, item.place, detail, found, self._app_url, times=context.times,
            figures=context.figures, fixed=item.fixed, resolved_at=ended,
        )  # fmt: skip
        return replace(message, data=facts(item.rule, [known]))

    @staticmethod
    def _fires(item: Item, context: render.Context) -> Message:
        still = item.reason is Reason.REPEAT
        streak = item.seen.streak if item.seen else None
        figures = item.seen.metrics if item.seen else None
        if streak:
            return render.broken(streak, context, still=still)
        if item.rule.built_in and figures:
            return render.rate_high(item.place, figures, context, still=still)
        return render.measured(item.place, item.detail, context, still=still)

    def _over(self, session: Session, item: Item, context: render.Context) -> Message:
        since = _since(item)
        if item.fixed and item.rule.kind is RuleKind.CONSECUTIVE_FAILURES:
            return render.recovered(item.place, since, item.fixed, context)
        if item.rule.built_in:
            return render.rate_normal(item.place, since, self._last_day(session, item, context.now), context)
        return render.over(item.place, item.detail, since, context)

    def _together(
        self, listed: Sequence[Item], found: Mapping[int, Evidence], error_line: str | None, now: datetime
    ) -> tuple[list[int], Message]:
        rule, reason = listed[0].rule, listed[0].reason
        over = reason is Reason.RESOLVED
        lines = [
            render.line(rule, item.place, {} if over else item.detail, NOTHING_SEEN if over else found[item.alert_id])
            for item in listed
        ]
        known = [
            one(item.alert_id, rule, item.place, item.detail or (item.alert.detail if item.alert else {}),
                found[item.alert_id], self._app_url, fixed=item.fixed, resolved_at=now if over else None)
            for item in listed
        ]  # fmt: skip
        message = render.together(rule, reason, lines, error_line, self._app_url, now)
        return [item.alert_id for item in listed], replace(message, data=facts(rule, known))

    def _recovery(self, item: Item, rows: Sequence[AlertRow], now: datetime) -> tuple[list[int], Message]:
        """Of several that were told in one message."""
        places = {row.id: Place(row.repository_id, row.repo, row.workflow_id, row.workflow, row.branch) for row in rows}
        message = render.together(
            item.rule, Reason.RESOLVED, [render.line(item.rule, places[row.id], {}) for row in rows], None,
            self._app_url, now,
        )  # fmt: skip
        known = [
            one(row.id, item.rule, places[row.id], row.detail, NOTHING_SEEN, self._app_url,
                resolved_at=row.resolved_at or now)
            for row in rows
        ]  # fmt: skip
        return [row.id for row in rows], replace(message, data=facts(item.rule, known))

    @staticmethod
    def _last_day(session: Session, item: Item, now: datetime) -> Metrics:
        if item.seen and item.seen.metrics:
            return item.seen.metrics
        # And what was created this very second.
        window = Window(now - timedelta(seconds=item.rule.window), now + timedelta(seconds=1))
        return service.snapshot(session, render.scope_of(item.place), window, commits=False)

    def _context(self, session: Session, item: Item, found: Evidence, now: datetime) -> render.Context:
        """The figures of 30 days are those of the workflow, or of the repository."""
        workflow_id = item.place.workflow_id
        scope = Scope(repos=(item.place.repo,), workflows=(str(workflow_id),) if workflow_id else ())
        figures = service.snapshot(session, scope, Window(now - SPAN, now), commits=False)
        times = count_episodes(session, item.alert_id, now - SPAN)
        return render.Context(item.rule, figures, self._app_url, now, item.alert_id, found, times)


def _found(session: Session, item: Item, now: datetime) -> Evidence:
    """Of what is over, the run that ended it."""
    if item.reason is not Reason.RESOLVED:
        return render.find(session, item.rule, item.place, item.seen, now)
    return Evidence(last=item.fixed) if item.fixed else NOTHING_SEEN


def _news(item: Item, cause: str | None) -> News:
    group = item.alert.group_id if item.alert else None
    return News(item.alert_id, item.rule.id or 0, item.reason, group, cause if item.reason is Reason.FIRST else None)


def _one_cause(group: Sequence[News]) -> bool:
    return group[0].cause is not None and all(each.cause == group[0].cause for each in group)


def _since(item: Item) -> datetime:
    """When it began; where it keeps no such moment, when it was opened."""
    if item.alert is None:
        return datetime.min
    return text.began(item.alert.detail) or item.alert.opened_at
