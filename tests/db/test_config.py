"""Where the database is, and the password that opens it."""

from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from collector.config import Settings as CollectorSettings
from db.config import ConfigError, DatabaseSettings, ReaderSettings

SECRET = "p@ss/w:rd %1#é"


def test_one_password_file_opens_the_database_and_its_replica(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(SECRET + "\n", encoding="utf-8")
    monkeypatch.setenv("DATABASE_URL", "postgresql://health@db:5432/health")
    monkeypatch.setenv("DATABASE_REPLICA_URL", "postgres://reader@copy/health?sslmode=require")
    monkeypatch.setenv("DATABASE_PASSWORD_FILE", str(tmp_path / "password"))
    found = ReaderSettings.load()
    url, replica = make_url(found.database_url), make_url(found.database_replica_url or "")
    assert (url.username, url.password, url.host, url.port, url.database) == ("health", SECRET, "db", 5432, "health")
    assert (replica.username, replica.password, replica.query["sslmode"]) == ("reader", SECRET, "require")


@pytest.mark.parametrize("url", ["postgresql://health:own@db/health", "sqlite:///data/x.db"])
def test_a_url_that_needs_no_password_stays_as_it_is(url: str) -> None:
    assert ReaderSettings.load(database_url=url, database_password=SECRET).database_url == url


def test_the_secret_of_the_example_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "password").write_text("change-me\n")
    monkeypatch.setenv("DATABASE_PASSWORD_FILE", str(tmp_path / "password"))
    with pytest.raises(ConfigError, match=r"^DATABASE_PASSWORD_FILE: .*password holds the example's change-me"):
        DatabaseSettings.load()


def test_a_secret_from_the_environment_is_trimmed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", " ghp_0123456789\n")
    token = CollectorSettings.load(github_repos="acme/web").github_token
    assert token
    assert token.get_secret_value() == "ghp_0123456789"


@pytest.mark.parametrize("name", ["GITHUB_TOKEN", "GITHUB_WEBHOOK_SECRET", "SLACK_BOT_TOKEN"])
def test_an_examples_secret_is_refused_wherever_it_comes_from(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "change-me\n")
    with pytest.raises(ConfigError, match=rf"^{name}: it is the example's change-me, which everybody knows"):
        CollectorSettings.load(github_repos="acme/web")
