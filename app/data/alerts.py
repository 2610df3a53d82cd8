"""What the Alerts page reads and writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from app.data.caching import cache_data, cache_resource
from app.data.connection import read_session, utc_now, write_session
from app.data.findings import clear_attention
from app.data.outages import serve_stale
from app.session import current_actor
from core.roles import Role
from db.audit import record
from db.definitions.scope import Scope, Window
from db.enums import AlertState, AuditAction, AuditSubject
from db.repositories.repository_queries import heartbeat
from db.runs.run_queries import RunRow
from health.alerts.channels.base import Message
from health.alerts.measurement import backtest as backtests
from health.alerts.measurement.backtest import Backtest, BacktestData
from health.alerts.rules.rules import Rule
from health.alerts.rules.targets import Patterns, Silence
from health.alerts.storage import alert_facets as facets
from health.alerts.storage import alert_writes, bulk_actions, outbox, silences, stored_rules
from health.alerts.storage.alert_facets import OPEN_STATES, AlertCounts, AlertFacets, count_by_state
from health.alerts.storage.alert_queries import (
    MOST_SEVERE_FIRST,
    NEWEST_FIRST,
    AlertFilter,
    AlertOrder,
    AlertRow,
    alert_page,
    count_alerts,
    count_matching,
    get_alert,
    previous_cursor,
)
from health.alerts.storage.bulk_actions import ActionResult
from health.alerts.storage.notification_queries import (
    DeadNotification,
    NotificationRow,
    dead_notifications,
    latest_test_notifications,
)
from health.alerts.storage.silences import list_silences
from health.alerts.storage.stored_rules import list_rules
from health.insights.finding_queries import list_runs_by_id
from health.metrics import service
from health.metrics.definitions.formulas import Metrics
from health.teams.definition import team_key

MAX_FIRING, _PAGE_SIZE, _MAX_ENDED = 50, 25, 10
# Resolved alerts of a file, and of a query for it.
MAX_EXPORTED, _EXPORT_BATCH = 10_000, 500
_DEAD_WINDOW = timedelta(days=30)


@dataclass(frozen=True)
class AlertOverview:
    """The state of alerting. `channels`: the collector's configured channels; null before its first heartbeat."""

    at: datetime
    counts: dict[AlertState, int]
    rules: list[Rule]
    silences: list[Silence]
    ended_silences: list[Silence]
    undelivered: list[DeadNotification]
    channels: list[str] | None
    test_deliveries: dict[str, NotificationRow]

    @property
    def open_count(self) -> int:
        return sum(self.counts[state] for state in OPEN_STATES)


@serve_stale
@cache_data(ttl=3, max_entries=1)
def alert_overview() -> AlertOverview:
    now = utc_now()
    with read_session() as session:
        silences = list_silences(session)
        beat = heartbeat(session)
        channels = beat.detail.channels if beat else None
        return AlertOverview(
            at=now,
            counts=count_alerts(session, now),
            rules=list_rules(session),
            silences=[silence for silence in silences if silence.ends_at > now],
            ended_silences=[silence for silence in silences if silence.ends_at <= now][:_MAX_ENDED],
            undelivered=dead_notifications(session, now - _DEAD_WINDOW),
            channels=None if channels is None else list(channels),
            test_deliveries=latest_test_notifications(session),
        )


@dataclass(frozen=True)
class AlertList:
    """A page of alerts. `previous`, `next`: the cursors of these pages; null for none. `first_bad_runs`: the first
    failed runs of the alerts by run id."""

    items: list[AlertRow]
    previous: str | None
    next: str | None
    first_bad_runs: dict[int, RunRow]


def firing_list(filters: AlertFilter, order: AlertOrder, cursor: str | None) -> AlertList:
    """A page of the open alerts. Raises InvalidCursor."""
    return _alert_list(filters, order, cursor, MAX_FIRING)


def history_list(filters: AlertFilter, order: AlertOrder, cursor: str | None) -> AlertList:
    """A page of the resolved alerts. Raises InvalidCursor."""
    return _alert_list(filters, order, cursor, _PAGE_SIZE)


@serve_stale
@cache_data(ttl=3, max_entries=64)
def _alert_list(filters: AlertFilter, order: AlertOrder, cursor: str | None, limit: int) -> AlertList:
    now = utc_now()
    with read_session() as session:
        page = alert_page(session, filters, now, limit=limit, cursor=cursor, order=order)
        is_later = bool(cursor and page.items)
        return AlertList(
            page.items,
            previous_cursor(session, filters, page.items[0], now, limit=limit, order=order) if is_later else None,
            page.next,
            _first_bad_runs(session, page.items),
        )


@serve_stale
@cache_data(ttl=3, max_entries=64)
def alert_counts(filters: AlertFilter) -> AlertCounts:
    """The numbers of the alerts that match the filter without its states and severities."""
    with read_session() as session:
        return count_by_state(session, filters, utc_now())


@serve_stale
@cache_data(ttl=30, max_entries=1)
def alert_facets() -> AlertFacets:
    """The values of the filters of alerts."""
    with read_session() as session:
        return facets.alert_facets(session, utc_now())


def all_resolved(filters: AlertFilter, order: AlertOrder = NEWEST_FIRST) -> list[AlertRow]:
    """The alerts for a file, at most MAX_EXPORTED."""
    rows: list[AlertRow] = []
    cursor: str | None = None
    with read_session() as session:
        while len(rows) < MAX_EXPORTED:
            page = alert_page(session, filters, utc_now(), limit=_EXPORT_BATCH, cursor=cursor, order=order)
            rows += page.items
            cursor = page.next
            if cursor is None:
                break
    return rows[:MAX_EXPORTED]


def _first_bad_runs(session: Session, rows: Sequence[AlertRow]) -> dict[int, RunRow]:
    run_ids = [row.detail.first_bad_run for row in rows if row.detail.first_bad_run is not None]
    return {run.id: run for run in list_runs_by_id(session, run_ids)} if run_ids else {}


@dataclass(frozen=True)
class OpenAlerts:
    """The most severe of the `total` open alerts of a scope. `first_bad_runs` as in AlertList."""

    items: list[AlertRow]
    total: int
    first_bad_runs: dict[int, RunRow]


@serve_stale
@cache_data(ttl=3, max_entries=64)
def open_alerts(scope: Scope, teams: tuple[str, ...] = ()) -> OpenAlerts:
    """The open alerts of the repositories, workflows and branches of the scope, and of the teams, by name."""
    keys = tuple(team_key(name) for name in teams)
    filters = AlertFilter(OPEN_STATES, scope.repos, scope.workflows, scope.branches, teams=keys)
    now = utc_now()
    with read_session() as session:
        items = alert_page(session, filters, now, limit=MAX_FIRING, order=MOST_SEVERE_FIRST).items
        return OpenAlerts(items, count_matching(session, filters, now), _first_bad_runs(session, items))


@serve_stale
@cache_data(ttl=3, max_entries=64)
def alert_by_id(alert_id: int) -> AlertRow | None:
    with read_session() as session:
        return get_alert(session, alert_id, utc_now())


@serve_stale
@cache_data(ttl=300, max_entries=64)
def first_bad_run(run_id: int | None) -> dict[int, RunRow]:
    """As in AlertList, of one alert; empty if it names no run or the run is deleted."""
    if run_id is None:
        return {}
    with read_session() as session:
        return {run.id: run for run in list_runs_by_id(session, [run_id])}


def backtest(rule: Rule, now: datetime, *, with_others: bool = False) -> Backtest:
    """Cached by what a backtest depends on, so that a new name or channel needs no new one. `with_others`: backtests of
    other rules at this time follow."""
    return _backtest(Rule("", rule.kind, rule.open_at, **{name: getattr(rule, name) for name in _CONDITION}), now,
                     _with_others=with_others)  # fmt: skip


# The fields of a rule, apart from its kind and threshold, on which its measurements depend.
_CONDITION = ("close_at", "window_seconds", "minimum", "objective", "per", "scope", "teams")


@serve_stale
@cache_data(ttl=3600, max_entries=1_000)
def _backtest(rule: Rule, now: datetime, *, _with_others: bool) -> Backtest:
    data = _backtest_data(now) if _with_others else None
    with read_session() as session:
        return backtests.backtest(session, rule, now, data=data)


@serve_stale
@cache_resource(ttl=60, max_entries=1)
def _backtest_data(now: datetime) -> BacktestData:
    with read_session() as session:
        return backtests.backtest_data(session, now)


@serve_stale
@cache_data(ttl=600, max_entries=8)
def overall_metrics(window: Window, version: int) -> Metrics:
    """Metrics of all repositories."""
    with read_session() as session:
        return service.snapshot(session, Scope(), window, commits=False)


def acknowledge(alert_id: int, by: str, comment: str) -> bool:
    """False if the alert is resolved. Raises ActionRefused, Unavailable, as all changes."""
    actor = current_actor()
    with write_session(Role.EDITOR) as database:
        acknowledged = alert_writes.acknowledge(database, alert_id, by, comment, utc_now(), actor=actor)
    invalidate()
    return acknowledged


def unacknowledge(alert_id: int) -> bool:
    """Takes back an acknowledgement. False if the alert is resolved or not acknowledged."""
    actor = current_actor()
    with write_session(Role.EDITOR) as database:
        is_firing = alert_writes.unacknowledge(database, alert_id, utc_now(), actor=actor)
    invalidate()
    return is_firing


def assign(alert_id: int, assignee: str | None) -> bool:
    """Null: to nobody. False if there is no such alert."""
    actor = current_actor()
    with write_session(Role.EDITOR) as database:
        exists = alert_writes.assign(database, alert_id, assignee, utc_now(), actor=actor)
    invalidate()
    return exists


def acknowledge_all(alert_ids: Sequence[int], by: str, comment: str) -> list[ActionResult]:
    """The result of each alert; all changes are one transaction."""
    actor = current_actor()
    with write_session(Role.EDITOR) as database:
        results = bulk_actions.acknowledge_all(database, alert_ids, by, comment, utc_now(), actor=actor)
    invalidate()
    return results


def silence_all(
    alert_ids: Sequence[int], span: timedelta, comment: str, author: str, *, all_rules: bool = False
) -> list[ActionResult]:
    """Silences the targets of the alerts, for their rules or for all rules. The result of each alert; all changes are
    one transaction."""
    actor, now = current_actor(), utc_now()
    with write_session(Role.EDITOR) as database:
        results = bulk_actions.silence_all(
            database, alert_ids, now + span, now, comment=comment, author=author, actor=actor, all_rules=all_rules
        )
    invalidate()
    return results


def add_silence(scope: Patterns, rule_id: int | None, span: timedelta, comment: str, author: str) -> None:
    actor, now = current_actor(), utc_now()
    with write_session(Role.EDITOR) as database:
        silences.add_silence(
            database, scope, rule_id, now, now + span, comment=comment, author=author, now=now, actor=actor
        )
    invalidate()


def end_silence(silence_id: int) -> None:
    actor = current_actor()
    with write_session(Role.EDITOR) as database:
        silences.end_silence(database, silence_id, utc_now(), actor=actor)
    invalidate()


def save_rule(rule: Rule) -> None:
    """Adds a validated rule if it has no id, else replaces the stored one. Raises BuiltInRuleError."""
    actor = current_actor()
    with write_session(Role.ADMIN) as database:
        if rule.id is None:
            stored_rules.add_rule(database, rule, utc_now(), actor=actor)
        else:
            stored_rules.update_rule(database, rule.id, rule, utc_now(), actor=actor)
    invalidate()


def delete_rule(rule_id: int) -> None:
    actor = current_actor()
    with write_session(Role.ADMIN) as database:
        stored_rules.delete_rule(database, rule_id, utc_now(), actor=actor)
    invalidate()


def request_test(channel: str, message: Message) -> None:
    """Queues a test message, which the collector sends within seconds in the same way as an alert."""
    actor, now = current_actor(), utc_now()
    with write_session(Role.ADMIN) as database:
        outbox.enqueue(database, None, "test", {channel: message.to_dict()}, now)
        record(database, actor, AuditAction.SENT, AuditSubject.CHANNEL, channel, channel, now)
    invalidate()


def invalidate() -> None:
    """After a change of alerts, rules or silences, which have no data version."""
    for query in (alert_overview, _alert_list, alert_counts, alert_facets, open_alerts, alert_by_id):
        query.clear()
    clear_attention()
