"""The table of rules with their replays, the replay of one rule, and silences with the form for a new one."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import streamlit as st

from app import session
from app.components.alerts.alert_card import scope_text
from app.components.alerts.dialogs import MAX_COMMENT_LENGTH, PATTERN_HELP, SPANS, clean_text, name_input, recorded_name
from app.data import alerts, team_scopes
from app.status_style import team_label
from app.widgets import cells
from app.widgets.cells import Cell
from app.widgets.table import Column, Row, long_table, paginate, table
from app.widgets.text import html, markdown
from core import formatting
from core.roles import Role
from db.enums import SilenceState
from health.alerts.measurement.backtest import Backtest, BacktestAlert
from health.alerts.notifications.text import SEVERITIES, format_span
from health.alerts.rules.rules import InvalidRule, Rule, check_patterns
from health.alerts.rules.targets import Patterns, Silence
from health.alerts.rules.types import format_value

_COLUMNS = (
    Column("Rule"),
    Column("Threshold", "right", type="number"),
    Column("Scope", show="wide_only"),
    Column("Severity", show="wide_only"),
    Column("Channels", show="desk_only"),
    Column("Reminders", "right", show="desk_only", type="text"),
    Column("Last 30 days", "right", "Replay: number of alerts that the rule would have opened for the stored runs"),
)
_TIMES = (
    Column("Scope"),
    Column("Opened", "right", unit="UTC"),
    Column("Duration", "right", unit="s"),
    Column("Value", "right", "Value when the alert opened", "wide_only"),
)
_MAX_SHOWN = 12
# The rules of a page are replayed, so pages are short.
_PAGE_SIZE = 25
# Runs that the replays of one page read; the other rules are replayed when they are opened.
_MAX_REPLAYED_RUNS = 200_000


def rule_table(rules: Sequence[Rule], now: datetime) -> None:
    long_table(
        "rules",
        _COLUMNS,
        rules,
        lambda page_rules: rule_rows(page_rules, now, _MAX_REPLAYED_RUNS),
        caption="Rules, the built-in one first",
        noun="rules",
        size=_PAGE_SIZE,
    )


def rules_export(rules: Sequence[Rule], now: datetime) -> tuple[Sequence[Column], list[Row]]:
    return _COLUMNS, rule_rows(rules, now)


def rule_rows(rules: Sequence[Rule], now: datetime, max_runs: int | None = None) -> list[Row]:
    """`max_runs`: after replays that read this many runs, the other rules are not replayed; null: all are."""
    rows, runs = [], 0
    for rule in rules:
        is_replayed = max_runs is None or runs < max_runs
        replay = alerts.backtest(rule, now, with_others=len(rules) > 1) if is_replayed else None
        runs += replay.runs if replay else 0
        rows.append(_row(rule, replay))
    return rows


def preview(rule: Rule, replay: Backtest, zone: ZoneInfo) -> None:
    """The alerts that the rule would have opened; works before the rule is saved."""
    if replay.note and not replay.runs:
        st.info(html(replay.note), icon=":material/info:")
        return
    times = "once" if replay.fired == 1 else f"{replay.fired:,} times"
    never = "Would not have fired" if not replay.fired else f"Would have fired {times}"
    days = (replay.until - replay.since).days
    st.html(
        f'<div class="ph-replay" role="status"><b>{never}</b> in the last {days} days <span>'
        f"{formatting.count(replay.runs)} stored runs{'. ' + html(replay.note) if replay.note else ''}</span></div>"
    )
    if replay.items:
        rows = [_episode_row(rule, alert, zone) for alert in replay.items[:_MAX_SHOWN]]
        table("replay", _TIMES, rows, caption="When it would have fired, newest first")
    if replay.fired > _MAX_SHOWN:
        st.caption(
            f"Showing {_MAX_SHOWN} of {replay.fired:,}. Too noisy? Raise the threshold or the minimum sample size."
        )


def _row(rule: Rule, replay: Backtest | None) -> Row:
    link = cells.anchor(rule.name, "alerts", [("show", "rules"), ("rule", rule.id)])
    kind = rule.rule_type.label + (" · built-in" if rule.built_in else "") + ("" if rule.enabled else " · disabled")
    return (
        Cell(f'<span class="ph-two">{link}<small>{html(kind)}</small></span>', rule.name),
        Cell(html(rule.threshold), rule.open_at),
        cells.text(description(rule)),
        cells.text(SEVERITIES[rule.severity]),
        cells.text(", ".join(rule.channels) or "all"),
        cells.text(f"every {format_span(rule.repeat_seconds)}" if rule.repeat_seconds else "never"),
        _fired_count(rule, replay),
    )


def description(rule: Rule) -> str:
    branch = "default branches" if rule.default_branch and rule.rule_type.allows_branches else ""
    names = team_scopes.team_names(0) if rule.teams else {}
    teams = ", ".join(team_label(names.get(key, key)) for key in rule.teams)
    return " · ".join(part for part in (scope_text(rule.scope), branch, teams) if part)


def _fired_count(rule: Rule, replay: Backtest | None) -> Cell:
    if replay is None:
        hover = "Too many runs to replay all rules of this page; open the rule to replay it"
        return Cell(cells.anchor("Replay", "alerts", [("show", "rules"), ("rule", rule.id)], hover=hover), None)
    if replay.note and not replay.runs:
        return Cell(f'<span title="{html(replay.note)}">{formatting.NO_DATA}</span>', None)
    return Cell(formatting.count(replay.fired), replay.fired)


def _episode_row(rule: Rule, alert: BacktestAlert, zone: ZoneInfo) -> Row:
    where = (
        cells.anchor(alert.target.label, "run", [("run_id", alert.run_id)])
        if alert.run_id
        else html(alert.target.label)
    )
    lasted = (alert.resolved_at - alert.opened_at).total_seconds() if alert.resolved_at else None
    return (
        Cell(where, alert.target.label),
        cells.timestamp(alert.opened_at, zone),
        cells.duration(lasted) if lasted is not None else Cell('<span class="ph-red">ongoing</span>', None),
        Cell(html(format_value(rule.kind, alert.value)), alert.value),
    )


def rule_names(rules: Sequence[Rule]) -> Mapping[int, str]:
    return {rule.id: rule.name for rule in rules if rule.id is not None}


_STATE_LABELS = {
    SilenceState.ACTIVE: ("⊘ Active", "blue"),
    SilenceState.PENDING: ("◌ Pending", "gray"),
    SilenceState.ENDED: ("✓ Ended", "gray"),
}
_FIELDS = (("repos", "Repositories"), ("workflows", "Workflows"), ("branches", "Branches"))


def silences(items: Sequence[Silence], rules: Mapping[int, str], now: datetime) -> None:
    for silence in paginate(items, "silences", "silences", size=_PAGE_SIZE):
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"silence-{silence.id}"):
            st.html(_card(silence, rules, now), width="stretch")
            if silence.state(now) is not SilenceState.ENDED and st.button(
                "End now",
                key=f"end-{silence.id}",
                icon=":material/notifications_active:",
                **session.button_rights(Role.EDITOR),
            ):
                alerts.end_silence(silence.id)
                st.rerun()


def new_silence(options: Mapping[str, Sequence[str]]) -> None:
    with st.form("new-silence", border=False):
        with st.grid(3, min_column_width=220, gap="small"):
            chosen = {
                name: st.multiselect(
                    label,
                    list(options[name]),
                    key=f"new-silence-{name}",
                    accept_new_options=True,
                    placeholder="Any",
                    help=PATTERN_HELP,
                )
                for name, label in _FIELDS
            }
            span = st.segmented_control(
                "Duration", list(SPANS), default="4 hours", required=True, key="new-silence-span"
            )
            name = name_input("new-silence-name")
            comment = st.text_input("Reason", key="new-silence-comment", max_chars=MAX_COMMENT_LENGTH)
        if st.form_submit_button(
            "Create silence",
            icon=":material/notifications_off:",
            key="new-silence-send",
            **session.button_rights(Role.EDITOR),
        ):
            _add(Patterns(*(tuple(chosen[field]) for field, _ in _FIELDS)), str(span), comment, name)


def _add(scope: Patterns, span: str, comment: str, name: str) -> None:
    if scope == Patterns():
        st.error("Choose at least one repository, workflow or branch. Use \\* for all.")
        return
    try:
        for field, _ in _FIELDS:
            check_patterns(field, getattr(scope, field))
    except InvalidRule as error:
        st.error(markdown(f"{error.field}: {error}"))
        return
    alerts.add_silence(scope, None, SPANS[span], clean_text(comment), recorded_name(name))
    st.rerun()


def _card(silence: Silence, rules: Mapping[int, str], now: datetime) -> str:
    word, colour = _STATE_LABELS[silence.state(now)]
    rule = f", rule {html(rules.get(silence.rule_id, str(silence.rule_id)))}" if silence.rule_id is not None else ""
    ends = (silence.ends_at - now).total_seconds()
    until = f"ends in {formatting.duration(ends)}" if ends > 0 else f"ended {formatting.relative(-ends)}"
    comment = f": {html(silence.comment)}" if silence.comment else ""
    about = html(scope_text(silence.scope))
    return (
        f'<div class="ph-alert ph-{colour}"><b aria-hidden="true">{word[0]}</b><div><div><b>{about}</b>{rule} '
        f'<span class="ph-pill ph-{colour}">{word[2:]}</span></div>'
        f'<div class="ph-why">by <b>{html(silence.author)}</b>{comment}</div></div>'
        f'<time title="{formatting.timestamp(silence.ends_at)}">{until}</time></div>'
    )
