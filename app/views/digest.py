"""Digest page: the weekly digest of a team, or of all teams, as it would be sent."""

import streamlit as st

from app import session
from app.components.teams import digest as parts
from app.data.digest import digest_settings, load_digest
from app.data.status import load_status
from app.widgets.panel import panel
from app.widgets.text import html, markdown
from core.roles import Role
from health.digest.message import week_text
from health.digest.service import UnknownTeam

status = load_status()
team, week = parts.requested_team(), parts.requested_week()
try:
    digest = load_digest(team, week, status.version)
except UnknownTeam:
    st.info(markdown(f"There is no team {(team or '')[:100]}."), icon=":material/group_off:")
    st.stop()

parts.header(digest)
st.html(parts.week_links(digest))
st.caption(markdown(parts.schedule_text(digest_settings(), digest.team)))
with panel("Figures", f"{week_text(digest)} against the week before"):
    parts.figure_table(digest)
    st.caption(markdown(digest.completeness))
for title, items in parts.lists(digest):
    with panel(title):
        st.html("<ul>" + "".join(f"<li>{html(item)}</li>" for item in items) + "</ul>")
if session.may(Role.ADMIN):
    parts.send_button(digest)
