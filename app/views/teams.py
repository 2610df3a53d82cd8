"""Teams page: what each team owns, its figures and channels, and repositories without a team."""

import streamlit as st

from app import session
from app.components.teams import editor, team_list
from app.data import teams
from app.data.status import load_status, window_end
from app.filters import selection
from app.widgets.panel import panel
from core.formatting import pluralize
from core.roles import Role
from health.teams.definition import NO_TEAM

status = load_status()
overview = teams.load_teams()
time, selected = selection.time_query(), selection.team_keys()
window = selection.window(window_end(status.version))
figures = teams.team_figures(selection.scope_of_all_teams(), window, status.version) if status.has_runs else {}
listed = [team for team in overview.teams if not selected or team.key in selected]
editor.open_requested(overview)
can_edit = session.may(Role.ADMIN)

subtitle = f"{pluralize(len(listed), 'team')} · figures of {selection.describe()}"
rows = "teams", lambda: team_list.teams_export(overview, listed, figures)
with panel("Teams", subtitle, export=rows if listed else None):
    if listed:
        team_list.team_table(overview, listed, figures, time, can_edit=can_edit)
        st.caption("A run counts in each team that owns its repository or workflow.")
    elif not overview.teams:
        st.caption(
            "No teams yet. A team owns repositories and workflows, and its alerts go to its own channels. Define teams "
            "here, in TEAMS_FILE, or read those of GitHub."
        )
    if can_edit:
        st.button("New team", icon=":material/add:", key="new-team", on_click=editor.open_new)

unowned = overview.unowned
if overview.teams and (unowned.repositories or unowned.unknown) and (not selected or NO_TEAM in selected):
    counts = [f"{len(unowned.repositories):,} owned by no team"]
    counts += [f"{len(unowned.unknown):,} with an unknown owner"] if unowned.unknown else []
    with panel(
        "Repositories without a team", " · ".join(counts), export=("unowned", lambda: team_list.unowned_export(unowned))
    ):
        team_list.unowned_note(unowned, figures, time)
        team_list.unowned_table(unowned, time)
