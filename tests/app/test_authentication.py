"""With a login, nothing of the dashboard goes to anybody who is not signed in."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import Engine
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from streamlit.auth_util import set_cookie_with_chunks
from streamlit.web.server.starlette.starlette_app_utils import create_signed_value

from app.access.sessions import CLAIM, SESSIONS, Sessions, person_id
from app.data.connection import reset_engine
from app.routes import PAGES
from app.server import authentication, middleware
from app.server.routes import routes
from app.server.sign_in import MAX_ATTEMPTS, SIGN_IN_LIMITER, SignInLimiter
from db.access import end_sessions
from db.engine import write_scope
from db.replica import ReplicaRouter
from tests.app.conftest import AUTH, Open, TestClient
from tests.app.seeding import RERUN, Seeded

ORIGIN, SECRET = AUTH["APP_URL"], AUTH["AUTH_COOKIE_SECRET"]
STREAM = "wss://health.example.com/_stcore/stream"
ALICE = {"sub": "1", "email": "alice@example.com", "email_verified": True}
MALLORY = {"sub": "2", "email": "<b>m</b>@evil-example.com"}
# All that Streamlit serves besides, what we do, and what neither does yet.
SHUT = [f"/logs/{RERUN}/4/outline", f"/logs/{RERUN}/4/text", "/_stcore/metrics", "/_stcore/host-config",
        "/_stcore/bidi-components/a/b.js", "/_stcore/upload_file/a/b", "/_stcore/agent/openapi.json",
        "/_stcore/script-health-check", "/media/0123.csv", "/component/a/index.html", "/static/js/index.js",
        "/log-viewer-0.js", "/palette-0.js", "/palette.json?q=web", "/nothing", "/health",
        "/health/live/../../logs/1/2/text", "//logs/1/2/text",
        "/auth/login/x", "/sign-in/x", "/_stcore/health/", "/OAUTH2CALLBACK"]  # fmt: skip


@pytest.fixture
def client(with_login: None) -> Iterator[TestClient]:
    SIGN_IN_LIMITER.clear()
    rest = [Route("/{rest:path}", _rest, methods=["GET", "POST"]), WebSocketRoute("/_stcore/stream", _echo)]
    with TestClient(Starlette(routes=[*routes(), *rest], middleware=middleware.MIDDLEWARE), base_url=ORIGIN,
                    follow_redirects=False) as found:  # fmt: skip
        yield found


async def _rest(request: Request) -> PlainTextResponse:
    answer = PlainTextResponse("of the dashboard")
    if request.url.path == "/auth/login":
        answer.status_code = 400
    if request.query_params.get("code") == "good":
        answer.set_cookie("_streamlit_user", "signed", httponly=True, samesite="lax", max_age=2_592_000)
    if request.url.path == "/oauth2callback":
        answer.status_code, answer.headers["location"] = 302, "/"
    return answer


async def _echo(socket: WebSocket) -> None:
    await socket.accept()
    with suppress(WebSocketDisconnect):
        while True:
            await socket.send_text(await socket.receive_text())


def cookies(person: dict[str, Any], *, age: float = 60, origin: str = ORIGIN, secret: str = SECRET,
            **more: object) -> dict[str, str]:  # fmt: skip
    """As Streamlit sets them."""
    found: dict[str, str] = {}
    content = person | {"iat": time.time() - age, "origin": origin, "is_logged_in": True, "provider": "default"} | more

    def sign(name: str, value: str) -> bytes:
        return create_signed_value(secret, name, value)

    def put(name: str, value: str) -> None:
        found[name] = sign(name, value).decode()

    set_cookie_with_chunks(put, sign, "_streamlit_user", content, cookie_attr_size=80)
    return found


def ask(client: TestClient, path: str, sent: dict[str, str] | None = None, method: str = "GET") -> Any:
    header = "; ".join(f"{name}={value}" for name, value in (sent or {}).items())
    return client.request(method, path, headers={"cookie": header} if header else {})


@pytest.mark.parametrize("path", SHUT)
def test_what_is_not_named_is_shut(client: TestClient, path: str) -> None:
    for method in ("GET", "POST", "HEAD"):
        answer = ask(client, path, method=method)
        assert answer.status_code == 401
        assert "of the dashboard" not in answer.text
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_who_may_in_gets_what_is_there(client: TestClient, seeded: Seeded) -> None:
    signed_in = cookies(ALICE)
    assert ask(client, f"/logs/{RERUN}/4/outline", signed_in).json()["lines"] == 62
    assert ask(client, "/media/0123.csv", signed_in).text == "of the dashboard"
    # Claims of many groups come in several cookies.
    several = cookies(ALICE, groups=[token_hex(16) for _ in range(300)])
    assert len(several) > 2
    assert ask(client, "/media/0123.csv", several).status_code == 200
    del several["_streamlit_user_2"]
    assert ask(client, "/media/0123.csv", several).status_code == 401


def test_a_page_brings_the_token_without_which_its_websocket_is_a_strangers(client: TestClient) -> None:
    first = ask(client, "/runs", cookies(ALICE)).headers["set-cookie"]
    assert re.fullmatch(r"_streamlit_xsrf=2\|[0-9a-f]+\|[0-9a-f]{32}\|\d+; Path=/; SameSite=Lax; Secure", first)
    held = {"_streamlit_xsrf": first.split(";")[0].split("=")[1]}
    client.cookies.clear()
    assert "set-cookie" not in ask(client, "/runs", cookies(ALICE) | held).headers
    assert "set-cookie" in ask(client, "/runs", cookies(ALICE) | {"_streamlit_xsrf": "2|x|y|z"}).headers


def test_health_is_open_and_so_is_what_the_page_for_signing_in_needs(client: TestClient, seeded: Seeded) -> None:
    for path in ("/health/live", "/health/ready", "/_stcore/health", "/app/static/logo.svg"):
        assert ask(client, path).status_code == 200


def test_strangers_are_told_nothing_of_the_database(
    client: TestClient, empty: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    reset_engine()
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'nothing.db'}")
    response = ask(client, "/health/ready")
    assert (response.status_code, response.json()) == (503, {"status": "error"})


FORGED = {
    "unsigned": {"_streamlit_user": json.dumps(ALICE | {"is_logged_in": True, "origin": ORIGIN, "iat": 1_900_000_000})},
    "another secret": cookies(ALICE, secret="another-secret-that-is-long-enough"),
    "another app of the same secret": cookies(ALICE, origin="https://other.example.com"),
    "not signed in": cookies(ALICE, is_logged_in=False),
    "not quite signed in": cookies(ALICE, is_logged_in="true"),
    "another cookie's value": {"_streamlit_user": create_signed_value(SECRET, "_streamlit_session", "{}").decode()},
    "no object": {"_streamlit_user": create_signed_value(SECRET, "_streamlit_user", "[1]").decode()},
    "no JSON": {"_streamlit_user": create_signed_value(SECRET, "_streamlit_user", "x").decode()},
    "a promise of pieces": {"_streamlit_user": create_signed_value(SECRET, "_streamlit_user", "chunks-9").decode()},
    "cut": {"_streamlit_user": cookies(ALICE)["_streamlit_user"][:-2]},
    "longer": {"_streamlit_user": cookies(ALICE)["_streamlit_user"] + "A"},
    "empty": {"_streamlit_user": ""},
    "not ASCII": {"_streamlit_user": "\xff\xfe"},
    "over": cookies(ALICE, age=13 * 3600),
}


@pytest.mark.parametrize("kind", FORGED)
def test_a_cookie_that_is_not_of_this_login_is_none(client: TestClient, kind: str) -> None:
    header = "; ".join(f"{name}={value}" for name, value in FORGED[kind].items()).encode("latin-1")
    for path in (f"/logs/{RERUN}/4/text", "/"):
        answer = client.get(path, headers={"cookie": header})
        assert answer.status_code == 401
        assert "of the dashboard" not in answer.text
    with pytest.raises(WebSocketDisconnect), client.websocket_connect(STREAM, headers={"cookie": header}):
        pytest.fail("It was let in.")


def test_who_may_not_in_is_told_why_and_gets_nothing(client: TestClient) -> None:
    refused = cookies(MALLORY)
    answer = ask(client, "/runs", refused)
    assert answer.status_code == 403
    assert "&lt;b&gt;m&lt;/b&gt;@evil-example.com" in answer.text
    assert "does not have access to this dashboard" in answer.text
    assert 'href="/auth/logout"' in answer.text
    assert ask(client, f"/logs/{RERUN}/4/text", refused).status_code == 403
    header = "; ".join(f"{name}={value}" for name, value in refused.items())
    with pytest.raises(WebSocketDisconnect), client.websocket_connect(STREAM, headers={"cookie": header}):
        pytest.fail("It was let in.")


def test_a_websocket_is_cut_when_its_session_ends(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    header = "; ".join(f"{name}={value}" for name, value in cookies(ALICE, age=12 * 3600 - 1).items())
    monkeypatch.setattr(authentication, "GRACE_SECONDS", -0.4)
    with client.websocket_connect(STREAM, headers={"cookie": header}) as socket:
        socket.send_text("hello")
        assert socket.receive_text() == "hello"
        with pytest.raises(WebSocketDisconnect) as cut:
            socket.receive_text()
        assert cut.value.code == 1008


@pytest.mark.parametrize("page", PAGES)
def test_the_way_in_leads_back_to_the_page(client: TestClient, page: str) -> None:
    answer = ask(client, f"/{page}?repo=acme%2Fapi&q=a%20b")
    assert answer.status_code == 401
    assert "<script" not in answer.text
    link = answer.text.split('class="go" href="')[1].split('"')[0]
    assert link.startswith(f"{ORIGIN}/sign-in?next=")
    started = ask(client, link.removeprefix(ORIGIN).replace("&amp;", "&"))
    assert started.headers["location"].startswith("/auth/login?provider=")
    kept = started.headers["set-cookie"]
    assert all(each in kept for each in ("HttpOnly", "SameSite=Lax", "Secure"))
    name, value = kept.split(";")[0].split("=", 1)
    back = ask(client, "/oauth2callback?state=s&code=good", {name: value})
    assert back.headers["location"] == f"/{page}?repo=acme%2Fapi&q=a%20b"
    [user] = [each for each in back.headers.get_list("set-cookie") if each.startswith("_streamlit_user")]
    assert "Max-Age=43200" in user
    assert user.endswith("; Secure")
    assert back.text == ""


@pytest.mark.parametrize(
    "asked",
    ["//evil.org", "/\\evil.org", "https://evil.org/", "/%2F/evil.org", "\\\\evil.org", "/\t/evil.org", "javascript:x",
     "/runs/../..//evil.org", "/@evil.org", "//evil.org/runs", "/auth/logout", "/logs/1/2/text", "runs", "", "/runs#x",
     "/" + "x" * 4_000],
)  # fmt: skip
def test_the_way_back_leads_nowhere_else(client: TestClient, asked: str) -> None:
    started = client.get("/sign-in", params={"next": asked})
    value = started.headers["set-cookie"].split(";")[0].split("=", 1)[1]
    for sent in (value, asked.encode("latin-1", "replace").decode("latin-1").replace("\t", "%09")):
        back = ask(client, "/oauth2callback?state=s&code=good", {"pipeline_health_next": sent})
        assert back.headers["location"] == "/"


def test_a_line_in_the_way_back_is_no_header(client: TestClient) -> None:
    started = client.get("/sign-in?next=/runs%3Fa%0d%0aset-cookie:%20x=1%0d%0a")
    assert started.headers.get_list("set-cookie") == [started.headers["set-cookie"]]
    value = started.headers["set-cookie"].split(";")[0].split("=", 1)[1]
    back = ask(client, "/oauth2callback?state=s&code=good", {"pipeline_health_next": value})
    assert urlsplit(back.headers["location"]).path == "/runs"
    assert "\n" not in back.headers["location"]


def test_what_does_not_work_says_so(client: TestClient) -> None:
    for path in ("/auth/login?provider=x", "/oauth2callback?state=s&code=bad", "/oauth2callback?error=access_denied"):
        answer = ask(client, path)
        assert (answer.status_code, answer.headers["location"], answer.text) == (302, "/sign-in/failed", "")
    failed = ask(client, "/sign-in/failed", {"pipeline_health_next": "%2Fruns"})
    assert failed.status_code == 401
    assert "Sign-in failed" in failed.text
    assert parse_qs(urlsplit(failed.text.split('class="go" href="')[1].split('"')[0]).query) == {"next": ["/runs"]}
    # Back from signing out.
    assert ask(client, "/oauth2callback").headers["location"] == "/"
    assert client.get("/sign-in", params={"provider": "x"}).status_code == 422


def test_pages_show_nothing_to_a_session_without_a_login(
    client: TestClient, seeded: Seeded, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        pytest.fail("The database was asked.")

    with monkeypatch.context() as patch:
        patch.setattr(ReplicaRouter, "session", never)
        page = open_page(user={}, repo="acme/api")
        assert "not signed in" in page.markdown[1].value
        assert "next=%2F%3Frepo%3Dacme%252Fapi" in str([each.proto for each in page.get("html")])
        page = open_page(user=ALICE | {"is_logged_in": True, "iat": time.time() - 90_000})
        assert "Your session has ended" in page.markdown[1].value
        page = open_page(user=MALLORY | {"is_logged_in": True, "iat": time.time()})
        assert "does not have access to this dashboard" in page.markdown[1].value
        page = open_page(user=ALICE | {"iat": time.time()})
        assert "not signed in" in page.markdown[1].value
    page = open_page(user=ALICE | {"is_logged_in": True, "iat": time.time()})
    assert any("alice@example.com" in str(each.proto) for each in page.sidebar.get("html"))


def test_a_cookie_of_a_lower_generation_has_ended(client: TestClient, empty: Engine) -> None:
    """Written by a session before the person signed out, here or in another process."""
    reset_engine()
    mine, newer, others = cookies(ALICE), cookies(ALICE, **{CLAIM: 1}), cookies(ALICE | {"sub": "9"})
    for sent in (mine, newer, others):
        assert ask(client, "/media/0123.csv", sent).status_code == 200
    ask(client, "/auth/logout", mine)
    assert [ask(client, "/media/0123.csv", sent).status_code for sent in (mine, newer, others)] == [401, 200, 200]
    assert "You have signed out." in ask(client, "/runs", mine).text
    # Raised elsewhere: known here soon after.
    with write_scope(empty) as session:
        assert end_sessions(session, person_id(ALICE), datetime.now(UTC)) == 2
    SESSIONS.clear()
    assert ask(client, "/media/0123.csv", newer).status_code == 401
    assert ask(client, "/media/0123.csv", cookies(ALICE, **{CLAIM: 2})).status_code == 200
    # Neither text nor more than it was.
    assert ask(client, "/media/0123.csv", cookies(ALICE, **{CLAIM: "9"})).status_code == 401
    reset_engine()


def test_without_the_database_what_was_known_last_counts(client: TestClient, empty: Engine) -> None:
    reset_engine()
    mine = cookies(ALICE)
    ask(client, "/auth/logout", mine)
    SESSIONS._generations = {who: (generation, 0.0) for who, (generation, _) in SESSIONS._generations.items()}
    with empty.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE session_generations RENAME TO away")
    assert ask(client, "/media/0123.csv", mine).status_code == 401
    reset_engine()


def test_one_address_signs_in_only_so_often(client: TestClient) -> None:
    """Each asks the provider, or signs something: strangers may not do that without end."""
    answers = [ask(client, "/auth/login?provider=x") for _ in range(MAX_ATTEMPTS + 1)]
    assert 429 not in [each.status_code for each in answers[:-1]]
    assert answers[-1].status_code == 429
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    assert answers[-1].headers["cache-control"] == "no-store"
    assert "wait" in answers[-1].json()["detail"]
    # All else goes on.
    assert ask(client, "/media/0123.csv", cookies(ALICE)).status_code == 200


def test_attempts_are_counted_by_address_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    counter = SignInLimiter()
    clock = [1000.0]
    monkeypatch.setattr("app.server.sign_in.time.monotonic", lambda: clock[0])
    assert [counter.retry_after("a") for _ in range(MAX_ATTEMPTS + 2)] == [0] * MAX_ATTEMPTS + [60, 60]
    assert counter.retry_after("b") == 0
    clock[0] += 59
    assert counter.retry_after("a") == 1
    clock[0] += 1
    assert counter.retry_after("a") == 0
    for number in range(20_000):
        counter.retry_after(str(number))
    assert len(counter._counts) == 10_000


def test_a_database_that_is_away_is_waited_for_once_and_not_by_everybody() -> None:
    away, reads = [False], list[str]()

    def read(who: str) -> int | None:
        reads.append(who)
        return None if away[0] else 3

    sessions = Sessions()
    sessions.set_store(read, read)
    people = [{"iss": "https://id.example.com", "sub": str(number)} for number in range(50)]
    assert sessions.generation(people[0]) == 3
    away[0] = True
    sessions._generations = {person_id(people[0]): (3, 0.0)}
    reads.clear()
    assert [sessions.generation(each) for each in people] == [3] + [0] * 49
    assert len(reads) == 1
    assert all(map(sessions.is_cached, people))
    # Whoever signs in is worth a try, and says that it is back.
    away[0] = False
    assert sessions.generation(people[7], refresh=True) == 3
    assert sessions.generation(people[8]) == 3
