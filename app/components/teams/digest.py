"""Parts of the Digest page."""

from collections.abc import Iterator
from datetime import date, timedelta

import streamlit as st

from app import routes as at
from app.components.page_head import Crumb, breadcrumb, set_title
from app.data.connection import utc_now
from app.data.digest import digest_settings, send_digest
from app.data.outages import Unavailable
from app.filters import view_state
from app.session import ActionRefused
from app.widgets import cells
from app.widgets.cells import Cell
from app.widgets.table import Column, Row, table
from app.widgets.text import html, markdown
from core import formatting
from health.digest.content import DigestFigure, WeeklyDigest
from health.digest.message import week_text
from health.digest.schedule import DigestSettings, latest_week
from health.digest.service import NoChannel

WEEK_KEY, TEAM_KEY = "week", "team"
_RESULT_KEY = "digest-result"
_WEEK = timedelta(days=7)


def requested_team() -> str | None:
    """The name of the team in the URL; null for all teams."""
    return st.query_params.get(TEAM_KEY) or None


def requested_week() -> date | None:
    """The Monday in the URL; null for the last full week. Reports another value."""
    text = st.query_params.get(WEEK_KEY, "")
    if not text:
        return None
    try:
        week = date.fromisoformat(text)
    except ValueError:
        week = None
    if week is None or week.weekday() != 0 or not 2008 <= week.year <= 2100:
        view_state.report(f"week={text[:20]} is ignored: expected a Monday such as 2026-11-16.")
        return None
    return week


def header(digest: WeeklyDigest) -> None:
    """The breadcrumb and the heading."""
    name = digest.team or "All teams"
    title = f"Weekly digest: {name}"
    set_title(title, week_text(digest))
    crumbs = breadcrumb([Crumb("Teams", at.TEAMS), Crumb("Weekly digest")])
    st.html(f'{crumbs}<h1 class="ph-title">{html(title)}</h1>')


def week_links(digest: WeeklyDigest) -> str:
    """Links to the weeks before and after, and to the digest of all teams, as HTML."""
    zone = (digest_settings() or DigestSettings()).zone
    links = [cells.anchor("‹ Week before", at.DIGEST, _query(digest.team, digest.week - _WEEK))]
    if digest.week < latest_week(zone, utc_now()):
        links.append(cells.anchor("Week after ›", at.DIGEST, _query(digest.team, digest.week + _WEEK)))
    if digest.team:
        links.append(cells.anchor("All teams", at.DIGEST, _query(None, digest.week)))
    return f'<div class="ph-more">{" · ".join(links)}</div>'


def _query(team: str | None, week: date) -> list[tuple[str, object]]:
    return [*([(TEAM_KEY, team)] if team else []), (WEEK_KEY, week.isoformat())]


def schedule_text(settings: DigestSettings | None, team: str | None) -> str:
    """When the digest is sent, and how to change it."""
    if settings is None or (team is None and not settings.all):
        return "This digest is not sent by itself: see the section digest of TEAMS_FILE."
    hour = f"{settings.weekday.capitalize()} {settings.hour}:00 ({settings.time_zone})"
    condition = "if the team has digest: true" if team else f"to {', '.join(settings.all)}"
    return f"Sent every {hour}, {condition}."


def figure_table(digest: WeeklyDigest) -> None:
    columns = (
        Column("Figure", fluid=True),
        Column("This week", "right"),
        Column("Week before", "right", show="wide_only"),
        Column("Change", "right", "Coloured where it is significant"),
    )
    rows: list[Row] = [
        [cells.text(figure.label), cells.text(figure.current), cells.text(figure.previous), _change(figure)]
        for figure in digest.figures
    ]
    table("digest", columns, rows, caption=f"Figures of {week_text(digest)}")


def _change(figure: DigestFigure) -> Cell:
    text = figure.change or formatting.NO_DATA
    if figure.is_improvement is None:
        return Cell(html(text), text)
    colour, word = ("green", "better") if figure.is_improvement else ("red", "worse")
    return Cell(f'<span class="ph-class ph-{colour}">{html(text)} {word}</span>', text)


def lists(digest: WeeklyDigest) -> Iterator[tuple[str, list[str]]]:
    """The lists of the digest with their titles."""
    yield "Worse", list(digest.worse) or ["No significant change."]
    yield "Better", list(digest.better) or ["No significant change."]
    yield "Most worth doing", [f"{task.headline} ({task.why})" for task in digest.tasks] or ["Nothing needs attention."]
    if digest.new_causes is None:
        yield "New failure causes", ["Unknown: the week before is not completely stored."]
    elif digest.new_causes:
        yield "New failure causes", [cause.text for cause in digest.new_causes]
    if digest.known_causes:
        yield "Known failure causes", [cause.text for cause in digest.known_causes]


def send_button(digest: WeeklyDigest) -> None:
    """Sends the digest now; shows the result below."""
    st.button("Send now", icon=":material/send:", key="digest-send", on_click=_send, args=(digest,))
    if result := st.session_state.pop(_RESULT_KEY, None):
        ok, text = result
        (st.success if ok else st.error)(markdown(text))


def _send(digest: WeeklyDigest) -> None:
    try:
        channels = send_digest(digest)
        result = True, f"The collector sends the digest to {', '.join(channels)}."
    except (NoChannel, ActionRefused, Unavailable) as error:
        result = False, str(error)
    st.session_state[_RESULT_KEY] = result
