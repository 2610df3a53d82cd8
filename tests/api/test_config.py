import pytest

from api.settings import ApiSettings
from core.settings import ConfigError
from tests.api.conftest import MakeClient


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATABASE_URL", "mysql://user:s3cr3t@host/name"),
        ("API_PORT", "0"),
        ("API_PORT", "65536"),
        ("API_PORT", "three"),
        ("API_HOST", "all of them"),
        ("API_KEYS", ","),
        ("API_KEYS", "s3cr3t key"),
        ("REDIS_URL", "http://:s3cr3t@host"),
        ("REDIS_URL", "redis://:s3cr3t@host:port/0"),
        ("BACKEND_ENV", "staging"),
        ("POLL_INTERVAL_MINUTES", "0"),
        ("POLL_INTERVAL_MINUTES", "nan"),
        ("APP_URL", "localhost:8501"),
        ("SLACK_WEBHOOK_URL", "s3cr3t"),
    ],
)
def test_an_unusable_value_is_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError) as failed:
        ApiSettings.load()
    assert str(failed.value).startswith(f"{variable}: ")
    assert "\n" not in str(failed.value)
    assert "s3cr3t" not in str(failed.value)


def test_the_defaults_are_the_contracts() -> None:
    settings = ApiSettings.load()
    assert (settings.api_host, settings.api_port, settings.backend_env) == ("127.0.0.1", 3000, "dev")
    assert settings.database_url == "sqlite:///data/pipeline_health.db"
    assert settings.keys == ()


def test_node_env_is_taken_for_backend_env(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE_ENV", "prod")
    assert ApiSettings.load().backend_env == "prod"


def test_keys_can_stand_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    path = f"{tmp_path}/keys"
    with open(path, "w") as file:
        file.write("one,two\n")
    monkeypatch.setenv("API_KEYS_FILE", path)
    assert ApiSettings.load().keys == ("one", "two")


@pytest.mark.parametrize(
    ("host", "public"),
    [("127.0.0.1", False), ("127.8.0.1", False), ("localhost", False), ("::1", False), ("0.0.0.0", True), ("::", True),
     ("10.0.0.5", True), ("build-host", True)],
)  # fmt: skip
def test_an_address_that_lets_others_in_is_known(host: str, public: bool) -> None:
    assert ApiSettings.load(api_host=host).is_public is public


@pytest.mark.parametrize(
    ("published", "public"),
    [("127.0.0.1:3000", False), ("[::1]:3000", False), ("localhost:80", False), ("3000", True), ("0.0.0.0:3000", True),
     ("192.168.1.5:3000", True)],
)  # fmt: skip
def test_in_a_container_it_counts_where_the_port_is_published(published: str, public: bool) -> None:
    assert ApiSettings.load(api_host="0.0.0.0", api_publish=published).is_public is public


def test_a_short_key_is_reported_once_in_development(make_client: MakeClient, caplog: pytest.LogCaptureFixture) -> None:
    make_client(api_keys="k1,k2", github_webhook_secret="0123456789abcdef")
    lines = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert lines == [
        "API_KEYS: a key is shorter than 16 characters and can be guessed; generate one with openssl rand -hex 32. "
        "With BACKEND_ENV=prod the API would not start on an address that other machines reach."
    ]
    assert not any("k1" in line for line in lines)
