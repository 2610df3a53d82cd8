"""TEAMS_FILE: the documented example, and one line for every fault."""

from pathlib import Path

import pytest

from health.teams.teams_file import InvalidTeamsFile, TeamsFile, parse_teams_file, read_teams_file

EXAMPLE = Path(__file__).parents[2] / "deploy" / "teams.example.yaml"


def parse(text: str) -> TeamsFile:
    return parse_teams_file(text.encode(), "teams.yaml")


def test_the_example_of_the_repository_is_valid_and_has_every_section() -> None:
    file = read_teams_file(str(EXAMPLE))
    assert set(file.settings()) == {"catch_all", "mentions", "digest", "github"}
    assert {str(channel["kind"]) for channel in file.channels.values()} >= {"slack", "email", "pagerduty", "apprise"}
    payments = next(team for team in file.teams if team.name == "Payments")
    assert set(payments.fields) == {
        "description", "private", "repositories", "workflows", "owners", "members", "channels", "digest",
    }  # fmt: skip
    assert payments.fields["channels"] == [
        {"channel": "payments-slack", "severities": []},
        {"channel": "oncall", "severities": ["critical"]},
    ]


def test_an_empty_file_has_no_teams_and_no_settings() -> None:
    assert parse("") == parse("# nothing\n") == parse("teams:\n") == TeamsFile()
    assert TeamsFile().settings() == {}


def test_settings_have_their_stored_form() -> None:
    file = parse(
        "catch_all: [ops, ops]\nmentions: {octocat: U0123ABC}\ndigest: {weekday: Friday}\n"
        "github: {organizations: [acme]}\n"
    )
    assert file.settings() == {
        "catch_all": {"channels": ["ops"]},
        "mentions": {"octocat": "U0123ABC"},
        "digest": {"weekday": "friday", "hour": 9, "time_zone": "UTC", "all": []},
        "github": {"organizations": ["acme"]},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("teams: [", "teams.yaml, line 1: "),
        ("a: b: c", "teams.yaml, line 1: mapping values are not allowed here"),
        ("- a", "teams.yaml, line 1: expected channels, teams, catch_all, mentions, digest, github"),
        ("team: []", "line 1: team: unknown key; expected channels, teams"),
        ("teams:\n  - name: A\nteams: []", "line 3: the key 'teams' is repeated"),
        ("teams:\n  - A", "line 2: teams: expected a mapping with a name"),
        ("teams:\n  - {}", "line 2: teams: name: expected a text, not nothing"),
        ("teams:\n  - name: A\n  - name: a", "line 3: teams: name: there are two teams 'a'; write one"),
        ("teams:\n  - name: A\n    repos: [acme/web]", "line 2: teams: A: unknown key 'repos'; expected name, desc"),
        (
            "teams:\n  - name: A\n    private: no\n    repositories:\n      - web",
            "line 4: teams: repositories: A: repositories: invalid value 'web'; expected owner/name",
        ),
        ("teams:\n  - name: A\n    members: [1]", "line 3: teams: members: A: members: expected a list"),
        (
            "channels:\n  ops: {kind: pager}",
            "line 2: channels: ops: kind: invalid value 'pager'; expected slack, email",
        ),
        ("channels:\n  ops: {to: [a@b.c]}", "line 2: channels: ops: kind: missing; expected slack"),
        ("channels:\n  ops room: {kind: email}", "line 2: channels: ops room: invalid name; expected"),
        ("channels: [a]", "line 1: channels: expected a mapping of names"),
        ("catch_all: ops", "line 1: catch_all: expected a list of names of channels"),
        ("mentions:\n  octocat: ann", "line 2: mentions: octocat: expected a member ID of Slack"),
        ("mentions: {1: U0123}", "line 1: mentions: the key '1' is not a text; write it in quotes"),
        ("digest: {weekday: mon}", "line 1: digest: weekday: invalid value 'mon'; expected monday, tuesday"),
        ("digest:\n  hour: 24", "line 2: digest: hour: invalid value '24'; expected a whole number from 0 to 23"),
        ("digest: {time_zone: Mars/Base}", "digest: time_zone: invalid value 'Mars/Base'; expected a name such as"),
        ("digest: {time_zone: ../etc}", "digest: time_zone: invalid value"),
        ("digest: {day: monday}", "digest: day: unknown key; expected weekday, hour, time_zone, all"),
        ("github: {organizations: ['a b']}", "github: organizations: invalid value 'a b'; expected the name of an org"),
        ("teams: &a [*a]", "teams"),
    ],
)
def test_a_fault_is_one_line_with_file_line_and_what_is_allowed(text: str, message: str) -> None:
    with pytest.raises(InvalidTeamsFile) as raised:
        parse(text)
    assert message in str(raised.value)
    assert str(raised.value).startswith("teams.yaml")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("field", ["token", "webhook_url", "integration_key", "url", "secret", "api_key", "smtp_url"])
@pytest.mark.parametrize("value", ["xoxb-123-real-secret", "env:", "env:A B", "file:relative-secret"])
def test_a_literal_secret_is_a_fault_that_does_not_contain_it(field: str, value: str) -> None:
    with pytest.raises(InvalidTeamsFile) as raised:
        parse(f"channels:\n  ops:\n    kind: slack\n    {field}: {value!r}\n")
    assert f"teams.yaml, line 4: channels: ops: {field}: expected a reference, env:NAME or file:/path" in str(
        raised.value
    )
    assert value not in str(raised.value).replace("env:NAME", "")


@pytest.mark.parametrize(
    "value", ["*hidden-secret", "!hidden-secret x", "[hidden-secret]", '"\\hidden-secret"', "'hidden"]
)
def test_a_secret_that_is_not_a_text_of_yaml_is_not_shown_either(value: str) -> None:
    with pytest.raises(InvalidTeamsFile) as raised:
        parse(f"channels:\n  ops:\n    kind: slack\n    token: {value}\n")
    assert "line" in str(raised.value)
    assert "hidden" not in str(raised.value)


def test_the_fields_of_channels_are_checked_by_their_owner() -> None:
    class InvalidChannel(ValueError):
        field = "to"

    def check(name: str, fields: object) -> None:
        raise InvalidChannel(f"{name} has no recipients")

    with pytest.raises(InvalidTeamsFile, match="line 3: channels: ops: to: ops has no recipients"):
        parse_teams_file(b"channels:\n  ops: {kind: email,\n    to: []}\n", "teams.yaml", check_channel=check)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidTeamsFile, match="cannot read /nowhere: No such file or directory; set the path"):
        read_teams_file("/nowhere")
    with pytest.raises(InvalidTeamsFile, match="Is a directory"):
        read_teams_file(str(tmp_path))
    for content, message in ((b"\xff\xfe\xfa", "is not UTF-8 text"), (b"#" * 1_000_001, "larger than 1,000,000 bytes")):
        (tmp_path / "t.yaml").write_bytes(content)
        with pytest.raises(InvalidTeamsFile, match=message):
            read_teams_file(str(tmp_path / "t.yaml"))
