"""A login that is configured by half is none: one line says what is missing, and nothing starts."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit import config
from streamlit.runtime.secrets import secrets_singleton

from app.access.login import login
from app.server.log_setup import secret_values
from core.settings import ConfigError
from core.text import make_redactor

PROVIDER = {
    "AUTH_OIDC_METADATA_URL": "https://id.example.com/.well-known/openid-configuration",
    "AUTH_OIDC_CLIENT_ID": "dashboard",
    "AUTH_OIDC_CLIENT_SECRET": "very-secret-client",
    "AUTH_COOKIE_SECRET": "very-secret-cookie-very-secret-cookie",
    "APP_URL": "https://health.example.com",
}
WHOLE = PROVIDER | {"AUTH_ALLOWED_DOMAINS": "Example.com, example.org"}
TOML = """[auth]
redirect_uri = "http://localhost:8501/oauth2callback"
cookie_secret = "very-secret-cookie-very-secret-cookie"
"""
SECTION = """
[auth.{name}]
client_id = "a"
client_secret = "secret-of-{name}"
server_metadata_url = "https://{host}/.well-known/openid-configuration"
"""


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Neither before nor after."""
    before = config.get_option("server.cookieSecret"), config.get_option("secrets.files")
    monkeypatch.chdir(tmp_path)
    config.set_option("secrets.files", [str(tmp_path / "secrets.toml")])
    _forget()
    yield
    config.set_option("server.cookieSecret", before[0])
    config.set_option("secrets.files", before[1])
    _forget()


def _forget() -> None:
    login.cache_clear()
    secrets_singleton._reset()


def given(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def test_the_secrets_of_the_login_are_kept_out_of_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, PROVIDER | {"DATABASE_URL": "postgresql://me:hunter2hunter2@h/n"})
    redact = make_redactor(secret_values())
    for secret in (PROVIDER["AUTH_OIDC_CLIENT_SECRET"], PROVIDER["AUTH_COOKIE_SECRET"], "hunter2hunter2"):
        assert redact(f"it is {secret}") == "it is ***"


def test_without_any_of_it_there_is_no_login() -> None:
    assert login() is None


def test_a_whole_configuration_is_told_to_streamlit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given(monkeypatch, WHOLE)
    (tmp_path / "key").write_text("  from-a-file-from-a-file-from-a-file \n")
    monkeypatch.delenv("AUTH_COOKIE_SECRET")
    monkeypatch.setenv("AUTH_COOKIE_SECRET_FILE", str(tmp_path / "key"))
    found = login()
    assert found is not None
    assert found.policy.domains == {"example.com", "example.org"}
    assert (found.origin, found.base, found.encrypted) == ("https://health.example.com", "", True)
    assert dict(found.providers) == {"default": "id.example.com"}
    assert found.secrets is not None
    assert found.secrets["auth"]["redirect_uri"] == "https://health.example.com/oauth2callback"
    assert config.get_option("server.cookieSecret") == "from-a-file-from-a-file-from-a-file"


@pytest.mark.parametrize(
    ("change", "line"),
    [({"AUTH_COOKIE_SECRET": ""}, "AUTH_COOKIE_SECRET: it is missing"),
     ({"AUTH_OIDC_CLIENT_SECRET": ""}, "AUTH_OIDC_CLIENT_SECRET: it is missing"),
     ({"AUTH_OIDC_METADATA_URL": ""}, "AUTH_OIDC_METADATA_URL: it is missing"),
     ({"AUTH_COOKIE_SECRET": "very-secret"}, "AUTH_COOKIE_SECRET: it is shorter than 32"),
     ({"AUTH_OIDC_METADATA_URL": "https://id.example.com"}, "AUTH_OIDC_METADATA_URL: invalid value"),
     ({"AUTH_OIDC_METADATA_URL": "http://id.example.com/.well-known/x"}, "AUTH_OIDC_METADATA_URL: invalid value"),
     ({"AUTH_OIDC_METADATA_URL": "https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration"},
      "AUTH_OIDC_METADATA_URL: this URL accepts every Microsoft account"),
     ({"AUTH_ALLOWED_DOMAINS": ""}, "AUTH_ALLOWED_DOMAINS: it is missing"),
     ({"AUTH_ALLOWED_DOMAINS": "@example.com"}, "AUTH_ALLOWED_DOMAINS: invalid value '@example.com'"),
     ({"AUTH_ALLOWED_DOMAINS": "*.example.com"}, "AUTH_ALLOWED_DOMAINS: invalid value"),
     ({"AUTH_ALLOWED_DOMAINS": "bücher.example"}, "AUTH_ALLOWED_DOMAINS: invalid value"),
     ({"AUTH_ALLOWED_EMAILS": "alice"}, "AUTH_ALLOWED_EMAILS: invalid value 'alice'"),
     ({"AUTH_ROLES": "admin:groups=a,owner:groups=b"}, "AUTH_ROLES: invalid value 'owner:groups=b'; expected"),
     ({"AUTH_OIDC_SCOPES": "email groups"}, "AUTH_OIDC_SCOPES: invalid value 'email groups'; expected"),
     ({"AUTH_SESSION_HOURS": "0"}, "AUTH_SESSION_HOURS: invalid value '0'"),
     ({"AUTH_SESSION_HOURS": "1.5"}, "AUTH_SESSION_HOURS: invalid value '1.5'"),
     ({"APP_URL": "http://health.example.com"}, "APP_URL: a login needs https://"),
     ({"APP_URL": "https://example.com/health"}, "APP_URL: with a login its path must be"),
     ({"APP_URL": "https://Example.com"}, "APP_URL: a login's cookies are valid for the host as browsers write it"),
     ({"APP_URL": "https://example.com:443"}, "APP_URL: a login's cookies are valid for the host as browsers write it"),
     ({"AUTH_OIDC_METADATA_URL": "https://accounts.google.com/.well-known/openid-configuration",
       "AUTH_ALLOWED_DOMAINS": "*"}, "AUTH_ALLOWED_DOMAINS: * would allow every Google account")],
)  # fmt: skip
def test_what_cannot_be_used_is_one_line_that_names_it(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, str], line: str
) -> None:
    given(monkeypatch, WHOLE | change)
    with pytest.raises(ConfigError) as caught:
        login()
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)
    assert "very-secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["AUTH_ALLOWED_DOMAINS", "AUTH_ALLOWED_EMAILS", "AUTH_ROLES"])
def test_a_list_without_a_login_keeps_nobody_out(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "example.com" if name.endswith("DOMAINS") else "a@example.com")
    with pytest.raises(ConfigError, match=f"{name}: has no effect without a login"):
        login()


def test_a_section_that_was_written_for_streamlit_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names = ("google", "accounts.google.com"), ("company", "acme.okta.com")
    sections = "".join(SECTION.format(name=name, host=host) for name, host in names)
    (tmp_path / "secrets.toml").write_text(TOML + sections)
    monkeypatch.setenv("AUTH_ALLOWED_DOMAINS", "example.com")
    found = login()
    assert found is not None
    assert dict(found.providers) == {"google": "Google", "company": "Okta"}
    assert found.secrets is None
    assert st.secrets["auth"]["google"]["client_id"] == "a"
    redact = make_redactor(found.secret_values)
    for secret in ("secret-of-google", "secret-of-company", "very-secret-cookie-very-secret-cookie"):
        assert redact(f"it is {secret}") == "it is ***"


@pytest.mark.parametrize(
    ("written", "variables", "line"),
    [(TOML + SECTION.format(name="a", host="id.example"), {}, "AUTH_ALLOWED_DOMAINS: it is missing"),
     (TOML, {"AUTH_ALLOWED_DOMAINS": "example.com"}, "secrets.toml: [auth] names no provider"),
     (TOML + '[auth.a]\nclient_id = "a"\n', {"AUTH_ALLOWED_DOMAINS": "example.com"}, "secrets.toml: [auth] a needs"),
     (TOML + SECTION.format(name="a", host="id.example"), WHOLE, "AUTH_OIDC_METADATA_URL: Streamlit's secrets have"),
     (TOML + SECTION.format(name="a", host="login.microsoftonline.us/Common"), {"AUTH_ALLOWED_DOMAINS": "example.com"},
      "secrets.toml: [auth] a: server_metadata_url accepts every Microsoft account"),
     (TOML.replace("very-secret-cookie-", ""), {}, "secrets.toml: [auth] needs cookie_secret"),
     (TOML.replace("localhost:8501", "example.com"), {}, "secrets.toml: [auth] redirect_uri must begin with https"),
     (TOML.replace("/oauth2callback", ""), {}, "secrets.toml: [auth] needs redirect_uri"),
     ("[auth\n", {}, "secrets.toml: Streamlit cannot read it")],
)  # fmt: skip
def test_a_file_that_is_not_understood_opens_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, written: str, variables: dict[str, str], line: str
) -> None:
    (tmp_path / "secrets.toml").write_text(written)
    given(monkeypatch, variables)
    with pytest.raises(ConfigError) as caught:
        login()
    assert str(caught.value).startswith(line)
    assert "very-secret" not in str(caught.value)


def test_other_secrets_are_no_login(tmp_path: Path) -> None:
    (tmp_path / "secrets.toml").write_text("[database]\nname = 'x'\n")
    assert login() is None
