"""What of a page's URL cannot be shown: invalid periods and days, unknown repositories and workflows."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import streamlit as st

from app.data import figures, team_scopes
from app.data.connection import utc_now
from app.filters import selection
from app.filters.active_view import kiosk_view_problems, unknown_view
from app.filters.days import BadDates, future_note
from app.filters.hours import BadHours, parse_hours
from app.filters.url_state import DEFAULT_PERIOD, PERIODS, RATES, TEAM_KEY, bad_value, selected
from app.routes import OVERVIEW
from db.definitions.scope import Scope


@dataclass(frozen=True)
class UnknownNames:
    """Selected names that are not stored. `none_known`: `repositories`, `workflows` or `teams` if none of the selected
    ones is known, so that there is nothing to show; else empty."""

    repos: tuple[str, ...] = ()
    workflows: tuple[str, ...] = ()
    none_known: str = ""
    teams: tuple[str, ...] = ()

    @property
    def messages(self) -> list[str]:
        """A sentence for each name that is ignored; none if the page shows `none_known` instead."""
        if self.none_known:
            return []
        messages = [f"There is no team {name}; it is ignored." for name in self.teams]
        messages += [f"{repo} is not monitored and is ignored." for repo in self.repos]
        return messages + [
            f"The selected repositories have no workflow {name}; it is ignored." for name in self.workflows
        ]


def visible_filters(page: str) -> Sequence[str]:
    """The names of the filters that a page shows. The page of one workflow has a fixed repository and workflow."""
    return ("branch",) if page == "workflow" and "id" in st.query_params else ("repo", TEAM_KEY, "branch", "workflow")


def shows_names(page: str) -> bool:
    """Whether the page shows the selected repositories and workflows."""
    return "repo" in visible_filters(page)


def query_problems(version: int, page: str) -> list[str]:
    """A sentence for each problem."""
    messages = unknown_names(version).messages if shows_names(page) else []
    if missing := unknown_view():
        messages.append(missing)
    if page == OVERVIEW:
        messages += kiosk_view_problems()
    if unusable := bad_value("period"):
        allowed = ", ".join(PERIODS)
        messages.append(f"period={unusable} is invalid (expected {allowed}): showing the last {DEFAULT_PERIOD}.")
    if page == OVERVIEW and (unusable := bad_value("rate")):
        messages.append(
            f"rate={unusable} is invalid (expected one of {', '.join(RATES)}): showing the success rate by run."
        )
    try:
        dates = selection.parse_selected_dates()
        note = future_note(dates, utc_now()) if dates else None
        messages += [note] if note else []
    except BadDates as error:
        messages.append(f"{error} Showing the last {selection.period()} instead.")
    try:
        hours = st.query_params.get("hours", "") if page == "runs" else ""
        if hours:
            parse_hours(hours)
    except BadHours as error:
        messages.append(f"{error} Showing all hours.")
    return messages


def unknown_names(version: int) -> UnknownNames:
    return unknown_in(version, selected("repo"), selected("workflow"), selected(TEAM_KEY))


def unknown_in(version: int, repos: Sequence[str], workflows: Sequence[str], teams: Sequence[str] = ()) -> UnknownNames:
    """Those of the repositories, workflows and teams that are not stored."""
    unknown_teams = team_scopes.unknown_teams(version, teams)
    if teams and len(unknown_teams) == len(teams):
        return UnknownNames(none_known="teams", teams=unknown_teams)
    if not repos and not workflows:
        return UnknownNames(teams=unknown_teams)
    known = figures.known_names(Scope(repos=selection.stored_names(version, repos)), version)
    return replace(find_unknown_names(repos, workflows, known.repos, known.workflows), teams=unknown_teams)


def find_unknown_names(
    repos: Sequence[str], workflows: Sequence[str], known_repos: Mapping[str, str], known_workflows: Collection[str]
) -> UnknownNames:
    """`known_repos` by their name in lower case, since GitHub accepts names in any case."""
    unknown_repos = tuple(repo for repo in repos if repo.lower() not in known_repos)
    if repos and len(unknown_repos) == len(repos):
        return UnknownNames(unknown_repos, (), "repositories")
    unknown_workflows = tuple(name for name in workflows if name not in known_workflows)
    none_known = "workflows" if workflows and len(unknown_workflows) == len(workflows) else ""
    return UnknownNames(unknown_repos, unknown_workflows, none_known)
