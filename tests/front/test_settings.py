"""Who is let in, by the settings: one rule for both programs."""

from pathlib import Path

import pytest

from api.settings import ApiSettings
from app.settings import AccessSettings
from core.http.settings import require_protection
from core.settings import ConfigError
from tests.front.conftest import LOGIN
from tests.front.programs import ask, serving
from tests.notify.servers import free_port
from tests.programs import start

UVICORN = ("uvicorn", "--factory", "api.main:create_app", "--port", "{port}")


@pytest.mark.parametrize("variable", ["ALLOWED_HOSTS", "ACCESS_BY_PROXY"])
@pytest.mark.parametrize("settings", [ApiSettings, AccessSettings])
@pytest.mark.parametrize("value", ["a b", "http://", "*", "ex_ample!", "[::1", "a,b c", "maybe"])
def test_an_unusable_value_is_one_line(
    monkeypatch: pytest.MonkeyPatch, settings: type[AccessSettings], variable: str, value: str
) -> None:
    if (variable, value) == ("ALLOWED_HOSTS", "maybe"):
        return
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError) as failed:
        settings.load()
    assert str(failed.value).startswith(f"{variable}: invalid value ")
    assert "\n" not in str(failed.value)


def test_names_are_taken_with_ports_and_as_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_HOSTS", "Health.Example.com:8443, api ,https://x.example/, [FD00::1]:3000,10.0.0.7,,")
    monkeypatch.setenv("APP_URL", "https://Site.example.com/health")
    assert ApiSettings.load().hosts == {
        "health.example.com", "api", "x.example", "fd00::1", "10.0.0.7", "site.example.com",
    }  # fmt: skip


@pytest.mark.parametrize("site", [":80", ":443", "http://:80", "https://:8443/", "http://health.example.com:8080"])
def test_what_a_proxy_calls_its_site_is_taken(monkeypatch: pytest.MonkeyPatch, site: str) -> None:
    """As deploy/compose.proxy.yml passes it on; a port alone names no host."""
    monkeypatch.setenv("ALLOWED_HOSTS", f"api,{site},")
    named = {"health.example.com"} if "example" in site else set()
    assert ApiSettings.load().hosts == {"api", "localhost"} | named
    assert AccessSettings.load().hosts == {"api", "localhost"} | named


# Address, published, guarded, by a proxy: does it start?
CASES = [
    ("127.0.0.1", "", False, False, True), ("localhost", "", False, False, True), ("::1", "", False, False, True),
    ("0.0.0.0", "", False, False, False), ("::", "", False, False, False), ("10.1.2.3", "", False, False, False),
    ("0.0.0.0", "127.0.0.1:8501", False, False, True), ("0.0.0.0", "8501", False, False, False),
    ("0.0.0.0", "0.0.0.0:8501", False, False, False), ("127.0.0.1", "8501", False, False, False),
    ("0.0.0.0", "[::]:8501", False, False, False), ("0.0.0.0", "[::1]:8501", False, False, True),
    ("0.0.0.0", "8501", True, False, True), ("0.0.0.0", "", True, False, True), ("0.0.0.0", "8501", False, True, True),
    ("0.0.0.0", "", False, True, True),
]  # fmt: skip


@pytest.mark.parametrize(("bound", "published", "guarded", "by_proxy", "starts"), CASES)
@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_nobody_starts_open_to_others(
    bound: str, published: str, guarded: bool, by_proxy: bool, starts: bool, environment: str
) -> None:
    api = ApiSettings(api_host=bound, api_publish=published, access_by_proxy=by_proxy, backend_env=environment)
    app = AccessSettings(app_publish=published, access_by_proxy=by_proxy)
    for settings, listening in ((api, api.listen_address()), (app, app.listen_address(bound))):
        if starts:
            require_protection(settings, listening, guarded=guarded)
            continue
        with pytest.raises(ConfigError, match=r"accepts connections from other machines .* ACCESS_BY_PROXY=true"):
            require_protection(settings, listening, guarded=guarded)


def refused(module: str, *words: str, **environment: str) -> str:
    """The one line with which a program ends."""
    program = start(module, *words, environment=environment, alarm=60)
    _, said = program.communicate()
    assert program.returncode == 2, said
    [line] = said.strip().splitlines()
    return line


def test_programs_that_would_be_open_end_with_one_line(stored: str) -> None:
    known = {"DATABASE_URL": stored, "BACKEND_ENV": "dev"}
    port = str(free_port())
    anywhere = ("--server.port", port, "--server.address", "0.0.0.0")
    dashboard = ("streamlit", "run", "app/main.py")
    line = refused("api", API_HOST="0.0.0.0", API_PORT=port, **known)
    assert line.startswith(
        "API_KEYS: API_HOST=0.0.0.0 accepts connections from other machines and no key is set; set API_KEYS, or "
    )
    assert refused("api", API_PUBLISH="3000", API_PORT=port, **known).startswith("API_KEYS: API_PUBLISH=3000")
    words = [each.format(port=port) for each in UVICORN]
    line = refused(*words, "--host", "0.0.0.0", **known)
    assert line.startswith("API_KEYS: --host=0.0.0.0 accepts connections from other machines")
    line = refused(*dashboard, *anywhere, **known)
    assert line.startswith(
        "AUTH_OIDC_METADATA_URL: --server.address=0.0.0.0 accepts connections from other machines and there is no login"
    )
    line = refused(*dashboard, "--server.port", port, APP_PUBLISH="8501", **known)
    assert line.startswith("AUTH_OIDC_METADATA_URL: APP_PUBLISH=8501 accepts connections from other machines")


def test_containers_start_as_compose_publishes_them(stored: str, folder: Path) -> None:
    inside = ("streamlit", "run", "app/main.py", "--server.port", "{port}", "--server.address", "0.0.0.0")
    with serving(inside, folder, DATABASE_URL=stored, APP_PUBLISH="127.0.0.1:8501") as server:
        assert ask(server, "GET", "/").status == 200
    with serving(("api",), folder, DATABASE_URL=stored, API_HOST="0.0.0.0", API_PUBLISH="127.0.0.1:3000",
                 ALLOWED_HOSTS="api,", ACCESS_BY_PROXY="", FORWARDED_ALLOW_IPS="") as api:  # fmt: skip
        assert ask(api, "GET", "/api/runs", {"Host": "api:3000"}).status == 200


def test_streamlit_s_own_command_listens_on_this_machine_alone(stored: str, folder: Path) -> None:
    with serving(("streamlit", "run", "app/main.py", "--server.port", "{port}"), folder, DATABASE_URL=stored) as own:
        listening = Path(f"/proc/{own.process.pid}/net/tcp").read_text().splitlines()[1:]
        local = [line.split()[1] for line in listening if line.split()[3] == "0A"]
        assert [each for each in local if each.endswith(f":{own.port:04X}")] == [f"0100007F:{own.port:04X}"]


@pytest.mark.parametrize(
    ("trusted", "sent", "codes"),
    [("", "10.0.0.{}", {401, 429}), ("127.0.0.1", "10.0.0.{}", {401}), ("127.0.0.1", "a client named {}", {401, 429}),
     ("192.0.2.0/24", "10.0.0.{}", {401, 429})],
)  # fmt: skip
@pytest.mark.parametrize("command", [("api",), UVICORN])
def test_an_address_counts_that_a_known_proxy_names(
    stored: str, folder: Path, command: tuple[str, ...], trusted: str, sent: str, codes: set[int]
) -> None:
    known = {"API_KEYS": "a-key-of-the-tests", "API_RATE_LIMIT": "3/minute"} | (
        {"FORWARDED_ALLOW_IPS": trusted} if trusted else {}
    )
    with serving(command, folder, DATABASE_URL=stored, **known) as server:
        answers = [ask(server, "GET", "/api/runs", {"X-Forwarded-For": sent.format(each)}).status for each in range(8)]
    assert set(answers) == codes


def test_no_escape_sequence_gets_from_a_stranger_to_the_terminal(stored: str, folder: Path) -> None:
    dashboard = ("streamlit", "run", "app/main.py", "--server.port", "{port}")
    with serving(dashboard, folder, DATABASE_URL=stored, BACKEND_ENV="dev", **LOGIN) as server:
        host = {"Host": "health.example.com"}
        ask(server, "GET", "/oauth2callback?error=%1b%5D0;OWNED%07&error_description=%1b%5B2J", host)
        ask(server, "GET", "/%1b%5D0;OWNED%07", host)
        log = server.log.read_text()
    assert "OWNED" in log
    assert "\x1b" not in log
    assert "\x07" not in log
    with serving(UVICORN, folder, DATABASE_URL=stored, BACKEND_ENV="dev") as api:
        ask(api, "GET", "/api/%1b%5D0;OWNED%07")
        assert "\x1b" not in api.log.read_text()
