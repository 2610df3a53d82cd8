"""The list of teams with what they own and their figures, and the repositories without a team."""

from collections.abc import Mapping, Sequence

import streamlit as st

from app.components.workflows import Query
from app.data.teams import TeamsOverview
from app.status_style import team_label
from app.widgets import cells
from app.widgets.cells import Cell
from app.widgets.table import Column, Row, long_table
from app.widgets.text import html, truncate
from core import formatting
from core.formatting import pluralize
from db.enums import TeamSource
from health.metrics.definitions.formulas import Metrics
from health.teams.definition import FIELDS, NO_TEAM, Team
from health.teams.service import Owned, Unowned

SOURCE_LABELS = {TeamSource.FILE: "TEAMS_FILE", TeamSource.DASHBOARD: "dashboard", TeamSource.GITHUB: "GitHub"}
_TEAM_COLUMNS = (
    Column("Team", fluid=True),
    Column("Repositories", "right", "Monitored repositories that the team owns as a whole"),
    Column("Workflows", "right", "Single workflows of other repositories", "wide_only"),
    Column("Runs", "right"),
    Column("Success rate", width="118px", help="Share of completed runs", unit="share"),
    Column("Failures", "right", "Failed runs", "wide_only"),
    Column("Cost", "right", "Excludes jobs without a known price", "wide_only", unit="USD"),
    Column("Channels", help="Channels for its alerts", show="wide_only"),
    Column("Members", "right", show="desk_only"),
    Column("Defined in", help="The sources of its fields: hover over a team's source for each field", show="desk_only"),
)
_UNOWNED_COLUMNS = (Column("Repository", fluid=True), Column("Owner", help="Why the repository has no team"))
_PRIVATE = '<span class="ph-class ph-gray" title="Only members see its repositories">private</span>'
_MAX_HOVER, _MAX_DESCRIPTION = 20, 120
_MAX_LINES, _MAX_CHANNEL = 3, 30


def team_table(
    overview: TeamsOverview, teams: Sequence[Team], figures: Mapping[str, Metrics], time: Query, *, can_edit: bool
) -> None:
    """`figures`: by key of the team."""
    long_table(
        "teams",
        _TEAM_COLUMNS,
        teams,
        lambda items: team_rows(overview, items, figures, time, can_edit=can_edit),
        caption="Teams by name",
        noun="teams",
    )


def teams_export(
    overview: TeamsOverview, teams: Sequence[Team], figures: Mapping[str, Metrics]
) -> tuple[Sequence[Column], list[Row]]:
    return _TEAM_COLUMNS, team_rows(overview, teams, figures, (), can_edit=False)


def team_rows(
    overview: TeamsOverview, teams: Sequence[Team], figures: Mapping[str, Metrics], time: Query, *, can_edit: bool
) -> list[Row]:
    return [_row(team, overview.owned.get(team.key, Owned()), figures, time, can_edit=can_edit) for team in teams]


def _row(team: Team, owned: Owned, figures: Mapping[str, Metrics], time: Query, *, can_edit: bool) -> Row:
    link = cells.anchor(team.name, "", [("team", team.name), *time])
    private = f" {_PRIVATE}" if team.private else ""
    about = [html(truncate(team.description, _MAX_DESCRIPTION))] if team.description else []
    about.append(cells.anchor("Digest", "digest", [("team", team.name)], hover=f"Weekly digest of {team.name}"))
    about += (
        [cells.anchor("Edit", "teams", [("edit", team.name), *time], hover=f"Edit {team.name}")] if can_edit else []
    )
    workflows = [f"{repo}: {name}" for repo, _, name in owned.workflows]
    return (
        Cell(
            f'<span class="ph-cause-line"><span>{link}{private}</span><small>{" · ".join(about)}</small></span>',
            team.name,
        ),
        _number(owned.repositories),
        _number(workflows),
        *_figures(figures.get(team.key)),
        _channels(team),
        _number(team.members),
        _sources(team),
    )


def _figures(metrics: Metrics | None) -> Row:
    if metrics is None:
        return (Cell(formatting.NO_DATA, None),) * 4
    return (
        cells.count(metrics.runs.total),
        cells.rate(metrics.success_rate, of=metrics.runs.decided),
        cells.count(metrics.runs.failure),
        cells.money(metrics.cost_usd),
    )


def _number(names: Sequence[str]) -> Cell:
    """The number of the names, which the tooltip lists."""
    more = len(names) - _MAX_HOVER
    title = ", ".join(names[:_MAX_HOVER]) + (f" and {formatting.count(more)} more" if more > 0 else "")
    return Cell(f'<span title="{html(title)}">{formatting.count(len(names))}</span>', len(names))


def _channels(team: Team) -> Cell:
    names = [
        channel.channel + (f" ({', '.join(channel.severities)})" if channel.severities else "")
        for channel in team.channels
    ]
    if not names:
        return cells.muted("catch-all")
    lines = [
        f'<span style="white-space:nowrap">{html(truncate(name, _MAX_CHANNEL))}</span>' for name in names[:_MAX_LINES]
    ]
    lines += [f"{len(names) - _MAX_LINES} more"] if len(names) > _MAX_LINES else []
    return Cell(f'<span title="{html(", ".join(names))}">{"<br>".join(lines)}</span>', ", ".join(names))


def _sources(team: Team) -> Cell:
    shown = ", ".join(SOURCE_LABELS[source] for source in team.defined_in)
    by_field = [f"{name}: {SOURCE_LABELS[team.sources[name]]}" for name in FIELDS if name in team.sources]
    return Cell(f'<span title="{html("; ".join(by_field))}">{html(shown)}</span>', shown)


def unowned_table(unowned: Unowned, time: Query) -> None:
    """Repositories without a team. Those with an unknown owner come first."""
    long_table(
        "unowned",
        _UNOWNED_COLUMNS,
        _unowned_items(unowned),
        lambda items: _unowned_rows(items, time),
        caption="Repositories without a team",
        noun="repositories",
    )


def unowned_export(unowned: Unowned) -> tuple[Sequence[Column], list[Row]]:
    return _UNOWNED_COLUMNS, _unowned_rows(_unowned_items(unowned), ())


def _unowned_items(unowned: Unowned) -> list[tuple[str, bool]]:
    """The name of each repository, and whether its owner is known to be missing."""
    return [*((repo, False) for repo in unowned.unknown), *((repo, True) for repo in unowned.repositories)]


def _unowned_rows(items: Sequence[tuple[str, bool]], time: Query) -> list[Row]:
    unknown = Cell('<span class="ph-orange">unknown: CODEOWNERS is not read or unreadable</span>', "unknown")
    return [
        (cells.link(repo, "", [("repo", repo), *time]), cells.muted("no team") if is_known else unknown)
        for repo, is_known in items
    ]


def unowned_note(unowned: Unowned, figures: Mapping[str, Metrics], time: Query) -> None:
    """A link to the figures of what no team owns."""
    metrics = figures.get(NO_TEAM)
    runs = pluralize(metrics.runs.total, "run") if metrics else "no runs"
    link = cells.anchor(team_label(NO_TEAM), "", [("team", NO_TEAM), *time])
    count = pluralize(len(unowned.repositories), "repository", "repositories")
    st.html(f'<div class="ph-rest"><span>{link}: <b>{count}</b></span><span>{runs} in this period</span></div>')
