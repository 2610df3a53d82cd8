"""TEAMS_FILE, from the file to the stored teams and what they own."""

import logging
import os
import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine

from collector.context import CollectorContext
from collector.progress import Progress
from collector.settings import CollectorSettings
from collector.teams import TeamsTask
from core.settings import ConfigError
from db.collection.heartbeat_detail import HeartbeatDetail
from db.engine import session_scope
from db.repositories.repository_queries import heartbeat
from health.teams.service import list_teams, owned_by_team
from health.teams.stored_settings import get_setting
from tests.builders import NOON, add_repository
from tests.collector.syncing import make_client


def task(engine: Engine, path: Path | None) -> tuple[TeamsTask, Progress]:
    progress = Progress(engine, lambda: NOON, HeartbeatDetail())
    client = make_client("http://127.0.0.1:9", lambda: NOON)
    context = CollectorContext(engine, client, progress, lambda: NOON, threading.Event())
    return TeamsTask(context, str(path) if path else None), progress


def teams(engine: Engine) -> dict[str, list[str]]:
    with session_scope(engine) as session:
        owned = owned_by_team(session)
        return {team.name: owned[team.key].repositories if team.key in owned else [] for team in list_teams(session)}


def write(path: Path, text: str, number: int) -> None:
    """Each version has another modification time, whatever the resolution of the clock of the file system."""
    path.write_text(text, encoding="utf-8")
    os.utime(path, ns=(number * 10**9, number * 10**9))


def test_a_change_of_the_file_is_applied_and_an_invalid_one_reported_once(
    engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    add_repository(engine)
    path = tmp_path / "teams.yaml"
    write(path, "teams: [{name: Web, repositories: [acme/w*]}]\ncatch_all: [ops]\n", 1)
    running, progress = task(engine, path)
    running.run()
    assert teams(engine) == {"Web": ["acme/web"]}
    with session_scope(engine) as session:
        assert get_setting(session, "catch_all") == {"channels": ["ops"]}
        version = heartbeat(session)
    running.run()
    with session_scope(engine) as session:
        assert heartbeat(session) == version

    write(path, "teams: [{name: Web, repos: [acme/web]}]\n", 2)
    running.run()
    running.run()
    assert teams(engine) == {"Web": ["acme/web"]}
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert line.startswith(f"TEAMS_FILE: {path}, line 1: teams: Web: unknown key 'repos'; expected name, description")
    progress.beat(force=True)
    with session_scope(engine) as session:
        stored = heartbeat(session)
    assert stored is not None
    assert stored.detail.teams_file_error == line.removeprefix("TEAMS_FILE: ").removesuffix(
        ". The teams of the last valid file remain."
    )

    write(path, "teams: [{name: Core}]\n", 3)
    running.run()
    assert teams(engine) == {"Core": []}
    progress.beat(force=True)
    with session_scope(engine) as session:
        stored = heartbeat(session)
        assert get_setting(session, "catch_all") is None
    assert stored is not None
    assert stored.detail.teams_file_error is None
    assert f"TEAMS_FILE: {path} is valid again." in caplog.text


def test_new_repositories_get_their_team_and_no_file_means_no_teams_of_it(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "teams.yaml"
    write(path, "teams: [{name: Web, repositories: [acme/*]}]\n", 1)
    running, _ = task(engine, path)
    running.run()
    assert teams(engine) == {"Web": []}
    add_repository(engine)
    running.run()
    assert teams(engine) == {"Web": ["acme/web"]}
    task(engine, None)[0].run()
    assert teams(engine) == {}


def test_a_file_that_is_deleted_while_the_collector_runs_keeps_its_teams(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "teams.yaml"
    write(path, "teams: [{name: Web}]\n", 1)
    running, progress = task(engine, path)
    running.run()
    path.unlink()
    running.run()
    assert teams(engine) == {"Web": []}
    progress.beat(force=True)
    with session_scope(engine) as session:
        stored = heartbeat(session)
    assert stored is not None
    assert "No such file or directory" in str(stored.detail.teams_file_error)


def test_an_invalid_file_stops_the_start_with_the_variable(tmp_path: Path) -> None:
    path = tmp_path / "teams.yaml"
    path.write_text("channels:\n  ops: {kind: slack, token: xoxb-1234-secret}\n", encoding="utf-8")
    with pytest.raises(
        ConfigError, match=r"^TEAMS_FILE: .*line 2: channels: ops: token: expected a reference"
    ) as raised:
        CollectorSettings.load(github_repos="acme/web", teams_file=str(path))
    assert "1234" not in str(raised.value)
    assert "\n" not in str(raised.value)
