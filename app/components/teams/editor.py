"""The dialog that creates, changes and deletes a team. The URL opens it: `edit=NAME`, or `new=1`."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app import session
from app.data import teams
from app.data.outages import Unavailable
from app.data.teams import TeamsOverview
from app.filters import view_state
from app.session import ActionRefused
from app.widgets.text import markdown
from core.roles import Role
from db.enums import TeamSource
from health.teams.definition import MAX_NAME_LENGTH, MAX_TEXT_LENGTH, InvalidTeam, Team, team_key

EDIT, NEW = "edit", "new"
_LABELS = {
    "description": "Description",
    "private": "Private: only members and administrators see its repositories",
    "repositories": "Repositories",
    "workflows": "Single workflows",
    "owners": "CODEOWNERS handles",
    "members": "Members",
    "channels": "Channels",
    "digest": "Weekly digest",
}
_HELP = {
    "repositories": "owner/name or a pattern: * matches any text, ? one character; acme/payments-*",
    "workflows": "owner/name: workflow, with patterns in both parts; acme/monorepo: Payments *",
    "owners": "As in CODEOWNERS files: @organization/team, @login or an e-mail address",
    "members": "E-mail addresses, logins or groups of the login",
    "channels": "Names of channels; NAME: critical sends only critical alerts. Without a channel the catch-all applies",
    "digest": "The team receives the weekly digest in its channels",
}
_LISTS = ("repositories", "workflows", "owners", "members", "channels")
_FAILURE_KEY, _DELETE_KEY, _DONE_KEY = "team-failure", "team-delete", "team-done"


def open_requested(overview: TeamsOverview) -> None:
    """Opens the dialog that the URL requests. Reports a name that no team has."""
    name, is_new = st.query_params.get(EDIT, ""), st.query_params.get(NEW, "")
    if is_new not in ("", "1"):
        view_state.report(f"{NEW}={is_new[:60]} is unknown and was ignored (expected 1).")
    if not name and is_new != "1":
        st.session_state.pop(_FAILURE_KEY, None)
        return
    if not session.may(Role.ADMIN):
        view_state.report(session.missing_role(Role.ADMIN))
        return
    team = next((team for team in overview.teams if team.key == team_key(name)), None) if name else None
    if name and team is None:
        view_state.report(f"{EDIT}={name[:60]} is ignored: this team does not exist or has been deleted.")
        return
    _dialog(team, overview.repositories)


def open_new() -> None:
    """Called by the button for a new team."""
    st.query_params[NEW] = "1"


def _close() -> None:
    for key in (EDIT, NEW):
        if key in st.query_params:
            del st.query_params[key]
    for key in (_FAILURE_KEY, _DELETE_KEY):
        st.session_state.pop(key, None)


@st.dialog("Team", icon=":material/group:", width="medium", on_dismiss=_close)
def _dialog(team: Team | None, repositories: Sequence[str]) -> None:
    session.record_dialog()
    tag = team.key if team else "new"
    if failure := st.session_state.get(_FAILURE_KEY):
        st.error(markdown(failure), icon=":material/error:")
    if team is None:
        st.text_input("Name", key="team-name-new", max_chars=MAX_NAME_LENGTH)
    else:
        st.markdown(f"**{markdown(team.name)}**")
        if TeamSource.FILE in team.defined_in:
            st.caption("Fields that TEAMS_FILE sets are read-only here: change them in the file.")
    base = team or Team("")
    _text_field(base, "description", tag)
    _list_field(base, "repositories", tag, repositories)
    for name in _LISTS[1:]:
        _list_field(base, name, tag, ())
    for name in ("private", "digest"):
        st.toggle(_LABELS[name], getattr(base, name), key=_key(name, tag), help=_help(base, name), **_state(base, name))
    _buttons(team, tag)
    if st.session_state.pop(_DONE_KEY, False):
        st.rerun()


def _text_field(team: Team, name: str, tag: str) -> None:
    st.text_input(
        _LABELS[name],
        getattr(team, name),
        key=_key(name, tag),
        max_chars=MAX_TEXT_LENGTH,
        help=_help(team, name),
        **_state(team, name),
    )


def _list_field(team: Team, name: str, tag: str, options: Sequence[str]) -> None:
    values = _shown(team, name)
    st.multiselect(
        _LABELS[name],
        list(dict.fromkeys([*values, *options])),
        values,
        key=_key(name, tag),
        accept_new_options=True,
        placeholder="Type a value and press Enter",
        help=_help(team, name),
        **_state(team, name),
    )


def _key(name: str, tag: str) -> str:
    return f"team-{name}-{tag}"


def _state(team: Team, name: str) -> dict[str, Any]:
    return {"disabled": team.is_from_file(name)}


def _help(team: Team, name: str) -> str | None:
    if team.is_from_file(name):
        return "TEAMS_FILE sets this field: change it there"
    if team.sources.get(name) is TeamSource.GITHUB:
        return f"{_HELP.get(name, '')} (now from GitHub; a change replaces it)".strip()
    return _HELP.get(name)


def _shown(team: Team, name: str) -> list[str]:
    if name != "channels":
        return list(getattr(team, name))
    return [
        f"{channel.channel}: {', '.join(channel.severities)}" if channel.severities else channel.channel
        for channel in team.channels
    ]


def _buttons(team: Team | None, tag: str) -> None:
    if team is not None and st.session_state.get(_DELETE_KEY) == team.key:
        st.caption("Alerts of its repositories go to the catch-all, and its filter selects nothing any more.")
        with st.container(horizontal=True, gap="small"):
            st.button("Delete team", type="primary", key="team-delete-now", on_click=_delete, args=(team.name,))
            st.button("Cancel", key="team-keep", on_click=_ask_to_delete, args=(None,))
        return
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Save" if team else "Create team",
            type="primary",
            icon=":material/save:",
            key="team-save",
            on_click=_save,
            args=(team, tag),
        )
        if team is not None and TeamSource.DASHBOARD in team.defined_in:
            st.button("Delete…", icon=":material/delete:", key="team-ask", on_click=_ask_to_delete, args=(team.key,))


def _ask_to_delete(key: str | None) -> None:
    st.session_state[_DELETE_KEY] = key


def _save(team: Team | None, tag: str) -> None:
    base = team or Team("")
    name = team.name if team else str(st.session_state.get("team-name-new") or "")
    try:
        if team is None and any(other.key == team_key(name) for other in teams.load_teams().teams):
            raise InvalidTeam(f"name: there is a team {name}; open it to change it")
        teams.save_team(name, _entered_fields(base, tag))
    except (InvalidTeam, ActionRefused, Unavailable) as error:
        st.session_state[_FAILURE_KEY] = _error_text(error)
        return
    _close()
    st.session_state[_DONE_KEY] = True


def _entered_fields(team: Team, tag: str) -> dict[str, object]:
    """The fields that the dashboard sets: those that it has set before, and those that were changed. Fields of GitHub
    that were not changed remain those of GitHub."""
    fields: dict[str, object] = {}
    for name in _LABELS:
        if team.is_from_file(name):
            continue
        value = st.session_state.get(_key(name, tag))
        before: object = _shown(team, name) if name in _LISTS else getattr(team, name)
        value = list(value or ()) if name in _LISTS else value
        if team.sources.get(name) is TeamSource.DASHBOARD or (value is not None and value != before):
            fields[name] = [_channel(str(text)) for text in value or ()] if name == "channels" else value
    return fields


def _channel(text: str) -> dict[str, object]:
    name, _, severities = text.partition(":")
    return {"channel": name.strip(), "severities": [part.strip() for part in severities.split(",") if part.strip()]}


def _delete(name: str) -> None:
    try:
        teams.delete_team(name)
    except (InvalidTeam, ActionRefused, Unavailable) as error:
        st.session_state[_FAILURE_KEY] = _error_text(error)
        _ask_to_delete(None)
        return
    _close()
    st.session_state[_DONE_KEY] = True


def _error_text(error: Exception) -> str:
    """The reason, with the label of the field."""
    key, _, rest = str(error).partition(": ")
    label = {**_LABELS, "name": "Name"}.get(key)
    return f"{label}: {rest}" if label and rest else str(error)
