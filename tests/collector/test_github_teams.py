"""Teams of organizations: read from GitHub with their repositories and members, with requests to spare, and combined
with the other sources."""

import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from collector.context import CollectorContext
from collector.doctor.teams import check_codeowners, check_teams
from collector.github.errors import RateLimited
from collector.progress import Progress
from collector.sync import github_teams
from collector.sync.github_teams import READ_INTERVAL, GitHubTeamsReader
from db.collection.heartbeat_detail import HeartbeatDetail
from db.engine import session_scope, write_scope
from db.enums import TeamSource
from db.models import AuditEvent, CodeownersFile
from db.repositories.codeowners_files import record_unreadable, store_codeowners
from db.repositories.repository_queries import heartbeat
from demo.world.model import Team as GitHubTeam
from health.teams.definition import Team
from health.teams.service import list_teams, owned_by_team, refresh_ownership, store_file_teams
from health.teams.stored_settings import store_file_settings
from health.teams.teams_file import parse_teams_file
from tests.collector.conftest import REPO, GitHub
from tests.collector.syncing import make_client, sync

ORGANIZATIONS = {"github": {"organizations": ["acme"]}}


@pytest.fixture(autouse=True)
def organization(github: GitHub) -> None:
    github.world.add_repository("acme/docs")
    github.world.add_repository("acme/old", archived=True)
    github.world.teams["acme"] = [
        GitHubTeam(1, "web", "Web", "The site", {REPO: "write", "acme/docs": "triage"}, ("octocat", "ann")),
        GitHubTeam(2, "data-team", "Data team", "", {"acme/docs": "maintain", "acme/old": "admin"}),
        GitHubTeam(3, "hidden", "Hidden", "", {REPO: "admin"}, privacy="secret"),
    ]


def configure(engine: Engine, github: GitHub, settings: dict[str, dict[str, object]] | None = None) -> None:
    with write_scope(engine) as session:
        store_file_settings(session, ORGANIZATIONS if settings is None else settings, github.clock())


def new_reader(engine: Engine, github: GitHub) -> GitHubTeamsReader:
    client = make_client(github.url, github.clock)
    client.get("/rate_limit")
    github.asked()
    progress = Progress(engine, github.clock, HeartbeatDetail())
    return GitHubTeamsReader(CollectorContext(engine, client, progress, github.clock, threading.Event()))


@pytest.fixture
def reader(engine: Engine, github: GitHub) -> GitHubTeamsReader:
    configure(engine, github)
    return new_reader(engine, github)


def teams(engine: Engine) -> dict[str, Team]:
    with session_scope(engine) as session:
        return {team.name: team for team in list_teams(session)}


def reported_error(reader: GitHubTeamsReader) -> str | None:
    """As the Collector page shows it."""
    progress = reader._context.progress
    progress.beat(force=True)
    with session_scope(reader._context.engine) as session:
        stored = heartbeat(session)
    assert stored is not None
    return stored.detail.github_teams_error


def test_teams_with_the_repositories_that_they_can_write_to(
    engine: Engine, github: GitHub, reader: GitHubTeamsReader
) -> None:
    # A sync reads them as well.
    sync(engine, github.url, ("acme/*",), clock=github.clock)
    assert set(teams(engine)) == {"Data team", "Web"}
    assert not reader.run()
    stored = teams(engine)
    assert list(stored) == ["Data team", "Web"]
    web = stored["Web"]
    assert (web.description, web.repositories, web.members) == ("The site", (REPO,), ("ann", "octocat"))
    assert web.owners == ("@acme/web",)
    assert stored["Data team"].repositories == ("acme/docs",)
    with write_scope(engine) as session:
        refresh_ownership(session)
        assert owned_by_team(session)["web"].repositories == [REPO]
        assert {event.actor for event in session.scalars(select(AuditEvent).where(AuditEvent.subject_id == "web"))} == {
            "GitHub"
        }


def test_a_file_has_precedence_field_by_field(engine: Engine, github: GitHub, reader: GitHubTeamsReader) -> None:
    file = parse_teams_file(b"teams: [{name: WEB, members: [bob]}]", "teams.yaml")
    with write_scope(engine) as session:
        store_file_teams(session, file.teams, github.clock())
    assert reader.run()
    web = teams(engine)["WEB"]
    assert (web.members, web.repositories) == (("bob",), (REPO,))
    assert web.sources["repositories"] is TeamSource.GITHUB


def test_a_change_is_read_within_the_hour_and_unchanged_pages_are_free(
    engine: Engine, github: GitHub, reader: GitHubTeamsReader
) -> None:
    assert reader.run()
    assert len(github.asked()) == 5
    github.clock.forward(seconds=READ_INTERVAL.total_seconds() - 1)
    assert not reader.run()
    assert github.asked() == []
    github.world.teams["acme"][0].members = ("octocat",)
    del github.world.teams["acme"][1]
    github.clock.forward(seconds=1)
    assert reader.run()
    # The list and the members changed; the repositories did not.
    assert github.app.state.budget.used == 2
    assert {name: team.members for name, team in teams(engine).items()} == {"Web": ("octocat",)}


def test_many_teams_members_and_pages(engine: Engine, github: GitHub, reader: GitHubTeamsReader) -> None:
    members = tuple(f"user{number:03}" for number in range(250))
    github.world.teams["acme"] = [
        GitHubTeam(number, f"team-{number}", f"Team {number}", members=members if number == 7 else ())
        for number in range(120)
    ]
    passes = 0
    while len(teams(engine)) < 120:
        assert reader.run()
        passes += 1
        # What is read in an hour is a twentieth of the limit.
        assert github.app.state.budget.used <= github.app.state.budget.limit * github_teams.HOURLY_SHARE
    assert passes == 1
    assert teams(engine)["Team 7"].members == members


def test_a_large_organization_is_stored_in_parts(engine: Engine, github: GitHub, reader: GitHubTeamsReader) -> None:
    github.world.teams["acme"] = [GitHubTeam(number, f"team-{number}", f"Team {number}") for number in range(200)]
    assert reader.run()
    first = len(teams(engine))
    assert 100 < first < 200
    assert not reader.run()
    github.clock.forward(hours=1, seconds=1)
    assert reader.run()
    assert len(teams(engine)) == 200


@pytest.mark.parametrize("status", [403, 404])
def test_a_missing_permission_is_one_line_and_keeps_what_is_stored(
    engine: Engine, github: GitHub, reader: GitHubTeamsReader, status: int, tmp_path: Path
) -> None:
    path = tmp_path / "teams.yaml"
    path.write_text("github: {organizations: [acme]}", encoding="utf-8")
    client = make_client(github.url, github.clock)
    assert reader.run()
    github.world.faults.add("/orgs/acme/teams", status=status, body='{"message": "Must have\\nread:org"}', times=99)
    github.clock.forward(hours=2)
    # Also in a new process, which has read nothing.
    second = new_reader(engine, github)
    assert not second.run()
    assert set(teams(engine)) == {"Data team", "Web"}
    line = reported_error(second)
    assert line is not None
    assert line.startswith("acme: the scope read:org, or the organization permission to read Members, is missing (")
    assert "\n" not in line
    _, check = check_teams(str(path), client)
    assert (check.name, check.ok) == ("Teams of acme", False)
    assert "read:org" in check.detail
    github.world.faults.clear()
    github.clock.forward(minutes=15)
    assert not second.run()
    assert reported_error(second) is None
    assert [check.ok for check in check_teams(str(path), client)] == [True, True]


def test_a_team_that_is_deleted_while_it_is_read(engine: Engine, github: GitHub, reader: GitHubTeamsReader) -> None:
    github.world.faults.add("/teams/web/repos", status=404)
    assert reader.run()
    assert list(teams(engine)) == ["Data team"]


def test_hostile_teams_are_skipped_and_named(engine: Engine, github: GitHub, reader: GitHubTeamsReader) -> None:
    github.world.teams["acme"] += [
        GitHubTeam(4, "none", "None"),
        GitHubTeam(5, "long", "x" * 5_000),
        GitHubTeam(6, "..%2F..", "Path"),
        GitHubTeam(7, "odd", "<b>Odd\x1b[31m</b>", "line\nline " * 1_000),
    ]
    assert reader.run()
    stored = teams(engine)
    assert len(stored) == 3
    assert all("\x1b" not in name and "\n" not in team.description for name, team in stored.items())
    assert "acme: 2 teams skipped: None (" in str(reported_error(reader))


def test_teams_of_the_same_name_in_two_organizations(engine: Engine, github: GitHub) -> None:
    github.world.teams["beta"] = [GitHubTeam(9, "web", "web")]
    configure(engine, github, {"github": {"organizations": ["acme", "beta"]}})
    assert new_reader(engine, github).run()
    assert {name: team.owners for name, team in teams(engine).items()} == {
        "Data team": ("@acme/data-team",),
        "Web": ("@acme/web",),
        "web (beta)": ("@beta/web",),
    }


def test_without_the_setting_the_teams_of_github_are_removed(
    engine: Engine, github: GitHub, reader: GitHubTeamsReader
) -> None:
    assert reader.run()
    github.asked()
    configure(engine, github, {})
    assert reader.run()
    assert teams(engine) == {}
    assert github.asked() == []


def test_nothing_is_requested_while_the_limit_is_needed(
    engine: Engine, github: GitHub, reader: GitHubTeamsReader
) -> None:
    github.app.state.budget.used = github.app.state.budget.limit // 2 + 10
    reader._client.get(f"/repos/{REPO}")
    github.asked()
    assert not reader.run()
    assert github.asked() == []


def test_after_a_rate_limit_reading_starts_again(engine: Engine, github: GitHub, reader: GitHubTeamsReader) -> None:
    github.world.faults.add("/teams/web/members", status=403, headers={"retry-after": "60"}, body='{"message": "slow"}')
    with pytest.raises(RateLimited):
        reader.run()
    assert teams(engine) == {}
    github.clock.forward(minutes=2)
    assert reader.run()
    assert len(teams(engine)) == 2


def test_the_doctor_names_an_unreadable_codeowners_file(engine: Engine, github: GitHub) -> None:
    sync(engine, github.url, (REPO,), clock=github.clock)
    assert list(check_codeowners(engine)) == []
    with write_scope(engine) as session:
        record_unreadable(session, 1001, "it is not UTF-8 text", github.clock())
    (check,) = check_codeowners(engine)
    assert check.ok is False
    assert check.detail == f"1 file cannot be read, so owners are unknown; {REPO}: it is not UTF-8 text"
    with write_scope(engine) as session:
        row = session.scalars(select(CodeownersFile)).one()
        row.state, row.error = "absent", None
    (check,) = check_codeowners(engine)
    assert (check.ok, check.detail) == (True, "0 files of 1 repository")
    with write_scope(engine) as session:
        store_codeowners(session, 1001, "CODEOWNERS", "* @acme/web\n!old/ @acme/web\n", None, github.clock())
    read, skipped = check_codeowners(engine)
    assert (read.ok, read.detail) == (True, "1 file of 1 repository")
    line = "line 2: patterns cannot be negated with !"
    assert (skipped.ok, skipped.detail) == (None, f"{REPO}: GitHub skips 1 line: {line}.")
