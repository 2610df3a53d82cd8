"""The form of an own rule for failure causes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import streamlit as st

from app import session
from app.components.alerts.dialogs import PATTERN_HELP
from app.data import figures
from app.data.status import window_end
from app.status_style import cause_class_label
from app.widgets.text import html
from db.definitions.scope import Scope
from health.insights.causes.model import CauseClass
from health.insights.causes.rules import MAX_NAME_LENGTH, CauseRule, InvalidCauseRule, validate_rule

Slot = st.delta_generator.DeltaGenerator
_LABELS = {
    "name": "Name",
    "pattern": "Line contains",
    "repositories": "Repositories",
    "jobs": "Jobs",
    "steps": "Steps",
}
MAX_PATTERN = 500
_FORM_KEY, _NUMBER_KEY = "cause-rule-form", "cause-rule-form-number"
_OPTIONS_PERIOD = timedelta(days=90)
_JOB_HELP = "The name of a job, with or without the values of its matrix, or a pattern: * matches any text"


@dataclass(frozen=True)
class _OpenedForm:
    """`subject`: the rule, or the values of a new one, and the visit of the page. `number`: a part of the keys of the
    widgets, as Streamlit keeps the values of widgets that a stopped run has not rendered."""

    subject: tuple[str, int]
    rule: CauseRule
    number: int


def opened_rule(rule: CauseRule) -> tuple[CauseRule, bool]:
    """The rule as it was when its form was opened, and whether that is now. What another user stores meanwhile does not
    replace what is entered."""
    form: _OpenedForm | None = st.session_state.get(_FORM_KEY)
    subject = _subject(rule), session.page_visit()
    if form is not None and form.subject == subject:
        return form.rule, False
    st.session_state[_NUMBER_KEY] = number = int(st.session_state.get(_NUMBER_KEY, 0)) + 1
    st.session_state[_FORM_KEY] = _OpenedForm(subject, rule, number)
    return rule, True


def close_form() -> None:
    """The form begins with the stored values when it is opened again."""
    st.session_state.pop(_FORM_KEY, None)


def accept_change(stored: CauseRule) -> None:
    """Lets the next save replace a change of another user."""
    form: _OpenedForm = st.session_state[_FORM_KEY]
    st.session_state[_FORM_KEY] = replace(form, rule=replace(form.rule, updated_at=stored.updated_at))


def rule_form(rule: CauseRule, version: int) -> CauseRule | None:
    """The rule as entered; null if it is not valid, with a message below the field."""
    tag = _tag()
    st.text_input("Name", rule.name, key=f"cause-rule-name-{tag}", max_chars=MAX_NAME_LENGTH)
    errors = {"name": st.empty()}
    st.text_input(
        "Line contains",
        rule.pattern,
        key=f"cause-rule-pattern-{tag}",
        max_chars=MAX_PATTERN,
        help="A text that a line of the failed step contains, or a regular expression; upper and lower case are equal",
    )
    errors["pattern"] = st.empty()
    st.toggle("Regular expression", rule.is_expression, key=f"cause-rule-regex-{tag}", help="RE2 syntax, within a line")
    kinds = list(CauseClass)
    st.selectbox(
        "Class", kinds, index=kinds.index(rule.kind), key=f"cause-rule-class-{tag}", format_func=cause_class_label
    )
    repositories = figures.filter_options(Scope(), window_end(version) - _OPTIONS_PERIOD, version).repos
    _scope(rule, tag, {"repositories": repositories, "jobs": (), "steps": ()}, errors)
    st.toggle("Enabled", rule.enabled, key=f"cause-rule-enabled-{tag}")
    entered = entered_rule(rule)
    try:
        return validate_rule(entered)
    except InvalidCauseRule as error:
        if has_field_error(error, entered):
            errors[error.field].html(f'<p class="ph-field-error" role="alert">{html(error_text(error))}</p>')
        return None


def entered_rule(rule: CauseRule) -> CauseRule:
    """The rule with the values of the widgets of its form, which may be invalid. A callback has the arguments of the
    last rendering, while the widgets have what was entered since."""

    def value(name: str) -> Any:
        return st.session_state[f"cause-rule-{name}-{_tag()}"]

    return replace(
        rule,
        name=value("name"),
        pattern=value("pattern"),
        kind=CauseClass(value("class")),
        is_expression=value("regex"),
        repositories=tuple(value("repositories")),
        jobs=tuple(value("jobs")),
        steps=tuple(value("steps")),
        enabled=value("enabled"),
    )


def has_field_error(error: InvalidCauseRule, entered: CauseRule) -> bool:
    """Whether the form shows the error below its field: an empty pattern is none before something is entered."""
    return bool(entered.pattern) or error.field != "pattern"


def _scope(rule: CauseRule, tag: str, options: Mapping[str, Sequence[str]], errors: dict[str, Slot]) -> None:
    for field, offered in options.items():
        current = list(getattr(rule, field))
        st.multiselect(
            _LABELS[field],
            list(dict.fromkeys([*current, *offered])),
            current,
            key=f"cause-rule-{field}-{tag}",
            accept_new_options=True,
            placeholder="All" if offered else "All, or type a name or pattern",
            help=_JOB_HELP if field == "jobs" else PATTERN_HELP,
        )
        errors[field] = st.empty()


def error_text(error: InvalidCauseRule) -> str:
    """Why a rule is not valid, with the label of the field."""
    return f"{_LABELS.get(error.field, error.field.capitalize())}: {error}"


def _tag() -> str:
    """The part of the keys of the widgets that identifies the opened form."""
    form: _OpenedForm = st.session_state[_FORM_KEY]
    return str(form.number)


def _subject(rule: CauseRule) -> str:
    if rule.id is not None:
        return str(rule.id)
    return repr((rule.pattern, rule.is_expression, rule.repositories, rule.jobs, rule.kind))
