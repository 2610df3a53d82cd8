"""The button and the dialog that mark a failure cause as known, with a ticket, an owner, a comment and an end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import streamlit as st

from app import session
from app.components.cause_marks import known_mark
from app.components.cause_rules import new_rule_link, rule_link
from app.data import causes
from app.data.causes import UnknownCause
from app.data.connection import utc_now
from app.data.outages import Unavailable
from app.session import ActionRefused
from app.widgets.text import html, markdown, truncate
from core.roles import Role
from health.insights.causes.queries import CauseRuns
from health.insights.causes.triage import (
    MAX_COMMENT_LENGTH,
    MAX_OWNER_LENGTH,
    MAX_SPAN,
    MAX_TICKET_LENGTH,
    InvalidTriage,
    Triage,
)
from health.log_search.query import MAX_LENGTH

_MAX_LINE, _MAX_OPTION = 500, 90
# (field, message) of the change that failed; the field is empty if none is invalid.
_FAILURE_KEY, _CAUSE_KEY = "triage-failure", "triage-cause"
_LABELS = {"ticket": "Ticket", "owner": "Owner", "comment": "Comment", "until": "Until"}


@dataclass(frozen=True)
class TriagedCause:
    """A cause of the page. `known`: its mark, null if it is not known. `others`: more fingerprints of the cause, whose
    marks end with its own."""

    fingerprint: str
    line: str
    known: Triage | None
    others: tuple[str, ...] = ()


def triage_button(items: Sequence[TriagedCause]) -> None:
    """A button for the causes of the page, each of which occurs once; nothing without causes."""
    if not items:
        return
    is_new = any(cause.known is None for cause in items)
    label = "Mark as known" if is_new else "Change known cause"
    if st.button(
        f"{label}…",
        icon=":material/bookmark_added:",
        key="triage-open",
        on_click=_reset,
        **session.button_rights(Role.EDITOR, "Records a ticket, an owner, a comment and an end for the cause"),
    ):
        _dialog(items)


def cause_actions(cause_runs: CauseRuns) -> None:
    """The mark of the cause of a page, the button that changes it, and a link to the rule that names the cause, or to a
    new one for its line."""
    cause, known = cause_runs.cause, cause_runs.cause.known
    lines = {name for job in cause_runs.failed_jobs for name in (job.fingerprint, job.stored_fingerprint) if name}
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="cause-actions"):
        if known:
            st.html(
                f'<div class="ph-meta">{known_mark(known, session.zone(), with_comment=True)}</div>', width="content"
            )
        # Another line of the cause, with a fingerprint of its own, may have the mark.
        marked = known.fingerprint if known else cause.fingerprint
        triage_button([TriagedCause(marked, cause.line, known, tuple(lines))])
        link = rule_link(cause.fingerprint) or new_rule_link(cause.line.strip()[:MAX_LENGTH], classes=[cause.kind])
        st.html(f'<span class="ph-meta">{link}</span>', width="content")


def _reset() -> None:
    for key in [key for key in st.session_state if str(key).startswith("triage-") and key != "triage-open"]:
        del st.session_state[key]


@st.dialog("Known cause", icon=":material/bookmark_added:", width="medium", on_dismiss="rerun")
def _dialog(items: Sequence[TriagedCause]) -> None:
    session.record_dialog()
    cause = _selected(items)
    st.html(f'<div class="ph-cause">{html(truncate(cause.line, _MAX_LINE))}</div>')
    st.caption("Pages, the API and notifications show a known cause with its ticket and owner until its end.")
    field, message = st.session_state.pop(_FAILURE_KEY, ("", ""))
    if message and not field:
        st.error(markdown(message), icon=":material/error:")
    known, tag = cause.known or Triage(), cause.fingerprint
    with st.form(f"triage-{tag}", border=False):
        st.text_input(
            "Ticket",
            known.ticket or "",
            key=f"triage-ticket-{tag}",
            max_chars=MAX_TICKET_LENGTH,
            placeholder="https://… or OPS-123",
        )
        _field_error("ticket", field, message)
        st.text_input("Owner", known.owner or "", key=f"triage-owner-{tag}", max_chars=MAX_OWNER_LENGTH)
        _field_error("owner", field, message)
        st.text_area(
            "Comment", known.comment or "", key=f"triage-comment-{tag}", max_chars=MAX_COMMENT_LENGTH, height=80
        )
        _field_error("comment", field, message)
        today = utc_now().astimezone(session.zone()).date()
        st.date_input(
            f"Until, including the day ({session.zone()})",
            known.until.astimezone(session.zone()).date() if known.until else None,
            min_value=today,
            max_value=(utc_now() + MAX_SPAN).date(),
            key=f"triage-until-{tag}",
            help="Without a day, the cause stays known",
        )
        _field_error("until", field, message)
        with st.container(horizontal=True, gap="small"):
            sent = st.form_submit_button(
                "Save" if cause.known else "Mark as known",
                type="primary",
                key="triage-send",
                on_click=_save,
                args=(tag,),
            )
            if cause.known:
                sent |= st.form_submit_button("No longer known", key="triage-remove", on_click=_remove, args=(cause,))
    if sent and not message:
        st.rerun()


def _selected(items: Sequence[TriagedCause]) -> TriagedCause:
    """The only cause, or the one that the list selects: first one that is not known."""
    if len(items) == 1:
        return items[0]
    by_key = {cause.fingerprint: cause for cause in items}
    first = next((cause for cause in items if cause.known is None), items[0])
    key = st.selectbox(
        "Cause",
        list(by_key),
        index=list(by_key).index(first.fingerprint),
        key=_CAUSE_KEY,
        format_func=lambda key: truncate(by_key[key].line, _MAX_OPTION) + (" · known" if by_key[key].known else ""),
    )
    return by_key[key]


def _field_error(name: str, field: str, message: str) -> None:
    if name == field:
        st.html(f'<p class="ph-field-error" role="alert">{html(f"{_LABELS[name]}: {message}")}</p>')


def _save(tag: str) -> None:
    until = st.session_state.get(f"triage-until-{tag}")
    mark = Triage(
        ticket=_text("ticket", tag),
        owner=_text("owner", tag),
        comment=_text("comment", tag),
        until=end_of_day(until, session.zone()) if isinstance(until, date) else None,
    )
    try:
        causes.mark_known(tag, mark)
    except InvalidTriage as error:
        st.session_state[_FAILURE_KEY] = error.field, str(error)
    except (UnknownCause, ActionRefused, Unavailable) as error:
        st.session_state[_FAILURE_KEY] = "", f"The change was not stored. {error}"


def _remove(cause: TriagedCause) -> None:
    try:
        causes.unmark({cause.fingerprint, *cause.others})
    except (ActionRefused, Unavailable) as error:
        st.session_state[_FAILURE_KEY] = "", f"The change was not stored. {error}"


def _text(name: str, tag: str) -> str:
    return str(st.session_state.get(f"triage-{name}-{tag}") or "")


def end_of_day(day: date, zone: ZoneInfo) -> datetime:
    """The last second of a day in the zone of the viewer."""
    return datetime.combine(day, time(23, 59, 59), zone)
