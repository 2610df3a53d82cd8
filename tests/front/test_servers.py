"""Every address of both programs, as a stranger, another site and a page with a rebound name reach it."""

import json
import re
import socket
from functools import cache

import pytest

from api.main import create_app
from api.settings import ApiSettings
from app.routes import PAGES
from tests.front.conftest import KEY
from tests.front.programs import Server, ask, handshake, head, read

MEGABYTE = b"[" + b"[]," * 349_524 + b"[]]"
AUTHORIZED = {"Authorization": f"Bearer {KEY}"}
JSON = {"Content-Type": "application/json"}
SILENCE = json.dumps({"repos": ["*"], "duration_seconds": 60, "author": "t"}).encode()
# Streamlit's addresses, used or not, and those of ours.
OF_DASHBOARD = [*(f"/{page}" for page in PAGES), "/logs/1/10/outline", "/static/js/x.js", "/app/static/logo.svg",
                "/_stcore/health", "/_stcore/host-config", "/_stcore/stream", "/_stcore/metrics", "/media/x.csv",
                "/_stcore/upload_file/a/b", "/_stcore/bidi-components/a/b.js", "/component/a/b.js",
                "/_stcore/script-health-check", "/_stcore/agent/mcp", "/log-viewer-0.js", "/palette-0.js",
                "/palette.json", "/health/live", "/nothing",
                "/health/ready", "/auth/login", "/oauth2callback", "/sign-in"]  # fmt: skip


@cache
def routes_of_api() -> list[tuple[str, str]]:
    """All of the program's own routes, with numbers in place of parameters, and some that it does not have."""
    app = create_app(ApiSettings())
    described = [
        (method.upper(), re.sub(r"{\w+}", "1", path))
        for path, methods in app.openapi()["paths"].items()
        for method in methods
    ]
    paths = [path for route in app.routes if (path := getattr(route, "path", ""))]
    others = [(method, path) for path in paths for method in ("GET", "POST")]
    return [*described, *others, ("POST", "/api/nothing"), ("PATCH", "/api/runs"), ("GET", "/nothing")]


def routes_of(server: Server) -> list[tuple[str, str]]:
    if server.module == "api":
        return routes_of_api()
    return [(method, path) for path in OF_DASHBOARD for method in ("GET", "POST", "PUT", "DELETE")]


def test_all_routes_are_walked() -> None:
    assert len(routes_of_api()) > 35
    assert {("POST", "/api/alerts/rules"), ("PUT", "/api/alerts/rules/1"), ("POST", "/api/webhooks/github"),
            ("POST", "/api/alerts/1/acknowledge"), ("GET", "/api/badge/1/1.svg")} <= set(routes_of_api())  # fmt: skip


def test_a_foreign_host_is_answered_nowhere(server: Server) -> None:
    for method, path in routes_of(server):
        answer = ask(server, method, path, {"Host": f"evil.example:{server.port}", "Origin": "http://evil.example"})
        assert answer.status == 421, (method, path)
        assert "evil" not in str(answer.headers) + answer.body.decode()
        assert "ALLOWED_HOSTS" in json.loads(answer.body)["detail"] or method == "HEAD"


def test_a_foreign_page_sends_nothing_anywhere(server: Server) -> None:
    port = server.port
    pages = [
        {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": f"http://localhost:{port + 1}"},
        {"Origin": f"http://127.0.0.1:{port}.evil.example"}, {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site"}, {"Origin": f"http://127.0.0.1:{port}", "Sec-Fetch-Site": "cross-site"},
        {"Origin": ""},
    ]  # fmt: skip
    for method, path in routes_of(server):
        if method not in ("GET", "HEAD", "OPTIONS"):
            for page in pages:
                assert ask(server, method, path, page).status == 403, (method, path, page)


def test_a_key_opens_whatever_the_page_says(locked_api: Server) -> None:
    foreign = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
    sent = ask(locked_api, "POST", "/api/alerts/silences", {**AUTHORIZED, **JSON, **foreign}, SILENCE)
    assert sent.status == 201
    assert ask(locked_api, "POST", "/api/alerts/silences", {**JSON, **foreign}, SILENCE).status == 403


def test_a_megabyte_without_a_key_is_refused_by_the_headers(locked_api: Server) -> None:
    before = locked_api.most_memory
    for method, path in routes_of_api():
        if path.startswith("/api/") and method not in ("HEAD", "OPTIONS") and "badge" not in path:
            expected = 404 if "webhooks" in path and method == "POST" else 401
            answer = ask(locked_api, method, path, JSON, MEGABYTE)
            assert answer.status == (405 if "webhooks" in path and method != "POST" else expected), (method, path)
    assert locked_api.most_memory - before < 16 * 2**20


@pytest.mark.parametrize("chunked", [False, True])
def test_a_megabyte_is_too_large_with_or_without_its_length(open_api: Server, chunked: bool) -> None:
    before = open_api.most_memory
    for method, path in routes_of_api():
        if path.startswith("/api/") and method in ("POST", "PUT", "DELETE") and "webhooks" not in path:
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(MEGABYTE), MEGABYTE) if chunked else MEGABYTE
            how = {"Transfer-Encoding": "chunked"} if chunked else {}
            sized = {"Content-Length": str(len(MEGABYTE))} if not chunked else {}
            answer = _raw(open_api, method, path, {**JSON, **how, **sized}, body)
            assert answer == 413, (method, path)
    assert open_api.most_memory - before < 16 * 2**20


def _raw(server: Server, method: str, path: str, headers: dict[str, str], body: bytes) -> int:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(head(server, method, path, headers) + body)
        return read(connection).status


def test_a_megabyte_leaves_the_dashboard_as_it_was(open_dashboard: Server, locked_dashboard: Server) -> None:
    open_files = ("/health", "/_stcore/health", "/app/static", "/auth/", "/oauth2callback", "/sign-in")
    for each in (open_dashboard, locked_dashboard):
        before = each.most_memory
        for path in OF_DASHBOARD:
            host = {"Host": "health.example.com"}
            for method in ("POST", "PUT"):
                status = ask(each, method, path, host, MEGABYTE).status
                if each is locked_dashboard and not path.startswith(open_files):
                    assert status == 401, path
                else:
                    assert status in (401, 404, 405, 413, 415, 422, 302), (path, status)
        assert each.most_memory - before < 24 * 2**20


def test_a_form_of_a_page_that_says_nothing_of_itself_changes_nothing(open_api: Server) -> None:
    """As browsers send it that know neither Origin nor Sec-Fetch-Site."""
    for kind in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"):
        for path in ("/api/alerts/1/acknowledge", "/api/alerts/test", "/api/alerts/silences"):
            assert ask(open_api, "POST", path, {"Content-Type": kind}, b"a=1").status == 415
            assert ask(open_api, "POST", path, {"Content-Type": kind, "Content-Length": "0"}).status == 415


def test_programs_and_own_pages_go_on(open_api: Server, open_dashboard: Server) -> None:
    assert ask(open_api, "POST", "/api/alerts/silences", JSON, SILENCE).status == 201
    own = {"Origin": open_api.own, "Sec-Fetch-Site": "same-origin"}
    assert ask(open_api, "POST", "/api/alerts/silences", {**JSON, **own}, SILENCE).status == 201
    assert ask(open_api, "POST", "/api/alerts/77/acknowledge").status == 404
    for host in ("localhost", "LOCALHOST:1", "[::1]:3000", "health.internal", "[fd00::7]", "127.0.0.1"):
        assert ask(open_api, "GET", "/api/runs", {"Host": host}).status == 200, host
    for host in ("localhost.", "127.1", "2130706433", "[::ffff:127.0.0.1]", "10.0.0.9", "localhost@evil", "", "a b"):
        assert ask(open_api, "GET", "/api/runs", {"Host": host}).status in (400, 421), host
    assert ask(open_dashboard, "GET", "/runs", {"Host": "health.example.com"}).status == 200


def test_a_redirect_leads_to_no_other_host(open_api: Server) -> None:
    assert ask(open_api, "GET", "/api/runs/", {"Host": "evil.example"}).status == 421
    assert ask(open_api, "GET", "/api/runs/").headers["location"] == f"{open_api.own}/api/runs"
    behind = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "Forwarded": "host=evil.example"}
    assert ask(open_api, "GET", "/api/runs/", behind).headers["location"] == f"{open_api.own}/api/runs"


def test_a_page_of_another_site_has_no_log_fetched(open_api: Server) -> None:
    for page in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}):
        assert ask(open_api, "GET", "/api/logs/1", page).status == 403
    assert ask(open_api, "GET", "/api/logs/1").status == 202


def test_a_websocket_is_for_own_pages(open_dashboard: Server) -> None:
    port = open_dashboard.port
    for headers in ({}, {"Origin": open_dashboard.own}, {"Host": f"localhost:{port}", "Origin": f"http://localhost:{port}"},
                    {"Host": "health.example.com", "Origin": "https://health.example.com"},
                    # Behind a proxy that names another host.
                    {"Origin": "https://health.example.com"}):  # fmt: skip
        assert handshake(open_dashboard, headers).status == 101, headers
    for headers in ({"Origin": "http://evil.example"}, {"Origin": f"http://localhost:{port + 1}"}, {"Origin": "null"},
                    {"Host": f"localhost:{port}", "Origin": f"http://127.0.0.1:{port}"}):  # fmt: skip
        assert handshake(open_dashboard, headers).status == 403, headers
    rebound = {"Host": f"evil.example:{port}", "Origin": f"http://evil.example:{port}"}
    assert handshake(open_dashboard, rebound).status == 421
    assert handshake(open_dashboard, path="/_stcore/other").status == 404
    assert handshake(open_dashboard, path="/").status == 404


def test_the_dashboard_has_named_addresses_alone(open_dashboard: Server) -> None:
    for path in ("/_stcore/upload_file/a/b", "/_stcore/metrics", "/_stcore/bidi-components/a/b.js", "/component/a/b.js",
                 "/_stcore/agent/openapi.json", "/_stcore/script-health-check", "/nothing", "/runs/x", "/auth/login",
                 "//logs/1/10/outline", "/oauth2callback", "/RUNS"):  # fmt: skip
        for method in ("GET", "PUT", "DELETE", "OPTIONS", "POST"):
            assert ask(open_dashboard, method, path).status == 404, (method, path)
    for path in (*(f"/{page}" for page in PAGES), "/_stcore/health", "/_stcore/host-config", "/health/live",
                 "/favicon.png", "/app/static/inter-latin.woff2"):  # fmt: skip
        assert ask(open_dashboard, "GET", path).status == 200, path
        assert ask(open_dashboard, "POST", path).status == 405, path
