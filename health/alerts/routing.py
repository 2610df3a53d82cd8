"""Routing: the channels of an alert. A rule goes to the channels that it names; otherwise to those channels of the
owning teams that take its severity; otherwise to the catch-all; without one to the channels of the environment
variables."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from sqlalchemy.orm import Session

from health.alerts.channels.definitions import CHANNEL_NAMES
from health.alerts.storage.stored_channels import list_definitions
from health.teams.definition import Team
from health.teams.service import owners_of
from health.teams.stored_settings import get_setting


class RouteReason(StrEnum):
    """Why an alert goes to its channels. NONE: no channel is configured."""

    RULE = "rule"
    TEAM = "team"
    CATCH_ALL = "catch_all"
    DEFAULT = "default"
    NONE = "none"


@dataclass(frozen=True)
class Route:
    """The channels of an alert, the teams that own its workflow, and the names in rule, teams or catch-all of channels
    that do not exist or are disabled."""

    channels: tuple[str, ...]
    reason: RouteReason
    teams: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class RoutingTable:
    """`usable`: all usable channels; `catch_all`: null where it is not set; `mentions`: Slack member by GitHub login in
    lower case."""

    usable: tuple[str, ...]
    catch_all: tuple[str, ...] | None = None
    mentions: Mapping[str, str] = field(default_factory=dict)

    def route(self, rule_channels: Sequence[str], teams: Sequence[Team], severity: str) -> Route:
        """The channels of one alert. A step of which no channel is usable is skipped, so that no alert is silent as
        long as any channel is configured."""
        of_teams = [entry.channel for team in teams for entry in team.channels if entry.takes(severity)]
        steps = (
            (RouteReason.RULE, list(rule_channels)),
            (RouteReason.TEAM, of_teams),
            (RouteReason.CATCH_ALL, list(self.catch_all or ())),
            (RouteReason.DEFAULT, [name for name in CHANNEL_NAMES if name in self.usable]),
            (RouteReason.DEFAULT, list(self.usable)),
        )
        owners, missing = tuple(team.name for team in teams), list[str]()
        for reason, names in steps:
            missing += [name for name in names if name not in self.usable]
            if chosen := tuple(dict.fromkeys(name for name in names if name in self.usable)):
                return Route(chosen, reason, owners, tuple(dict.fromkeys(missing)))
        return Route((), RouteReason.NONE, owners, tuple(dict.fromkeys(missing)))


def load_routing(session: Session, environment_channels: Collection[str]) -> RoutingTable:
    """`environment_channels`: names of the configured channels of the environment variables."""
    named = [item.name for item in list_definitions(session) if item.enabled]
    stored = get_setting(session, "catch_all")
    mentions = get_setting(session, "mentions") or {}
    return RoutingTable(
        (*(name for name in environment_channels if name not in named), *named),
        tuple(map(str, stored.get("channels") or ())) if stored else None,
        {str(login).casefold(): str(member) for login, member in mentions.items()},
    )


class Router:
    """Routes of many alerts in one session; the owners of a workflow are read once."""

    def __init__(self, session: Session, environment_channels: Collection[str]) -> None:
        self._session, self.table = session, load_routing(session, environment_channels)
        self._owners: dict[tuple[int, int | None], list[Team]] = {}

    def route(self, rule_channels: Sequence[str], repository_id: int, workflow_id: int | None, severity: str) -> Route:
        key = (repository_id, workflow_id)
        if key not in self._owners:
            self._owners[key] = owners_of(self._session, repository_id, workflow_id)
        return self.table.route(rule_channels, self._owners[key], severity)
