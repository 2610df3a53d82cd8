"""The section of the Failures page with the own rules for failure causes: their list, and the form and preview of one.
The URL selects the rule, and has the values of a new one: `show=rules&rule=new&text=…`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import streamlit as st

from app import session
from app.components import cause_rule_form, cause_rule_preview
from app.components.page_head import Crumb, breadcrumb, set_title
from app.data import cause_rules
from app.data.cause_rules import RuleMatches
from app.data.collection import load_collection
from app.data.outages import Unavailable
from app.filters import controls, selection, view_state
from app.session import ActionRefused
from app.status_style import cause_class_label
from app.widgets import cells
from app.widgets.cells import Cell
from app.widgets.panel import panel
from app.widgets.table import Column, Row, table
from app.widgets.text import html, markdown, truncate
from core.formatting import pluralize
from core.roles import Role
from db.definitions.scope import Scope, Window
from health.alerts.rules.targets import escape_pattern
from health.insights.causes.model import CauseClass
from health.insights.causes.rules import MAX_RULES, CauseRule, InvalidCauseRule, rule_fingerprint
from health.insights.causes.stored_rules import RuleChanged, TooManyRules
from health.log_search.query import MAX_LENGTH

SECTION, SHOW, RULE = "rules", "show", "rule"
_TEXT, _REGEX, _JOB, _CLASS = "text", "regex", "job", "class"
_COLUMNS = (
    Column("Rule", fluid=True),
    Column("Class"),
    Column("Scope", show="wide_only"),
    Column("Failed jobs", "right", "Failed jobs of the period whose cause the rule names"),
    Column("State", help="A change applies to new failures at once, and to stored ones in the background"),
)
_MAX_PATTERN, _MAX_NAME = 120, 60
_DELETE_KEY, _FAILURE_KEY = "cause-rule-delete", "cause-rule-failure"


def is_requested() -> bool:
    """Whether the URL shows the rules instead of the causes. Reports another value."""
    value = st.query_params.get(SHOW, "")
    if value != SECTION:
        cause_rule_form.close_form()
    if value and value != SECTION:
        view_state.report(f"{SHOW}={value[:60]} is unknown (expected {SECTION}).")
    return value == SECTION


def rules_link() -> str:
    """The link from the list of causes to the rules, as HTML."""
    rules = cause_rules.cause_rules()
    number = f"Rules · {len(rules)}" if rules else "Rules"
    applying = sum(rule.applied_at is None for rule in rules)
    more = f" ({applying} applying …)" if applying else ""
    link = cells.anchor(number, "failures", [(SHOW, SECTION), *_filters()], hover="Rules that name failure causes")
    return f'<span class="ph-meta"><span>{link}{more}</span></span>'


def rule_link(fingerprint: str) -> str:
    """A link to the rule that names the cause with this fingerprint, as HTML; empty without one."""
    rules = cause_rules.cause_rules()
    rule = next((rule for rule in rules if rule.id is not None and rule_fingerprint(rule.id) == fingerprint), None)
    if rule is None:
        return ""
    query = [(SHOW, SECTION), (RULE, rule.id), *_filters()]
    return cells.anchor(f"Rule: {truncate(rule.name, _MAX_NAME)}", "failures", query, hover="The rule of this cause")


def new_rule_link(text: str, *, regex: bool = False, jobs: Sequence[str] = (), classes: Sequence[str] = ()) -> str:
    """A link to the form of a new rule with these values, as HTML. The selected repositories become its scope."""
    query = [(SHOW, SECTION), (RULE, "new"), (_TEXT, text), *([(_REGEX, 1)] if regex else [])]
    query += [(_JOB, job) for job in jobs] + [(_CLASS, kind) for kind in classes]
    hover = "A rule gives all failures with this line one name and class; it ignores upper and lower case"
    return cells.anchor("Save as rule", "failures", [*query, *_filters()], hover=hover)


def _filters() -> list[tuple[str, object]]:
    """A link that omits the shared filters would make two entries in the history of the browser."""
    return [*selection.filter_query(), *((name, value) for name, value in selection.time_query() if name == "dates")]


def section(scope: Scope, window: Window, now: datetime, version: int, zone: ZoneInfo) -> None:
    """The rules, and the form and the preview of the one that the URL selects."""
    set_title("Rules", "Failures")
    st.html(breadcrumb((Crumb("Failures", "failures", _filters()), Crumb("Rules"))))
    rules = cause_rules.cause_rules()
    rule = _requested_rule(rules)
    if rule is None:
        cause_rule_form.close_form()
    else:
        _editor(rule, now, version, zone)
    subtitle = f"the oldest rule that matches a line of the failed step names the cause · at most {MAX_RULES}"
    with panel("Rules", subtitle):
        if rules:
            ids = tuple(rule.id for rule in rules if rule.id is not None)
            counts = cause_rules.count_matches(ids, scope, window, version)
            is_stopped = any(rule.applied_at is None for rule in rules) and load_collection().heartbeat_stale
            rows = [_row(rule, counts, is_stopped=is_stopped) for rule in rules]
            table("cause-rules", _COLUMNS, rows, caption="Rules for failure causes, the oldest first")
        else:
            st.caption("No rules yet. A rule gives failures with a certain line a name and a class of your own.")
        st.button(
            "New rule",
            icon=":material/add:",
            key="new-cause-rule",
            on_click=_open,
            args=("new",),
            **session.button_rights(Role.ADMIN),
        )


def _row(rule: CauseRule, counts: Mapping[int, RuleMatches], *, is_stopped: bool) -> Row:
    link = cells.anchor(rule.name, "failures", [(SHOW, SECTION), (RULE, rule.id), *_filters()])
    kind = "expression" if rule.is_expression else "text"
    pattern = f"<small>{kind} <code>{html(truncate(rule.pattern, _MAX_PATTERN))}</code></small>"
    matches = counts.get(rule.id or 0, RuleMatches(0, 0))
    cause = [("cause", rule_fingerprint(rule.id or 0)), *_filters()]
    number = cells.anchor(f"{matches.jobs:,}", "failures", cause, hover=pluralize(matches.runs, "run"))
    return (
        Cell(f'<span class="ph-cause-line"><span>{link}</span>{pattern}</span>', rule.name),
        cells.cause_class(rule.kind),
        cells.text(scope_text(rule)),
        _number(number, matches.jobs, is_known=bool(matches.jobs) or rule.applied_at is not None),
        _state(rule, is_stopped=is_stopped),
    )


def _number(link: str, jobs: int, *, is_known: bool) -> Cell:
    return Cell(link if jobs else "0", jobs) if is_known else Cell("–", None)


def _state(rule: CauseRule, *, is_stopped: bool) -> Cell:
    if rule.applied_at is None and is_stopped:
        return Cell('<span class="ph-orange">◌ not applied: the collector is stopped</span>', "not applied")
    if rule.applied_at is None:
        return Cell('<span class="ph-blue">◌ applying …</span>', "applying")
    if not rule.enabled:
        return Cell('<span class="ph-dim">⊘ disabled</span>', "disabled")
    return Cell(f'<span class="ph-green" title="{rule.applied_at:%Y-%m-%d %H:%M} UTC">✓ applied</span>', "applied")


def scope_text(rule: CauseRule) -> str:
    """`acme/* · job test · step Run tests`, or `all failed jobs`."""
    parts = [", ".join(rule.repositories)]
    parts += [f"job {', '.join(rule.jobs)}"] if rule.jobs else []
    parts += [f"step {', '.join(rule.steps)}"] if rule.steps else []
    return " · ".join(filter(None, parts)) or "all failed jobs"


def _requested_rule(rules: Sequence[CauseRule]) -> CauseRule | None:
    """The rule that the URL selects, with the values of the URL if it is new."""
    value = st.query_params.get(RULE, "")
    if value == "new":
        return _new_rule()
    rule = next((rule for rule in rules if str(rule.id) == value), None)
    if value and rule is None:
        view_state.report(f"{RULE}={value[:60]} is ignored: this rule does not exist or has been deleted.")
    return rule


def _new_rule() -> CauseRule:
    """A rule with the values of the URL. Invalid ones are reported and ignored."""
    parameters = st.query_params
    is_expression = parameters.get(_REGEX, "") == "1"
    if (flag := parameters.get(_REGEX, "")) not in ("", "1"):
        view_state.report(f"{_REGEX}={flag[:_MAX_NAME]} is unknown and was ignored (expected 1).")
    whole = parameters.get(_TEXT, "").strip()
    text = whole[: cause_rule_form.MAX_PATTERN if is_expression else MAX_LENGTH]
    if text != whole:
        view_state.report(f"{_TEXT}={text[:_MAX_NAME]}… is too long: its first {len(text)} characters apply.")
    classes = controls.linked_classes()
    if len(classes) > 1:
        names = ", ".join(cause_class_label(kind) for kind in classes)
        unknown = cause_class_label(CauseClass.UNKNOWN)
        view_state.report(f"A rule has one class, but the link has {names}: the form begins with {unknown}.")
    return CauseRule(
        name=truncate(text, _MAX_NAME) or "New rule",
        pattern=text,
        kind=CauseClass(classes[0]) if len(classes) == 1 else CauseClass.UNKNOWN,
        is_expression=is_expression,
        repositories=tuple(escape_pattern(repo) for repo in selection.scope_of_all_teams().repos),
        jobs=tuple(escape_pattern(job) for job in parameters.get_all(_JOB) if job),
    )


def _editor(rule: CauseRule, now: datetime, version: int, zone: ZoneInfo) -> None:
    rule, is_new = cause_rule_form.opened_rule(rule)
    if is_new:
        _ask_to_delete(None)
    title = "New rule" if rule.id is None else rule.name
    with st.grid(2, min_column_width=460, gap="small"):
        with panel(title, _subtitle(rule, zone)):
            if failure := st.session_state.pop(_FAILURE_KEY, None):
                st.error(markdown(failure), icon=":material/error:")
            changed = cause_rule_form.rule_form(rule, version)
            _buttons(rule)
        with panel("Preview", "failures of the last 30 days, without saving the rule"):
            cause_rule_preview.preview(changed, now, zone)


def _subtitle(rule: CauseRule, zone: ZoneInfo) -> str:
    if rule.created_at is None:
        return "a name and a class for failures with a certain line"
    by = f" by {rule.created_by}" if rule.created_by else ""
    return f"created {rule.created_at.astimezone(zone):%d %b %Y}{by} · {cause_class_label(rule.kind)}"


def _buttons(rule: CauseRule) -> None:
    if st.session_state.get(_DELETE_KEY) == rule.id and rule.id is not None:
        st.caption("The failures that the rule names get their earlier causes again, and its mark as known is removed.")
        with st.container(horizontal=True, gap="small"):
            st.button("Delete rule", type="primary", key="cause-rule-delete-now", on_click=_delete, args=(rule.id,))
            st.button("Cancel", key="cause-rule-keep", on_click=_ask_to_delete, args=(None,))
        return
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Create rule" if rule.id is None else "Save",
            type="primary",
            icon=":material/save:",
            key="cause-rule-save",
            on_click=_save,
            args=(rule,),
            **session.button_rights(Role.ADMIN),
        )
        st.button("Close", key="cause-rule-close", on_click=_open, args=(None,))
        if rule.id is not None:
            st.button(
                "Delete…",
                icon=":material/delete:",
                key="cause-rule-ask",
                on_click=_ask_to_delete,
                args=(rule.id,),
                **session.button_rights(Role.ADMIN),
            )


def _ask_to_delete(rule_id: int | None) -> None:
    st.session_state[_DELETE_KEY] = rule_id


def _save(rule: CauseRule) -> None:
    """`rule`: that of the form, whose values replace its own."""
    entered = cause_rule_form.entered_rule(rule)
    try:
        if not cause_rules.save_rule(entered):
            st.session_state[_FAILURE_KEY] = "This rule has been deleted: close it and create a new one."
            return
    except InvalidCauseRule as error:
        if not cause_rule_form.has_field_error(error, entered):
            st.session_state[_FAILURE_KEY] = cause_rule_form.error_text(error)
        return
    except RuleChanged as error:
        cause_rule_form.accept_change(error.stored)
        st.session_state[_FAILURE_KEY] = _change_text(error.stored)
        return
    except TooManyRules:
        st.session_state[_FAILURE_KEY] = f"There are {MAX_RULES} rules already: delete one first."
        return
    except (ActionRefused, Unavailable) as error:
        st.session_state[_FAILURE_KEY] = f"The rule was not saved. {error}"
        return
    _open(None)


def _change_text(stored: CauseRule) -> str:
    """What another user has stored while the form was open."""
    kind = "expression" if stored.is_expression else "text"
    pattern = truncate(stored.pattern, _MAX_PATTERN)
    return (
        f"The rule was not saved: it was changed since you opened it, to “{truncate(stored.name, _MAX_NAME)}” "
        f"({kind} {pattern}, {cause_class_label(stored.kind)}). Save again to replace that change, or close the form."
    )


def _delete(rule_id: int) -> None:
    _ask_to_delete(None)
    try:
        cause_rules.delete_rule(rule_id)
    except (ActionRefused, Unavailable) as error:
        st.session_state[_FAILURE_KEY] = f"The rule was not deleted. {error}"
        return
    _open(None)


def _open(rule: str | None) -> None:
    """Opens a new rule, or closes the form."""
    _ask_to_delete(None)
    for name in (_TEXT, _REGEX, _JOB, _CLASS, RULE):
        if name in st.query_params:
            del st.query_params[name]
    if rule:
        st.query_params[RULE] = rule
