"""Silences: what is silent until when, and a form for a new one."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import streamlit as st

from app import alerts_data
from app.components.alerts.dialogs import COMMENT, SPANS, remember, usable, who
from app.components.alerts.scope_words import scope_words
from app.components.paging import paged
from app.components.text import html, markdown
from db.alerting.patterns import Patterns
from db.alerting.place import Quiet
from db.alerting.rule import BadRule, check_patterns
from db.metrics import units
from db.vocabulary import SilenceState

_WORDS = {SilenceState.ACTIVE: ("⊘ Active", "blue"), SilenceState.PENDING: ("◌ Not yet", "gray"),
          SilenceState.ENDED: ("✓ Over", "gray")}  # fmt: skip
_PAGE = 25
_FIELDS = (("repos", "Repositories"), ("workflows", "Workflows"), ("branches", "Branches"))


def silences(found: Sequence[Quiet], rules: Mapping[int, str], now: datetime) -> None:
    for each in paged(found, "silences", "silences", size=_PAGE):
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"silence-{each.id}"):
            st.html(_card(each, rules, now), width="stretch")
            if each.state(now) is not SilenceState.ENDED and st.button(
                "End now", key=f"end-{each.id}", icon=":material/notifications_active:"
            ):
                alerts_data.end_silence(each.id)
                st.rerun()


def new_silence(options: Mapping[str, Sequence[str]]) -> None:
    with st.form("new-silence", border=False):
        with st.grid(3, min_column_width=220, gap="small"):
            chosen = {
                name: st.multiselect(
                    label, list(options[name]), key=f"quiet-{name}", accept_new_options=True, placeholder="Any",
                    help="Choose, or type a pattern: * and ? stand for anything, acme/* is a whole owner",
                )
                for name, label in _FIELDS
            }  # fmt: skip
            span = st.segmented_control("For", list(SPANS), default="4 hours", required=True, key="quiet-span")
            name = who("quiet-name")
            comment = st.text_input("Why", key="quiet-comment", max_chars=COMMENT)
        if st.form_submit_button("Silence", icon=":material/notifications_off:", key="quiet-send"):
            _add(Patterns(*(tuple(chosen[field]) for field, _ in _FIELDS)), str(span), comment, name)


def _add(scope: Patterns, span: str, comment: str, name: str) -> None:
    if scope == Patterns():
        st.error("Say what is to be silent: at least one repository, workflow or branch. \\* is everything.")
        return
    try:
        for field, _ in _FIELDS:
            check_patterns(field, getattr(scope, field))
    except BadRule as error:
        st.error(markdown(f"{error.field}: {error}"))
        return
    alerts_data.silence(scope, None, SPANS[span], usable(comment), remember(name))
    st.rerun()


def _card(each: Quiet, rules: Mapping[int, str], now: datetime) -> str:
    word, colour = _WORDS[each.state(now)]
    rule = f", rule {html(rules.get(each.rule_id, str(each.rule_id)))}" if each.rule_id is not None else ""
    ends = (each.ends_at - now).total_seconds()
    until = f"ends in {units.duration(ends)}" if ends > 0 else f"ended {units.relative(-ends)}"
    comment = f": {html(each.comment)}" if each.comment else ""
    about = html(scope_words(each.scope))
    return (
        f'<div class="ph-alert ph-{colour}"><b aria-hidden="true">{word[0]}</b><div><div><b>{about}</b>{rule} '
        f'<span class="ph-pill ph-{colour}">{word[2:]}</span></div>'
        f'<div class="ph-why">by <b>{html(each.author)}</b>{comment}</div></div>'
        f'<time title="{units.timestamp(each.ends_at)}">{until}</time></div>'
    )
