"""Where the database is, and the password that opens it."""

from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from api.settings import ApiSettings
from app.settings import AccessSettings
from collector.settings import CollectorSettings
from core.http.settings import require_protection
from core.settings import ConfigError, EnvironmentSettings
from db.settings import DatabaseSettings, ReplicaSettings
from launch import AppSettings

ROOT = Path(__file__).parents[2]
SECRET = "p@ss/w:rd %1#é"


def test_one_password_file_opens_the_database_and_its_replica(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(SECRET + "\n", encoding="utf-8")
    monkeypatch.setenv("DATABASE_URL", "postgresql://health@db:5432/health")
    monkeypatch.setenv("DATABASE_REPLICA_URL", "postgres://reader@copy/health?sslmode=require")
    monkeypatch.setenv("DATABASE_PASSWORD_FILE", str(tmp_path / "password"))
    found = ReplicaSettings.load()
    url, replica = make_url(found.database_url), make_url(found.database_replica_url or "")
    assert (url.username, url.password, url.host, url.port, url.database) == ("health", SECRET, "db", 5432, "health")
    assert (replica.username, replica.password, replica.query["sslmode"]) == ("reader", SECRET, "require")


@pytest.mark.parametrize("url", ["postgresql://health:own@db/health", "sqlite:///data/x.db"])
def test_a_url_that_needs_no_password_stays_as_it_is(url: str) -> None:
    assert ReplicaSettings.load(database_url=url, database_password=SECRET).database_url == url


def test_the_secret_of_the_example_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "password").write_text("change-me\n")
    monkeypatch.setenv("DATABASE_PASSWORD_FILE", str(tmp_path / "password"))
    with pytest.raises(ConfigError, match=r"^DATABASE_PASSWORD_FILE: .*password contains the example value change-me"):
        DatabaseSettings.load()


def test_a_secret_from_the_environment_is_trimmed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", " ghp_0123456789\n")
    token = CollectorSettings.load(github_repos="acme/web").github_token
    assert token
    assert token.get_secret_value() == "ghp_0123456789"


@pytest.mark.parametrize("name", ["GITHUB_TOKEN", "GITHUB_WEBHOOK_SECRET", "SLACK_BOT_TOKEN"])
def test_an_examples_secret_is_refused_wherever_it_comes_from(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "change-me\n")
    with pytest.raises(ConfigError, match=rf"^{name}: it is the example value change-me; replace it by a real secret"):
        CollectorSettings.load(github_repos="acme/web")


def test_every_secret_of_an_example_is_refused() -> None:
    """Of all programs, whatever file the value stands in."""
    models: list[type[EnvironmentSettings]] = [CollectorSettings, ApiSettings, AppSettings, AccessSettings]
    kinds = {name.upper() for model in models for name, field in model.model_fields.items()
             if "SecretStr" in str(field.annotation)}  # fmt: skip
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    values = [tuple(line.lstrip("#").split("=", 1)) for line in lines if "=" in line]
    written = {(name, value) for name, value in values if name in kinds and value}
    assert {name for name, _ in written} == {"SLACK_BOT_TOKEN", "SMTP_URL"}
    files = list((ROOT / "deploy/kubernetes/example/secrets").iterdir())
    assert files
    written |= {("API_KEYS", file.read_text(encoding="utf-8")) for file in files}
    for name, value in written:
        with pytest.raises(ConfigError, match=rf"^{name}: it is the example value "):
            ApiSettings.load(**{name.lower(): value})


@pytest.mark.parametrize(
    ("name", "value"),
    [("API_KEYS", "0123456789abcdef0123, Change-Me"), ("REDIS_URL", "redis://:change-me@redis:6379/0"),
     ("DATABASE_URL", "postgresql://health:change-me@db/health"), ("ALERT_WEBHOOK_SECRET", " CHANGE-ME\r\n"),
     ("DATABASE_REPLICA_URL", "postgresql://health:change-me@db/health"), ("DATABASE_PASSWORD", "changeme"),
     ("GITHUB_WEBHOOK_SECRET", "change-me"), ("SMTP_URL", "smtp://user:password@mail.example.com:587")],
)  # fmt: skip
def test_an_examples_value_is_found_in_lists_and_urls(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=rf"^{name}: it is the example value ") as raised:
        ApiSettings.load()
    assert str(raised.value).count("\n") == 0


@pytest.mark.parametrize("name", ["API_KEYS", "GITHUB_WEBHOOK_SECRET", "ALERT_WEBHOOK_SECRET", "METRICS_KEY"])
def test_a_secret_that_can_be_guessed_is_refused_in_production(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("ALERT_WEBHOOK_URL", "https://alerts.example.com/")
    monkeypatch.setenv(name, "k1\n")
    [line] = ApiSettings.load().weak_secrets()
    assert line.startswith(f"{name}: ")
    assert "k1" not in line.removeprefix(name)
    monkeypatch.setenv("BACKEND_ENV", "prod")
    local = ApiSettings.load()
    require_protection(local, local.listen_address(), guarded=True)
    monkeypatch.setenv("API_HOST", "0.0.0.0")
    public = ApiSettings.load()
    with pytest.raises(ConfigError, match=rf"^{name}: .*shorter than 16 characters.*openssl rand -hex 32\.$"):
        require_protection(public, public.listen_address(), guarded=True)
    monkeypatch.setenv(name, "0123456789abcdef")
    safe = ApiSettings.load()
    assert safe.weak_secrets() == []
    require_protection(safe, safe.listen_address(), guarded=True)


def test_each_of_several_keys_must_be_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEYS", "0123456789abcdef,short,")
    [line] = ApiSettings.load().weak_secrets()
    assert line.startswith("API_KEYS: a key is shorter")


@pytest.mark.parametrize("settings", [DatabaseSettings, CollectorSettings, ApiSettings])
def test_the_demos_password_of_the_database_is_refused_in_production(
    monkeypatch: pytest.MonkeyPatch, settings: type[DatabaseSettings]
) -> None:
    monkeypatch.setenv("BACKEND_ENV", "prod")
    monkeypatch.setenv("GITHUB_REPOS", "acme/web")
    monkeypatch.setenv("DEMO_GITHUB_URL", "http://github-demo:3999")
    monkeypatch.setenv("DATABASE_URL", "postgresql://db:5432/health")
    monkeypatch.setenv("DATABASE_USER", "health")
    monkeypatch.setenv("DATABASE_PASSWORD", "health")
    with pytest.raises(
        ConfigError, match=r"^DATABASE_PASSWORD: this is the public password of the demo; .*POSTGRES_PASSWORD"
    ):
        settings.load()
    monkeypatch.setenv("DATABASE_URL", "postgresql://health:health@db:5432/health")
    with pytest.raises(ConfigError, match=r"^DATABASE_URL: this is the public password of the demo"):
        settings.load()
    monkeypatch.setenv("GITHUB_REPOS", "")
    assert settings.load().database_url == "postgresql://health:health@db:5432/health"
    monkeypatch.setenv("GITHUB_REPOS", "acme/web")
    monkeypatch.setenv("BACKEND_ENV", "dev")
    assert settings.load().database_url == "postgresql://health:health@db:5432/health"


def test_one_url_serves_programs_with_roles_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", " postgresql://db:5432/health?sslmode=require\n")
    monkeypatch.setenv("DATABASE_USER", "health_reader")
    monkeypatch.setenv("DATABASE_PASSWORD", SECRET)
    url = make_url(DatabaseSettings.load().database_url)
    assert (url.username, url.password, url.host, url.query) == ("health_reader", SECRET, "db", {"sslmode": "require"})
    monkeypatch.setenv("DATABASE_URL", "postgresql://own@db/health")
    assert make_url(DatabaseSettings.load().database_url).username == "own"
    monkeypatch.setenv("DATABASE_URL", "sqlite:///data/x.db")
    assert DatabaseSettings.load().database_url == "sqlite:///data/x.db"


@pytest.mark.parametrize(
    ("url", "whole"),
    [("redis://redis:6379/0", "redis://:a%2Fb%40c@redis:6379/0"), ("redis://:own@redis/0", "redis://:own@redis/0"),
     ("rediss://user@redis/0", "rediss://user:a%2Fb%40c@redis/0"), ("unix:///run/r.sock", "unix://:a%2Fb%40c@/run/r.sock")],
)  # fmt: skip
def test_the_password_of_redis_stands_apart_from_its_url(url: str, whole: str) -> None:
    for settings in (ApiSettings.load(redis_url=url, redis_password="a/b@c"),
                     CollectorSettings.load(redis_url=url, redis_password="a/b@c")):  # fmt: skip
        assert settings.redis_url
        assert settings.redis_url.get_secret_value() == whole
