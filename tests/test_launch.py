"""make run: what its programs are told."""

import errno
import re
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

import launch
from api.settings import ApiSettings
from collector.settings import CollectorSettings
from db.api_keys import create_key
from db.audit import Actor
from db.collection.setup_report import SetupReport, SetupRepository, read_setup_report, store_setup_report
from db.engine import make_engine, write_scope
from db.enums import ActorKind, KeyScope, Origin
from db.migrate import upgrade
from launch import AppSettings
from tests.notify.servers import free_port


def test_the_demo_has_a_database_of_its_own_unless_one_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    told = launch._demo_environment(AppSettings.load(), launch.DEMO_DATABASE)
    teams = told["DEMO_TEAMS_FILE"]
    assert told == {
        "DEMO_GITHUB_URL": "http://127.0.0.1:3999",
        "DEMO_RECEIVER_URL": "http://127.0.0.1:3999/_notifications",
        "DEMO_TEAMS_FILE": teams,
        "DATABASE_URL": "sqlite:///data/demo.db",
    }
    assert CollectorSettings.load(demo_github_url="http://x", demo_teams_file=teams).teams_file == teams
    monkeypatch.setenv("DATABASE_URL", "sqlite:///data/pipeline_health.db")
    monkeypatch.setenv("DEMO_PORT", "4001")
    told = launch._demo_environment(AppSettings.load(), "sqlite:///x")
    assert told["DEMO_GITHUB_URL"] == "http://127.0.0.1:4001"
    assert "DATABASE_URL" not in told
    assert "--port 4001" in launch._commands(True, 8501, 4001)["github"]
    assert "github" not in launch._commands(False, 8501, 4001)


@pytest.mark.parametrize("repos", ["", "octo/one"])
def test_main_migrates_the_database_that_is_shown(monkeypatch: pytest.MonkeyPatch, repos: str) -> None:
    migrated: list[str] = []
    monkeypatch.setattr(launch, "upgrade", lambda engine: migrated.append(str(engine.url.database)))
    monkeypatch.setattr(launch, "_run", lambda *given: 0)
    for name, value in {"GITHUB_REPOS": repos, **dict.fromkeys(("API_PORT", "APP_PORT", "DEMO_PORT"), "")}.items():
        monkeypatch.setenv(name, value or (str(free_port()) if name.endswith("PORT") else ""))
    assert launch.main([]) == 0
    assert migrated == ["data/pipeline_health.db" if repos else "data/demo.db"]


@pytest.mark.parametrize("repos", ["", "octo/one"])
def test_names_of_repositories_in_the_database_of_the_demo_are_deleted_with_the_first_repository(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, repos: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(launch, "_run", lambda *given: 0)
    monkeypatch.setenv("GITHUB_REPOS", repos)
    for name in ("API_PORT", "APP_PORT", "DEMO_PORT"):
        monkeypatch.setenv(name, str(free_port()))
    assert launch.main([]) == 0
    assert Path("data/demo.db").exists() is not bool(repos), "a database of the demo is not created to delete from it"
    engine = make_engine(launch.DEMO_DATABASE)
    upgrade(engine)
    with write_scope(engine) as session:
        store_setup_report(session, SetupReport((), (SetupRepository("acme/secret", private=True),)), datetime.now(UTC))
    assert launch.main([]) == 0
    with Session(engine) as session:
        assert (read_setup_report(session) is None) is bool(repos)
    engine.dispose()
    # Not a database: no reason not to start.
    if repos:
        Path("data/demo.db").write_text("damaged " * 200)
        assert launch.main([]) == 0


def test_a_port_that_is_taken_is_named_by_the_setting_that_moves_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setenv("DEMO_PORT", str(taken.getsockname()[1]))
        for name in ("API_PORT", "APP_PORT"):
            monkeypatch.setenv(name, str(free_port()))
        assert launch.main([]) == 2
        port = taken.getsockname()[1]
        told = capsys.readouterr().err
        assert told.startswith(f"DEMO_PORT: cannot listen on 127.0.0.1:{port}: Address already in use")
        assert "choose another port" in told
        # All of them in one message, with a command that can be copied and works.
        for name in ("API_PORT", "APP_PORT", "DEMO_PORT"):
            monkeypatch.setenv(name, str(port))
        assert launch.main([]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["API_PORT", "APP_PORT", "DEMO_PORT", "To use other ports"]
    command = lines[-1].removeprefix("To use other ports: ").split()
    settings = dict(setting.split("=") for setting in command[:-2])
    assert list(settings) == ["API_PORT", "APP_PORT", "DEMO_PORT"]
    assert len(set(settings.values())) == 3
    assert command[-2:] == ["make", "run"]


@pytest.mark.parametrize(
    ("settings", "line", "command"),
    [
        ({"API_HOST": "192.0.2.1", "API_KEYS": f"x:{'k' * 40}"}, "API_PORT: .*; set API_HOST to an address of", ""),
        (
            {"APP_PORT": "18765", "API_PORT": "18765"},
            "APP_PORT: .*: API_PORT is the same port; choose",
            "APP_PORT=187.. make",
        ),
        ({"APP_PORT": "80"}, "APP_PORT: .*: Permission denied; choose another port, from 1024", "APP_PORT=80.. make"),
    ],
)
def test_an_address_that_cannot_be_used_is_named_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    settings: dict[str, str],
    line: str,
    command: str,
) -> None:
    for name, value in {"API_PORT": str(free_port()), "APP_PORT": str(free_port()), **settings}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GITHUB_REPOS", "octo/one")
    if settings.get("APP_PORT") == "80" and not isinstance(launch._bind_error("127.0.0.1", 80), PermissionError):
        # As root, or where a container may use any port.
        monkeypatch.setattr(socket.socket, "bind", _without_privileges(socket.socket.bind))
    assert launch.main([]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert re.match(line, lines[0])
    assert len(lines) == (2 if command else 1)
    assert not command or re.search(command, lines[1])


def _without_privileges(bind: Callable[[socket.socket, tuple[str, int]], None]) -> Callable[..., None]:
    def refuse(self: socket.socket, address: tuple[str, int]) -> None:
        if address[1] < 1024:
            raise PermissionError(errno.EACCES, "Permission denied")
        bind(self, address)

    return refuse


def test_help_starts_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        launch.main(["--help"])
    assert "APP_PORT, API_PORT and DEMO_PORT" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("settings", [CollectorSettings, ApiSettings, AppSettings])
def test_links_lead_to_the_port_of_the_dashboard(settings: type[AppSettings], monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.load().app_url == "http://localhost:8501"
    monkeypatch.setenv("APP_PORT", "18501")
    assert settings.load().app_url == "http://localhost:18501"
    monkeypatch.setenv("APP_URL", "https://health.example.com/")
    assert settings.load().app_url == "https://health.example.com"


def test_a_public_address_needs_a_key_that_is_set_or_stored(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/keys.db"
    monkeypatch.setattr(launch, "_run", lambda *given: 0)
    settings = {"DATABASE_URL": url, "GITHUB_REPOS": "octo/one", "API_HOST": "0.0.0.0"}
    for name, value in {"API_PORT": str(free_port()), "APP_PORT": str(free_port()), **settings}.items():
        monkeypatch.setenv(name, value)
    assert launch.main([]) == 2
    error = capsys.readouterr().err
    assert error.startswith("API_KEYS: API_HOST=0.0.0.0 accepts connections from other machines and no key is set")
    assert error.endswith("Stored keys cannot be read.\n"), "the database is not migrated"
    engine = make_engine(url)
    upgrade(engine)
    assert launch.main([]) == 2
    assert "cannot be read" not in capsys.readouterr().err
    with write_scope(engine) as session:
        actor = Actor("root", ActorKind.USER, Origin.COMMAND)
        create_key(session, actor, "grafana", KeyScope.READ, datetime.now(UTC))
    engine.dispose()
    assert launch.main([]) == 0
    Path(f"{tmp_path}/keys.db").write_text("damaged " * 200)
    assert launch.main([]) == 2
    assert capsys.readouterr().err.endswith("Stored keys cannot be read.\n")
