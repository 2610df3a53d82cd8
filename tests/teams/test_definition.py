"""Definitions of teams: checks of the fields, and the combination of several sources."""

import pytest

from db.enums import TeamSource
from health.teams.definition import InvalidTeam, TeamChannel, TeamDefinition, check_team, combine, team_key


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"repos": []}, "unknown key 'repos'; expected name, description, private, repositories"),
        ({"repositories": "acme/web"}, "repositories: expected a list of owner/name"),
        ({"repositories": ["web"]}, "repositories: invalid value 'web'; expected owner/name"),
        ({"repositories": [1]}, "repositories: expected a list .*; a value is a number"),
        ({"workflows": ["acme/web"]}, "workflows: invalid value 'acme/web'; expected \"owner/name: workflow\""),
        ({"owners": ["acme/payments"]}, "owners: invalid value 'acme/payments'; expected @organization/team"),
        ({"members": [""]}, "members: a value is empty"),
        ({"private": "yes"}, "private: invalid value 'yes'; expected true or false"),
        ({"description": "x" * 501}, "description: more than 500 characters"),
        ({"channels": ["ops", "ops"]}, "channels: ops is in the list twice"),
        ({"channels": [{"channel": "ops", "level": "critical"}]}, "channels: expected the name of a channel"),
        (
            {"channels": [{"channel": "ops", "severities": ["fatal"]}]},
            "channels: ops: invalid severity 'fatal'; expected critical or warning or info",
        ),
    ],
)
def test_an_invalid_field_is_named_with_what_is_allowed(fields: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidTeam, match=message) as raised:
        check_team("Payments", fields)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [(None, "nothing"), ("  \n", "expected the name"), ("x" * 101, "more than 100"), ("None", "value of the filter")],
)
def test_an_invalid_name_is_rejected(name: object, message: str) -> None:
    with pytest.raises(InvalidTeam, match=f"name: .*{message}"):
        check_team(name, {})


def test_values_are_stored_once_and_in_one_form() -> None:
    team = check_team(
        " Core\n team ",
        {"repositories": ["acme/*", "acme/*"], "workflows": ["acme/mono :CI *"], "channels": ["ops"], "digest": True},
    )
    assert (team.name, team.key) == ("Core team", "core team")
    assert team.fields == {
        "repositories": ["acme/*"],
        "workflows": ["acme/mono: CI *"],
        "channels": [{"channel": "ops", "severities": []}],
        "digest": True,
    }


def test_each_field_comes_from_the_first_source_that_sets_it() -> None:
    (team,) = combine(
        [
            (TeamSource.GITHUB, TeamDefinition("payments", {"repositories": ["acme/x"], "members": ["octocat"]})),
            (TeamSource.DASHBOARD, TeamDefinition("PAYMENTS", {"members": ["ann@example.com"], "digest": True})),
            (TeamSource.FILE, TeamDefinition("Payments", {"channels": [{"channel": "ops", "severities": ["info"]}]})),
        ]
    )
    assert team.name == "Payments"
    assert team.channels == (TeamChannel("ops", ("info",)),)
    assert (team.members, team.digest, team.repositories) == (("ann@example.com",), True, ("acme/x",))
    assert team.sources == {
        "channels": TeamSource.FILE,
        "members": TeamSource.DASHBOARD,
        "digest": TeamSource.DASHBOARD,
        "repositories": TeamSource.GITHUB,
    }
    assert team.defined_in == (TeamSource.FILE, TeamSource.DASHBOARD, TeamSource.GITHUB)
    assert team.is_from_file("channels")
    assert not team.is_from_file("members")


def test_a_field_that_the_first_source_sets_to_nothing_is_empty() -> None:
    sources = [(TeamSource.FILE, {"members": []}), (TeamSource.GITHUB, {"members": ["octocat"]})]
    (team,) = combine((source, TeamDefinition("Core", fields)) for source, fields in sources)
    assert team.members == ()


def test_names_are_compared_without_case_and_teams_are_sorted() -> None:
    assert team_key(" STRASSE ") == team_key("straße")
    teams = combine((TeamSource.FILE, TeamDefinition(name)) for name in ("web", "Core", "api"))
    assert [team.name for team in teams] == ["api", "Core", "web"]


def test_a_channel_takes_the_severities_that_it_names() -> None:
    assert TeamChannel("ops").takes("warning")
    assert TeamChannel("ops", ("critical",)).takes("critical")
    assert not TeamChannel("ops", ("critical",)).takes("warning")
