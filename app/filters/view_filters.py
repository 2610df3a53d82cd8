"""The filters of a saved view as scope, window and text, for screens that show several views."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qs

from app import session
from app.data import team_scopes
from app.data.connection import utc_now
from app.filters import selection
from app.filters.days import BadDates, Dates, parse_dates
from app.filters.problems import UnknownNames, unknown_in
from app.filters.url_state import DEFAULT_PERIOD, PERIODS, TEAM_KEY
from app.routes import WORKFLOW
from db.definitions.scope import Scope, Window
from db.enums import Interval
from db.saved_views import ViewRow


@dataclass(frozen=True)
class ViewFilters:
    """`dates` precede the period; null without valid ones."""

    repos: tuple[str, ...]
    branches: tuple[str, ...]
    workflows: tuple[str, ...]
    period: str
    dates: Dates | None
    teams: tuple[str, ...] = ()

    def scope(self, version: int) -> Scope:
        return team_scopes.narrowed(self.scope_of_all_teams(version), self.teams, version)

    def scope_of_all_teams(self, version: int) -> Scope:
        repos = selection.stored_names(version, self.repos)
        return Scope(repos=repos, branches=self.branches, workflows=self.workflows)

    def unknown_names(self, version: int) -> UnknownNames:
        return unknown_in(version, self.repos, self.workflows, self.teams)

    def window(self, until: datetime) -> Window:
        return selection.window_of(self.dates, self.period, until)

    @property
    def interval(self) -> Interval:
        return selection.interval_of(self.dates, self.period)

    def describe(self) -> str:
        """The period within a sentence, as `selection.describe`."""
        if self.dates is None:
            return f"the last {self.period}"
        text = self.dates.text(session.zone())
        return f"{text}, so far" if self.dates.includes(utc_now()) else text


def view_filters(view: ViewRow) -> ViewFilters:
    """The filters of a saved view; invalid ones count as not selected. A view of one workflow selects this workflow
    only."""
    query = parse_qs(view.query)
    repos, workflows = tuple(query.get("repo", ())), tuple(query.get("workflow", ()))
    if view.page == WORKFLOW and "id" in query:
        repos, workflows = (), (query["id"][0],)
    period, dates = query.get("period", [DEFAULT_PERIOD])[0], query.get("dates", [""])[0]
    try:
        selected = parse_dates(dates) if dates else None
    except BadDates:
        selected = None
    return ViewFilters(
        repos,
        tuple(query.get("branch", ())),
        workflows,
        period if period in PERIODS else DEFAULT_PERIOD,
        selected,
        tuple(query.get(TEAM_KEY, ())),
    )
