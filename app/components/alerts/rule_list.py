"""The rules, each with how often it would have fired."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import streamlit as st

from app import alerts_data
from app.components import cells
from app.components.alerts.scope_words import scope_words
from app.components.cells import Cell
from app.components.table import Column, Row, long_table, table
from app.components.text import html
from db.alerting.kinds import written
from db.alerting.rule import Rule
from db.alerting.words import SEVERITIES, span
from db.metrics import units
from db.replays import Replay, Replayed

_COLUMNS = (
    Column("Rule"),
    Column("Fires from", "right"),
    Column("About", show="wide_only"),
    Column("Severity", show="wide_only"),
    Column("Channels", show="desk_only"),
    Column("Repeats", "right", show="desk_only"),
    Column("Last 30 days", "right", "How often it would have fired: replayed over the stored runs"),
)
_TIMES = (
    Column("Where"),
    Column("Opened", "right"),
    Column("Lasted", "right"),
    Column("Value", "right", "What opened it", "wide_only"),
)
_SHOWN = 12
# Each rule of a page is replayed.
_PAGE = 25


def rule_table(rules: Sequence[Rule], now: datetime) -> None:
    long_table("rules", _COLUMNS, rules, lambda shown: [_row(rule, now) for rule in shown],
               caption="Rules, the built-in one first", what="rules", size=_PAGE)  # fmt: skip


def rules_file(rules: Sequence[Rule], now: datetime) -> tuple[Sequence[Column], list[Row]]:
    return _COLUMNS, [_row(rule, now) for rule in rules]


def preview(rule: Rule, found: Replay, zone: ZoneInfo) -> None:
    """What it would have done, before it is saved."""
    if found.note and not found.runs:
        st.info(html(found.note), icon=":material/info:")
        return
    times = "once" if found.fired == 1 else f"{found.fired:,} times"
    never = "Would not have fired" if not found.fired else f"Would have fired {times}"
    days = (found.until - found.since).days
    st.html(
        f'<div class="ph-replay" role="status"><b>{never}</b> in the last {days} days <span>'
        f"{units.count(found.runs)} stored runs{'. ' + html(found.note) if found.note else ''}</span></div>"
    )
    if found.items:
        rows = [_time(rule, each, zone) for each in found.items[:_SHOWN]]
        table("replay", _TIMES, rows, caption="When it would have fired, newest first")
    if found.fired > _SHOWN:
        st.caption(f"The newest {_SHOWN} of {found.fired:,}. Fewer? Raise the threshold, or the least sample.")


def _row(rule: Rule, now: datetime) -> Row:
    link = cells.anchor(rule.name, "alerts", [("show", "rules"), ("rule", rule.id)])
    kind = rule.spec.label + (" · built in" if rule.built_in else "") + ("" if rule.enabled else " · switched off")
    return (
        Cell(f'<span class="ph-two">{link}<small>{html(kind)}</small></span>', rule.name),
        Cell(html(rule.threshold), rule.open_at),
        cells.text(about(rule)),
        cells.text(SEVERITIES[rule.severity]),
        cells.text(", ".join(rule.channels) or "all"),
        cells.text(f"every {span(rule.repeat_seconds)}" if rule.repeat_seconds else "never"),
        _fired(rule, now),
    )


def about(rule: Rule) -> str:
    branch = "default branches" if rule.default_branch and rule.spec.branches else ""
    return " · ".join(part for part in (scope_words(rule.scope), branch) if part)


def _fired(rule: Rule, now: datetime) -> Cell:
    found = alerts_data.replay(rule, now)
    if found.note and not found.runs:
        return Cell(f'<span title="{html(found.note)}">{units.NO_DATA}</span>', None)
    return Cell(f"{units.count(found.fired)} ×", found.fired)


def _time(rule: Rule, each: Replayed, zone: ZoneInfo) -> Row:
    where = cells.anchor(each.place.words, "run", [("run_id", each.run_id)]) if each.run_id else html(each.place.words)
    lasted = (each.resolved_at - each.opened_at).total_seconds() if each.resolved_at else None
    return (
        Cell(where, each.place.words),
        cells.when(each.opened_at, zone),
        cells.duration(lasted) if lasted is not None else Cell('<span class="ph-red">still would</span>', None),
        Cell(html(written(rule.kind, each.value)), each.value),
    )


def named(rules: Sequence[Rule]) -> Mapping[int, str]:
    return {rule.id: rule.name for rule in rules if rule.id is not None}
