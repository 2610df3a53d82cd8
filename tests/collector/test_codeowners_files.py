"""CODEOWNERS files of repositories: read at GitHub's places, conditionally, with requests to spare, or else unknown."""

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import Engine, select

from collector.context import CollectorContext
from collector.github.errors import RateLimited
from collector.progress import Progress
from collector.sync import codeowners
from collector.sync.codeowners import READ_INTERVAL, RETRY_INTERVAL, CodeownersReader
from db.collection.heartbeat_detail import HeartbeatDetail
from db.engine import session_scope, write_scope
from db.enums import CodeownersState
from db.models import CodeownersFile, Repository
from health.teams.codeowners import MAX_BYTES
from health.teams.definition import TeamDefinition
from health.teams.service import owners_of, refresh_ownership, store_file_teams, unowned
from tests.collector.conftest import REPO, GitHub
from tests.collector.syncing import make_client, sync

ID = 1001
GITHUB_PLACE, ROOT_PLACE, DOCS_PLACE = ".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"
RULES = "* @acme/web\n/.github/workflows/ci.yml @acme/quality\n"

Read = Callable[[], int]


def define_teams(engine: Engine, github: GitHub) -> None:
    teams = [
        TeamDefinition("Web", {"owners": ["@acme/web"]}),
        TeamDefinition("Quality", {"owners": ["@Acme/Quality"]}),
    ]
    with write_scope(engine) as session:
        store_file_teams(session, teams, github.clock())


@pytest.fixture
def reader(engine: Engine, github: GitHub) -> CodeownersReader:
    """Of a synced repository, with teams."""
    sync(engine, github.url, (REPO,), clock=github.clock)
    define_teams(engine, github)
    github.asked()
    return new_reader(engine, github)


def new_reader(engine: Engine, github: GitHub) -> CodeownersReader:
    client = make_client(github.url, github.clock)
    progress = Progress(engine, github.clock, HeartbeatDetail())
    return CodeownersReader(CollectorContext(engine, client, progress, github.clock, threading.Event()))


def put(github: GitHub, place: str, data: bytes | str | None) -> None:
    if data is None:
        del github.world.contents[ID, place]
    else:
        github.world.contents[ID, place] = data.encode() if isinstance(data, str) else data


def stored(engine: Engine) -> CodeownersFile | None:
    with session_scope(engine) as session:
        row = session.scalar(select(CodeownersFile))
        session.expunge_all()
        return row


def state_of(engine: Engine) -> tuple[str, str | None, str | None]:
    row = stored(engine)
    assert row is not None
    return row.state, row.path, row.content


def places(github: GitHub) -> list[str]:
    return [path.partition("/contents/")[2] for path in github.asked() if "/contents/" in path]


def test_the_first_place_counts_and_teams_own_what_the_file_says(
    engine: Engine, github: GitHub, reader: CodeownersReader
) -> None:
    put(github, DOCS_PLACE, "* @acme/docs")
    assert reader.run({ID: REPO}) == 1
    assert places(github) == [GITHUB_PLACE, ROOT_PLACE, DOCS_PLACE]
    assert state_of(engine) == ("read", DOCS_PLACE, "* @acme/docs")
    put(github, GITHUB_PLACE, RULES)
    github.clock.forward(hours=7)
    assert reader.run({ID: REPO}) == 1
    assert places(github) == [GITHUB_PLACE]
    assert state_of(engine) == ("read", GITHUB_PLACE, RULES)
    with write_scope(engine) as session:
        refresh_ownership(session)
        workflow = next(iter(github.world.repositories[REPO].workflows))
        assert [team.name for team in owners_of(session, ID, workflow)] == ["Quality"]
        assert [team.name for team in owners_of(session, ID)] == ["Web"]


def test_an_unchanged_file_costs_no_request_of_the_limit(
    engine: Engine, github: GitHub, reader: CodeownersReader
) -> None:
    put(github, ROOT_PLACE, RULES)
    assert reader.run({ID: REPO}) == 1
    assert reader.run({ID: REPO}) == 0
    github.clock.forward(seconds=READ_INTERVAL.total_seconds() - 1)
    assert reader.run({ID: REPO}) == 0
    github.asked()
    github.clock.forward(seconds=1)
    # Also in a new process: the ETag is stored.
    assert new_reader(engine, github).run({ID: REPO}) == 0
    assert places(github) == [GITHUB_PLACE, ROOT_PLACE]
    # The hour is new, and a 304 does not count.
    assert github.app.state.budget.used == 0
    row = stored(engine)
    assert row is not None
    assert (row.content, row.checked_at) == (RULES, github.clock())


def test_another_default_branch_is_read_at_once(engine: Engine, github: GitHub, reader: CodeownersReader) -> None:
    put(github, GITHUB_PLACE, RULES)
    assert reader.run({ID: REPO}) == 1
    put(github, GITHUB_PLACE, "* @acme/next\n")
    assert reader.run({ID: REPO}) == 0
    with write_scope(engine) as session:
        session.get_one(Repository, ID).default_branch = "next"
    assert reader.run({ID: REPO}) == 1
    assert reader.run({ID: REPO}) == 0
    assert state_of(engine)[2] == "* @acme/next\n"


def test_no_place_has_the_file(engine: Engine, github: GitHub, reader: CodeownersReader) -> None:
    assert reader.run({ID: REPO}) == 1
    assert state_of(engine) == ("absent", None, None)
    # A 404 also means no access: the repository itself was requested.
    assert github.asked()[-1] == f"/repos/{REPO}"
    with session_scope(engine) as session:
        assert unowned(session).repositories == (REPO,)
        assert unowned(session).unknown == ()


def test_a_folder_of_that_name_is_not_the_file(engine: Engine, github: GitHub, reader: CodeownersReader) -> None:
    github.world.faults.add(r"contents/\.github/CODEOWNERS", status=200, body="[]")
    put(github, ROOT_PLACE, RULES)
    assert reader.run({ID: REPO}) == 1
    assert state_of(engine) == ("read", ROOT_PLACE, RULES)


def test_a_file_above_one_megabyte_is_read_as_a_blob(engine: Engine, github: GitHub, reader: CodeownersReader) -> None:
    text = RULES + "# padding\n" * 120_000
    put(github, GITHUB_PLACE, text)
    assert reader.run({ID: REPO}) == 1
    assert state_of(engine) == ("read", GITHUB_PLACE, text)
    assert "/git/blobs/" in github.asked()[-1]


@pytest.mark.parametrize(
    ("data", "fault", "reason"),
    [
        (b"#" * MAX_BYTES, None, "it has 3,145,728 bytes, and GitHub loads files below 3,145,728 bytes"),
        ("* @acme/caf\xe9".encode("latin-1"), None, "it is not UTF-8 text"),
        (b"* @acme/web\0", None, "it is not a text file"),
        (
            RULES,
            (403, '{"message": "Resource not accessible by personal access token"}'),
            "permission to read Contents",
        ),
        (RULES, (451, '{"message": "Repository access blocked"}'), "Repository access blocked"),
        (RULES, (500, '{"message": "Server Error"}'), "answered 500: Server Error"),
        (RULES, (200, '{"type": "symlink", "target": "../OWNERS"}'), "it is not a file but a symlink"),
        (RULES, (200, '{"type": "file", "encoding": "base64", "content": "%%%"}'), "contains no file"),
        (RULES, (200, '{"content": {"a": 1}}'), "contains no file"),
    ],
)
def test_what_cannot_be_read_is_unknown_and_not_unowned(
    engine: Engine,
    github: GitHub,
    reader: CodeownersReader,
    data: bytes | str,
    fault: tuple[int, str] | None,
    reason: str,
) -> None:
    put(github, GITHUB_PLACE, data)
    if fault:
        github.world.faults.add(r"contents/\.github/CODEOWNERS", status=fault[0], body=fault[1], times=99)
    assert reader.run({ID: REPO}) == 1
    row = stored(engine)
    assert row is not None
    assert (row.state, row.path, row.content) == (CodeownersState.UNREADABLE, None, None)
    assert reason in (row.error or "")
    assert "\n" not in (row.error or "")
    with session_scope(engine) as session:
        assert unowned(session).repositories == ()
        assert unowned(session).unknown == (REPO,)
    # Read again sooner than a file.
    github.world.faults.clear()
    put(github, GITHUB_PLACE, RULES)
    assert reader.run({ID: REPO}) == 0
    github.clock.forward(seconds=RETRY_INTERVAL.total_seconds())
    assert reader.run({ID: REPO}) == 1
    assert state_of(engine) == ("read", GITHUB_PLACE, RULES)


def test_a_temporary_error_does_not_discard_the_file(engine: Engine, github: GitHub, reader: CodeownersReader) -> None:
    put(github, GITHUB_PLACE, RULES)
    assert reader.run({ID: REPO}) == 1
    github.world.faults.add("contents/", status=502, times=99)
    github.clock.forward(hours=7)
    assert reader.run({ID: REPO}) == 0
    row = stored(engine)
    assert row is not None
    assert (row.state, row.content) == ("read", RULES)
    assert "502" in (row.error or "")
    github.world.faults.clear()
    github.clock.forward(hours=2)
    assert reader.run({ID: REPO}) == 0
    row = stored(engine)
    assert row is not None
    assert row.error is None


def test_a_hidden_repository_is_unknown(engine: Engine, github: GitHub, reader: CodeownersReader) -> None:
    """A token without access gets a 404 for everything."""
    github.world.faults.add(f"/repos/{REPO}", status=404, times=99)
    assert reader.run({ID: REPO}) == 1
    row = stored(engine)
    assert row is not None
    assert row.state == "unreadable"
    assert "not found, or the token has no access" in (row.error or "")


@pytest.mark.parametrize("reason", ["no team", "half of the limit", "requests", "other repository", "stopped"])
def test_nothing_is_requested_without_need_or_budget(engine: Engine, github: GitHub, reason: str) -> None:
    sync(engine, github.url, (REPO,), clock=github.clock)
    if reason != "no team":
        define_teams(engine, github)
    budget = github.app.state.budget
    if reason == "half of the limit":
        budget.used = budget.limit // 2 + 10
    reader = new_reader(engine, github)
    reader._client.get("/rate_limit")
    for _ in range(int(budget.limit * codeowners.HOURLY_SHARE) if reason == "requests" else 0):
        reader._budget.spend()
    if reason == "stopped":
        reader._context.stop.set()
    github.asked()
    assert reader.run({} if reason == "other repository" else {ID: REPO}) == 0
    assert github.asked() == []
    assert stored(engine) is None


def test_a_rate_limit_ends_the_pass_and_stores_nothing(
    engine: Engine, github: GitHub, reader: CodeownersReader
) -> None:
    github.world.faults.add("contents/", status=403, headers={"retry-after": "60"}, body='{"message": "slow down"}')
    with pytest.raises(RateLimited):
        reader.run({ID: REPO})
    assert stored(engine) is None


def test_a_token_that_is_rejected_or_a_lost_connection_says_nothing_about_the_file(
    engine: Engine, github: GitHub, reader: CodeownersReader
) -> None:
    github.world.faults.add("contents/", status=401, times=9)
    assert reader.run({ID: REPO}) == 0
    github.world.faults.clear()
    github.world.faults.drop_connection("contents/", times=99)
    assert reader.run({ID: REPO}) == 0
    assert stored(engine) is None


def test_a_sync_command_reads_them_as_well(engine: Engine, github: GitHub) -> None:
    put(github, GITHUB_PLACE, RULES)
    define_teams(engine, github)
    assert sync(engine, github.url, (REPO,), clock=github.clock).is_complete
    assert state_of(engine) == ("read", GITHUB_PLACE, RULES)
