"""The form of a rule. Its widgets show minutes and percent; the rule has seconds and shares."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app.components.alerts.dialogs import PATTERN_HELP
from app.status_style import team_label
from app.widgets.text import markdown
from db.enums import RuleScope, Severity
from health.alerts.notifications.text import SEVERITIES, format_span
from health.alerts.rules.rules import InvalidRule, Rule, validate_rule
from health.alerts.rules.targets import Patterns
from health.alerts.rules.types import RULE_TYPES, RuleType, Unit
from health.teams.definition import NO_TEAM

_HOUR, _DAY = 3600.0, 86400.0
_WINDOWS = (1800.0, _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR, _DAY, 3 * _DAY, 7 * _DAY, 14 * _DAY, 30 * _DAY)
_REPEATS = (None, _HOUR, 4 * _HOUR, 12 * _HOUR, _DAY, 7 * _DAY)
# The unit of a threshold in the form, and its size in the unit of the rule.
_TYPED = {Unit.RUNS: ("runs", 1.0), Unit.SHARE: ("%", 0.01), Unit.SECONDS: ("minutes", 60.0), Unit.FACTOR: ("×", 1.0)}
_FIELDS = (("repos", "Repositories"), ("workflows", "Workflows"), ("branches", "Branches"))
_LABELS = {
    "open_at": "Trigger at",
    "close_at": "Resolve below",
    "per": "One alert per",
    "minimum": "Minimum sample size",
    "repos": "Repositories",
    "repeat_seconds": "Reminder interval",
    "window_seconds": "Window",
}
_PER = {RuleScope.WORKFLOW: "Workflow", RuleScope.REPOSITORY: "Repository"}


def rule_form(
    rule: Rule, options: Mapping[str, Sequence[str]], channels: Sequence[str], teams: Mapping[str, str]
) -> Rule | None:
    """The rule as entered; None if it is not valid, with an error message. `teams`: names by key. The keys of the
    widgets contain the rule and its type, so that values never carry over from another rule or type."""
    tag = f"{rule.id or 'new'}"
    fixed = rule.built_in
    with st.grid(2, min_column_width=220, gap="small"):
        name = st.text_input("Name", rule.name, key=f"rule-name-{tag}", max_chars=200, disabled=fixed)
        kind = st.selectbox(
            "Rule type",
            list(RULE_TYPES),
            index=list(RULE_TYPES).index(rule.kind),
            key=f"rule-kind-{tag}",
            disabled=fixed,
            format_func=lambda kind: RULE_TYPES[kind].label,
        )
    spec, same = RULE_TYPES[kind], kind == rule.kind
    base = rule if same else Rule(name, kind, spec.default_threshold, per=spec.scopes[0])
    tag = f"{tag}-{kind}"
    st.caption(markdown(f"{spec.description}."))
    condition = _condition_fields(base, spec, tag, fixed=fixed)
    scope = _scope_fields(base, spec, options, tag, fixed=fixed)
    owners = _team_field(base, teams, tag, fixed=fixed)
    notification = _notification_fields(rule, channels, tag)
    try:
        return validate_rule(
            Rule(
                name=name, kind=kind, scope=scope, teams=owners, built_in=fixed, id=rule.id, **condition, **notification
            )
        )
    except InvalidRule as error:
        st.error(markdown(error_text(error, spec, condition["open_at"])), icon=":material/error:")
        return None


def error_text(error: InvalidRule, spec: RuleType, open_at: float) -> str:
    """Why a rule is not valid, with the labels and units of the form."""
    unit, size = _TYPED[spec.unit]
    label = _LABELS.get(error.field, error.field.replace("_", " ").capitalize())
    if error.field == "open_at":
        number = "whole number" if spec.unit is Unit.RUNS else "value"
        return (
            f"{label}: enter a {number} from {spec.min_threshold / size:,g} to {spec.max_threshold / size:,g} {unit}."
        )
    if error.field == "close_at" and spec.allows_close_at:
        return f"{label}: enter a value greater than 0 and no higher than 'Trigger at' ({open_at / size:,g} {unit})."
    if error.field == "objective":
        return f"{label}: enter a success rate from 50 to 99.99 %."
    return f"{label}: {error}."


def _condition_fields(rule: Rule, spec: RuleType, tag: str, *, fixed: bool) -> dict[str, Any]:
    unit, size = _TYPED[spec.unit]
    is_integer = spec.unit is Unit.RUNS
    with st.grid(5, min_column_width=150, gap="small"):
        open_at = st.number_input(
            f"Trigger at ({unit})",
            value=_to_widget_value(rule.open_at, size, as_integer=is_integer),
            key=f"rule-open-{tag}",
            disabled=fixed,
            min_value=0 if is_integer else 0.0,
            step=1 if is_integer else None,
        )
        close_at = None
        if spec.allows_close_at:
            close_at = st.number_input(
                f"Resolve below ({unit})",
                value=_to_widget_value(rule.close_at, size) if rule.close_at is not None else None,
                key=f"rule-close-{tag}",
                disabled=fixed,
                min_value=0.0,
                placeholder=_default_hint(rule.resolve_threshold, size),
            )
        window = _window_field(rule, spec, tag, fixed=fixed)
        minimum = None
        if spec.default_min_samples is not None:
            minimum = st.number_input(
                f"Minimum {spec.sample_unit}",
                value=rule.minimum,
                key=f"rule-least-{tag}",
                disabled=fixed,
                min_value=1,
                step=1,
                placeholder=str(spec.default_min_samples),
            )
        objective = None
        if spec.objective is not None:
            objective = st.number_input(
                "Objective (% success)",
                value=_to_widget_value(rule.objective or spec.objective, 0.01),
                key=f"rule-goal-{tag}",
                disabled=fixed,
                min_value=50.0,
                max_value=99.99,
            )
        per = rule.per
        if len(spec.scopes) > 1:
            per = st.selectbox(
                "One alert per",
                list(spec.scopes),
                index=list(spec.scopes).index(rule.per),
                key=f"rule-per-{tag}",
                disabled=fixed,
                format_func=lambda scope: _PER[scope],
            )
    return {
        "open_at": round(float(open_at or 0) * size, 6),
        "close_at": None if close_at is None else round(float(close_at) * size, 6),
        "window_seconds": window,
        "minimum": None if minimum is None else int(minimum),
        "objective": None if objective is None else round(float(objective) / 100, 6),
        "per": per,
    }


def _window_field(rule: Rule, spec: RuleType, tag: str, *, fixed: bool) -> float | None:
    if spec.window is None:
        return None
    listed = sorted({*_WINDOWS, rule.effective_window})
    chosen = st.selectbox(
        "Window",
        listed,
        index=listed.index(rule.effective_window),
        key=f"rule-window-{tag}",
        disabled=fixed,
        format_func=format_span,
    )
    return None if chosen == spec.window and rule.window_seconds is None else chosen


def _scope_fields(
    rule: Rule, spec: RuleType, options: Mapping[str, Sequence[str]], tag: str, *, fixed: bool
) -> Patterns:
    empty = {"repos": "All", "workflows": "All", "branches": "All" if spec.any_branch else "Default branches"}
    fields = [
        (field, label)
        for field, label in _FIELDS
        if (field != "branches" or spec.allows_branches) and (field != "workflows" or RuleScope.WORKFLOW in spec.scopes)
    ]
    patterns: dict[str, tuple[str, ...]] = {}
    with st.grid(len(fields), min_column_width=190, gap="small"):
        for field, label in fields:
            current = list(getattr(rule.scope, field))
            patterns[field] = tuple(
                st.multiselect(
                    label,
                    list(dict.fromkeys([*current, *options[field]])),
                    current,
                    key=f"rule-{field}-{tag}",
                    accept_new_options=True,
                    placeholder=empty[field],
                    disabled=fixed,
                    help=PATTERN_HELP,
                )
            )
    return Patterns(*(patterns.get(field, ()) for field, _ in _FIELDS))


def _team_field(rule: Rule, teams: Mapping[str, str], tag: str, *, fixed: bool) -> tuple[str, ...]:
    """The keys of the teams. A team of the rule that was deleted remains an option; without teams nothing is shown."""
    if not teams and not rule.teams:
        return ()
    return tuple(
        st.multiselect(
            "Teams",
            list(dict.fromkeys([*rule.teams, *teams, NO_TEAM])),
            list(rule.teams),
            key=f"rule-teams-{tag}",
            placeholder="All",
            disabled=fixed,
            format_func=lambda key: team_label(teams.get(key, key)),
            help="The rule covers only what one of these teams owns.",
        )
    )


def _notification_fields(rule: Rule, channels: Sequence[str], tag: str) -> dict[str, Any]:
    offered = list(dict.fromkeys([*channels, *rule.channels]))
    repeats = sorted({*_REPEATS, rule.repeat_seconds}, key=lambda seconds: seconds or 0)
    with st.grid(3, min_column_width=200, gap="small"):
        severity = st.segmented_control(
            "Severity",
            list(Severity),
            default=rule.severity,
            required=True,
            key=f"rule-severity-{tag}",
            format_func=lambda severity: SEVERITIES[severity],
        )
        to = st.multiselect(
            "Channels", offered, list(rule.channels), key=f"rule-channels-{tag}", placeholder="All configured channels"
        )
        repeat = st.selectbox(
            "Reminder interval",
            repeats,
            index=repeats.index(rule.repeat_seconds),
            key=f"rule-repeat-{tag}",
            format_func=lambda seconds: f"Every {format_span(seconds)}" if seconds else "Never",
        )
    enabled = st.toggle("Enabled", rule.enabled, key=f"rule-on-{tag}")
    return {
        "severity": Severity(severity or rule.severity),
        "channels": tuple(to),
        "repeat_seconds": repeat,
        "enabled": enabled,
    }


def _to_widget_value(value: float, size: float, *, as_integer: bool = False) -> int | float:
    return int(value) if as_integer else round(value / size, 4)


def _default_hint(value: float, size: float) -> str:
    return f"{value / size:g}"
