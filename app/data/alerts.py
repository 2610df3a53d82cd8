"""What the page of alerts reads and writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import streamlit as st
from sqlalchemy.orm import Session

from app import data
from app.data import lasting
from db.definitions.scope import Scope, Window
from db.enums import AlertState
from db.repositories.repository_queries import heartbeat
from db.runs.run_queries import RunRow
from health.alerts.channels.base import Message
from health.alerts.measurement.backtest import Replay
from health.alerts.measurement.backtest import replay as replayed
from health.alerts.rules.rules import Rule
from health.alerts.rules.targets import Patterns, Quiet
from health.alerts.storage import alert_writes, stored_rules
from health.alerts.storage.alert_queries import (
    AlertFilter,
    AlertPage,
    AlertRow,
    DeadDelivery,
    DeliveryRow,
    alert_page,
    count_alerts,
    dead_deliveries,
    get_alert,
    latest_tests,
)
from health.alerts.storage.stored_rules import list_rules, list_silences
from health.insights.finding_queries import list_runs_by_id
from health.metrics import service
from health.metrics.definitions.formulas import Metrics

MOST_FIRING, _PAGE, _ENDED = 50, 25, 10
_DEAD_FOR = timedelta(days=30)
_OPEN = (AlertState.FIRING, AlertState.ACKNOWLEDGED, AlertState.SILENCED)


@dataclass(frozen=True)
class Board:
    """How alerting stands. `firing` are the newest of all that fire, whatever their state. `channels` are those that
    the collector has; null while it never said. `firsts`: the first bad runs of those that fire, by their ids."""

    at: datetime
    counts: dict[AlertState, int]
    firing: list[AlertRow]
    rules: list[Rule]
    silences: list[Quiet]
    ended: list[Quiet]
    dead: list[DeadDelivery]
    channels: list[str] | None
    tests: dict[str, DeliveryRow]
    firsts: dict[int, RunRow]

    @property
    def open(self) -> int:
        return sum(self.counts[state] for state in _OPEN)


@lasting
@st.cache_data(ttl=3, max_entries=1, show_spinner=False)
def board() -> Board:
    now = data.clock()
    with data.session() as session:
        known = list_silences(session)
        beat = heartbeat(session)
        channels = beat.detail.get("channels") if beat else None
        open_now = alert_page(session, AlertFilter(states=_OPEN), now, limit=MOST_FIRING).items
        return Board(
            at=now,
            counts=count_alerts(session, now),
            firing=open_now,
            rules=list_rules(session),
            silences=[each for each in known if each.ends_at > now],
            ended=[each for each in known if each.ends_at <= now][:_ENDED],
            dead=dead_deliveries(session, now - _DEAD_FOR),
            channels=[str(name) for name in channels] if isinstance(channels, list) else None,
            tests=latest_tests(session),
            firsts=_firsts(session, open_now),
        )


def _firsts(session: Session, listed: Sequence[AlertRow]) -> dict[int, RunRow]:
    named = [each.detail.get("first_bad_run") for each in listed]
    wanted = [each for each in named if isinstance(each, int)]
    return {run.id: run for run in list_runs_by_id(session, wanted)} if wanted else {}


@dataclass(frozen=True)
class Firing:
    """A page of the alerts that fire, whatever their state, newest first; `firsts` as in Board."""

    page: AlertPage
    firsts: dict[int, RunRow]


@lasting
@st.cache_data(ttl=3, max_entries=64, show_spinner=False)
def firing(cursor: str | None) -> Firing:
    with data.session() as session:
        page = alert_page(session, AlertFilter(states=_OPEN), data.clock(), limit=MOST_FIRING, cursor=cursor)
        return Firing(page, _firsts(session, page.items))


@lasting
@st.cache_data(ttl=3, max_entries=64, show_spinner=False)
def history(cursor: str | None) -> AlertPage:
    with data.session() as session:
        return alert_page(session, AlertFilter(states=(AlertState.RESOLVED,)), data.clock(), limit=_PAGE, cursor=cursor)


@lasting
@st.cache_data(ttl=3, max_entries=64, show_spinner=False)
def one(alert_id: int) -> AlertRow | None:
    with data.session() as session:
        return get_alert(session, alert_id, data.clock())


@lasting
@st.cache_data(ttl=3600, max_entries=128, show_spinner=False)
def replay(rule: Rule, now: datetime) -> Replay:
    with data.session() as session:
        return replayed(session, rule, now)


@lasting
@st.cache_data(ttl=600, max_entries=8, show_spinner=False)
def figures(window: Window, version: int) -> Metrics:
    """Of everything."""
    with data.session() as session:
        return service.snapshot(session, Scope(), window, commits=False)


def acknowledge(alert_id: int, by: str, comment: str) -> bool:
    """False where it is over."""
    with data.writing() as session:
        known = alert_writes.acknowledge(session, alert_id, by, comment, data.clock())
    _anew()
    return known


def silence(scope: Patterns, rule_id: int | None, span: timedelta, comment: str, author: str) -> None:
    now = data.clock()
    with data.writing() as session:
        alert_writes.add_silence(session, scope, rule_id, now, now + span, comment=comment, author=author, now=now)
    _anew()


def end_silence(silence_id: int) -> None:
    with data.writing() as session:
        alert_writes.end_silence(session, silence_id, data.clock())
    _anew()


def save_rule(rule: Rule) -> None:
    """A checked rule, new where it has no id. Raises RuleIsBuiltIn."""
    with data.writing() as session:
        if rule.id is None:
            stored_rules.add_rule(session, rule, data.clock())
        else:
            stored_rules.change_rule(session, rule.id, rule, data.clock())
    _anew()


def delete_rule(rule_id: int) -> None:
    with data.writing() as session:
        stored_rules.delete_rule(session, rule_id, data.clock())
    _anew()


def ask_for_test(channel: str, message: Message) -> None:
    """The collector sends it within seconds, as it sends alerts."""
    with data.writing() as session:
        alert_writes.enqueue(session, None, "test", {channel: message.to_dict()}, data.clock())
    _anew()


def _anew() -> None:
    for kept in (board, firing, history, one):
        kept.clear()
