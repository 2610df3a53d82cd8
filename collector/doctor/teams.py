"""Checks of TEAMS_FILE, the teams of GitHub, and CODEOWNERS files."""

from collections.abc import Iterator

from sqlalchemy import Engine

from collector.doctor.environment import DoctorCheck
from collector.github.client import GitHubClient
from collector.github.errors import GitHubError
from collector.sync.github_teams import permission_error
from core.formatting import pluralize
from db.engine import session_scope
from db.enums import CodeownersState
from db.repositories.codeowners_files import list_codeowners, unreadable_codeowners
from health.alerts.channels.definitions import check_channel
from health.teams.codeowners_report import skipped_lines
from health.teams.teams_file import InvalidTeamsFile, read_teams_file

# Files with invalid lines that are listed.
_MAX_SKIPPED = 10


def check_teams(path: str, client: GitHubClient) -> Iterator[DoctorCheck]:
    """The file, and whether the token can list the teams of its organizations."""
    try:
        file = read_teams_file(path, check_channel=check_channel)
    except InvalidTeamsFile as error:
        yield DoctorCheck("Teams", False, f"TEAMS_FILE: {error}")
        return
    yield DoctorCheck("Teams", True, f"{pluralize(len(file.teams), 'team')} in {path}")
    for organization in (file.github or {}).get("organizations", ()):
        name = f"Teams of {organization}"
        try:
            client.get(f"/orgs/{organization}/teams", params={"per_page": 1})
        except GitHubError as error:
            yield DoctorCheck(name, False, permission_error(error))
        else:
            yield DoctorCheck(name, True, "can be listed")


def check_codeowners(engine: Engine) -> Iterator[DoctorCheck]:
    """Nothing while no CODEOWNERS file was read or is needed."""
    with session_scope(engine) as session:
        rows = [row for row in list_codeowners(session) if row.state is not None]
        unreadable = unreadable_codeowners(session)
        skipped = list(skipped_lines(session))
    if not rows:
        return
    if unreadable:
        first = unreadable[0]
        files = pluralize(len(unreadable), "file")
        yield DoctorCheck(
            "CODEOWNERS", False, f"{files} cannot be read, so owners are unknown; {first.repo}: {first.error}"
        )
    else:
        files = pluralize(sum(row.state is CodeownersState.READ for row in rows), "file")
        yield DoctorCheck("CODEOWNERS", True, f"{files} of {pluralize(len(rows), 'repository', 'repositories')}")
    for repo, report in skipped[:_MAX_SKIPPED]:
        yield DoctorCheck("CODEOWNERS", None, f"{repo}: {report.problem_text}")
