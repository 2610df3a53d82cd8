"""The filters of the list of failure causes: class, known or not, new, and text. Their values are in the URL alone, and
chips with counts, which are links, select them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import streamlit as st

from app.data import findings
from app.filters import controls, url_state, view_state
from app.status_style import cause_class_label
from app.widgets.cells import address
from app.widgets.text import html
from core import formatting
from db.definitions.scope import Window
from health.completeness.gaps import Completeness
from health.insights.causes.evidence_queries import NEW_CAUSE_HISTORY
from health.insights.causes.model import CauseClass
from health.insights.causes.queries import Cause

# Parameters of the URL with their values and labels.
CAUSE, TRIAGE, SEEN = "cause", "triage", "seen"
UNTRIAGED, KNOWN, NEW = "untriaged", "known", "new"
_LABELS = {TRIAGE: {UNTRIAGED: "Untriaged", KNOWN: "Marked known"}, SEEN: {NEW: "New"}}
# Why new causes are unknown.
UNKNOWN_NEW = "the week before this period is not completely collected, or stored causes are being extracted again"
_MAX_SHOWN, _MAX_FINGERPRINT = 60, 64


@dataclass(frozen=True)
class CauseFilter:
    """`classes`: empty for all. `triage` and `seen`: a value of the parameter, or empty. `text`: what the line, tool,
    subject, repository, workflow or ticket of a cause contains."""

    classes: tuple[str, ...] = ()
    triage: str = ""
    seen: str = ""
    text: str = ""

    @property
    def is_active(self) -> bool:
        return bool(self.classes or self.triage or self.seen or self.text)

    def matching(self, items: Sequence[Cause], new_since: datetime | None) -> list[Cause]:
        return [cause for cause in items if self._matches(cause, new_since)]

    def _matches(self, cause: Cause, new_since: datetime | None) -> bool:
        if self.classes and cause.kind not in self.classes:
            return False
        if self.triage and (cause.known is None) != (self.triage == UNTRIAGED):
            return False
        return not (self.seen and not is_new(cause, new_since)) and contains(cause, self.text)


def new_since(data: Completeness, window: Window, version: int) -> datetime | None:
    """The start of the window, from which on causes are new; null if the week before it was not collected, or while the
    collector extracts causes of an earlier version again, as every cause could be new then."""
    is_known = data.covers(window.since - NEW_CAUSE_HISTORY) and not findings.has_outdated_causes(version)
    return window.since if is_known else None


def is_new(cause: Cause, since: datetime | None) -> bool:
    """Whether no earlier run of the selection has the cause. `since`: that of `new_since`."""
    return since is not None and cause.first_at >= since


def contains(cause: Cause, text: str) -> bool:
    """Whether the texts of a cause contain the text, in any case."""
    if not text:
        return True
    ticket = (cause.known.ticket or "") if cause.known else ""
    workflows = (f"{repo} / {name}" for repo, name, _ in cause.workflows)
    return text.lower() in "\n".join((cause.line, cause.tool, cause.subject or "", ticket, *workflows)).lower()


def requested_filter(text: str, new_since: datetime | None) -> CauseFilter:
    """The filter of the URL; invalid values are reported and ignored, as are new causes where they are unknown. `text`:
    that of the search box."""
    seen = _requested(SEEN)
    if seen and new_since is None:
        view_state.report(f"{SEEN}={seen} is ignored: {UNKNOWN_NEW}, so that it is unknown which causes are new.")
    return CauseFilter(controls.linked_classes(), _requested(TRIAGE), seen if new_since else "", text)


def requested_cause() -> str:
    """The fingerprint of the cause that the URL selects; empty for the list. A longer value is reported."""
    whole = st.query_params.get(CAUSE, "")
    if len(whole) > _MAX_FINGERPRINT:
        shown, limit = whole[:_MAX_SHOWN], _MAX_FINGERPRINT
        view_state.report(f"{CAUSE}={shown}… is too long: its first {limit} characters apply.")
    return whole[:_MAX_FINGERPRINT]


def _requested(parameter: str) -> str:
    value = st.query_params.get(parameter, "")
    if len(st.query_params.get_all(parameter)) > 1:
        view_state.report(f"{parameter} has several values: only {value[:_MAX_SHOWN]} applies.")
    if value and value not in _LABELS[parameter]:
        expected = " or ".join(_LABELS[parameter])
        view_state.report(f"{parameter}={value[:_MAX_SHOWN]} is unknown and was ignored (expected {expected}).")
    return value if value in _LABELS[parameter] else ""


def shared_query() -> list[tuple[str, object]]:
    """The selected period and filters. Links within the page would clear those that they omit."""
    return [(key, value) for key in url_state.SHARED_KEYS for value in url_state.query_values(key)]


def list_address(*query: tuple[str, object]) -> str:
    """The list of the causes of the selected period and filters that a query selects."""
    return address("failures", [*shared_query(), *query])


def filter_chips(items: Sequence[Cause], chosen: CauseFilter, new_since: datetime | None) -> None:
    """A chip for each class, and for new, untriaged and known causes, with the number of causes that the other filters
    match. A chip adds or removes its value."""
    counts = Counter(cause.kind for cause in replace(chosen, classes=()).matching(items, new_since))
    chips = [_chip("All", sum(counts.values()), _changed(url_state.CLASS_KEY, ()), is_on=not chosen.classes)]
    for kind in CauseClass:
        is_on = kind in chosen.classes
        others = tuple(name for name in chosen.classes if name != kind)
        target = _changed(url_state.CLASS_KEY, others if is_on else (*chosen.classes, kind.value))
        chips.append(_chip(cause_class_label(kind), counts[kind], target, is_on=is_on))
    if new_since:
        states = [_state_chip(SEEN, NEW, chosen.seen, replace(chosen, seen=NEW).matching(items, new_since))]
    else:
        title = html(f"Unknown: {UNKNOWN_NEW}")
        label = _LABELS[SEEN][NEW]
        states = [f'<span class="ph-filter-chip" title="{title}">{label} <b>{formatting.NO_DATA}</b></span>']
    for value in (UNTRIAGED, KNOWN):
        states.append(
            _state_chip(TRIAGE, value, chosen.triage, replace(chosen, triage=value).matching(items, new_since))
        )
    st.html(
        f'<div class="ph-filter-chips"><div role="group" aria-label="Class">{"".join(chips)}</div>'
        f'<div role="group" aria-label="State">{"".join(states)}</div></div>'
    )


def _state_chip(parameter: str, value: str, current: str, matching: Sequence[Cause]) -> str:
    is_on = current == value
    target = _changed(parameter, () if is_on else (value,))
    return _chip(_LABELS[parameter][value], len(matching), target, is_on=is_on)


def _chip(label: str, number: int, target: str, *, is_on: bool) -> str:
    shown = f"{html(label)} <b>{formatting.count(number)}</b>"
    if not number and not is_on:
        return f'<span class="ph-filter-chip">{shown}</span>'
    current = ' aria-current="true"' if is_on else ""
    return f'<a class="ph-filter-chip" href="{html(target)}" target="_self"{current}>{shown}</a>'


def _changed(parameter: str, values: Sequence[str]) -> str:
    """The address of the page with other values of a parameter; a list begins at its first page then."""
    omitted = {parameter, view_state.PAGE}
    others = [(key, value) for key in st.query_params for value in st.query_params.get_all(key) if key not in omitted]
    return address("failures", [*others, *((parameter, value) for value in values)])
