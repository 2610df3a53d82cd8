"""Teams and what they own."""

from typing import Any, Self

from pydantic import ConfigDict, Field

from api.schemas.base import Schema, SingleLineText, example
from db.enums import Severity, TeamSource
from health.teams.definition import FIELDS, MAX_NAME_LENGTH, Team
from health.teams.service import Owned, Unowned

_FIELDS: dict[str, Any] = {
    "description": "Cards and invoices", "private": False, "repositories": ["acme/payments-*", "acme/ledger"],
    "workflows": ["acme/monorepo: Payments *"], "owners": ["@acme/payments"], "members": ["ann@example.com", "octocat"],
    "channels": [{"channel": "payments-slack", "severities": []}, {"channel": "oncall", "severities": ["critical"]}],
    "digest": True,
}  # fmt: skip
_TEAM: dict[str, Any] = {
    "name": "Payments", **_FIELDS,
    "sources": dict.fromkeys(_FIELDS, "file"), "defined_in": ["file", "github"],
    "owned_repositories": ["acme/ledger", "acme/payments-api"],
    "owned_workflows": [{"repo": "acme/monorepo", "id": 4711, "name": "Payments deploy"}],
}  # fmt: skip


class TeamChannel(Schema):
    model_config = ConfigDict(from_attributes=True, extra="forbid")
    channel: SingleLineText = Field(description="Name of a channel")
    severities: list[Severity] = Field(default=[], description="Only alerts of these are sent; empty for all")


class TeamFields(Schema):
    """Fields that are left out are those of GitHub, or have their defaults."""

    model_config = ConfigDict(from_attributes=True, extra="forbid", json_schema_extra={"example": _FIELDS})
    description: str = Field("", max_length=500)
    private: bool = Field(False, description="Only members and administrators see its repositories")
    repositories: list[str] = Field([], max_length=5_000, description="owner/name, with * and ? in patterns")
    workflows: list[str] = Field([], max_length=5_000, description="owner/name: workflow, with patterns in both parts")
    owners: list[str] = Field([], max_length=5_000, description="Handles as in CODEOWNERS files")
    members: list[str] = Field([], max_length=5_000, description="E-mail addresses, logins or groups of the login")
    channels: list[TeamChannel] = Field([], max_length=100)
    digest: bool = Field(False, description="The team receives the weekly digest")

    def fields(self) -> dict[str, Any]:
        """The fields that the request contains."""
        return self.model_dump(mode="json", exclude_unset=True, include=set(FIELDS))


class NewTeam(TeamFields):
    model_config = ConfigDict(
        from_attributes=True, extra="forbid", json_schema_extra={"example": {"name": "Payments", **_FIELDS}}
    )
    name: SingleLineText = Field(max_length=MAX_NAME_LENGTH, description="Compared without regard to case; not none")


class OwnedWorkflow(Schema):
    repo: str
    id: int
    name: str


class TeamDocument(TeamFields):
    model_config = example(_TEAM)
    name: str
    sources: dict[str, TeamSource] = Field(description="The source of each field that one sets")
    defined_in: list[TeamSource]
    owned_repositories: list[str] = Field(description="Monitored repositories that the team owns as a whole")
    owned_workflows: list[OwnedWorkflow] = Field(description="Single workflows of other repositories")

    @classmethod
    def from_team(cls, team: Team, owned: Owned | None) -> Self:
        """`owned`: null if the team owns nothing."""
        owned = owned or Owned()
        return cls.from_row(
            team,
            channels=[TeamChannel.from_row(channel) for channel in team.channels],
            owned_repositories=owned.repositories,
            owned_workflows=[OwnedWorkflow(repo=repo, id=number, name=name) for repo, number, name in owned.workflows],
        )


class Teams(Schema):
    model_config = example({"items": [_TEAM], "unowned": ["acme/playground"], "unknown": ["acme/legacy"]})
    items: list[TeamDocument]
    unowned: list[str] = Field(description="Monitored repositories that no team owns, not even a workflow of them")
    unknown: list[str] = Field(
        description="The same, but their CODEOWNERS file, which could name an owner, is not read or is unreadable"
    )

    @classmethod
    def from_teams(cls, items: list[TeamDocument], rest: Unowned) -> Self:
        return cls(items=items, unowned=list(rest.repositories), unknown=list(rest.unknown))
