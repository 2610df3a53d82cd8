"""The way through a real provider and back, in a browser and by hand."""

import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest
from sqlalchemy import delete
from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from db.engine import session_scope, write_scope
from db.models import Notification
from health.alerts.storage.notification_queries import latest_test_notifications
from tests.app.provider import ALICE, CLIENT, MALLORY, SECRET, Provider, provider
from tests.app.seeding import Seeded, heartbeat
from tests.e2e.conftest import free_port, served

if TYPE_CHECKING:
    from playwright import sync_api

COOKIE_SECRET = "cookie-secret-of-the-test-0123456789"
ASKED = "/runs?repo=acme%2Fapi"
SESSION_SECONDS = 12 * 3600


@dataclass
class House:
    address: str
    provider: Provider
    log: Path

    def client(self) -> httpx2.Client:
        return httpx2.Client(base_url=self.address, follow_redirects=True, timeout=30)

    def sign_in(self, client: httpx2.Client, asked: str = "/runs") -> httpx2.Response:
        return client.get("/sign-in", params={"next": asked})


@pytest.fixture(scope="module")
def house(seeded: Seeded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    port, log = free_port(), tmp_path_factory.mktemp("login") / "streamlit.log"
    with provider() as found:
        found.redirect = f"http://127.0.0.1:{port}/oauth2callback"
        environment = {
            "AUTH_OIDC_METADATA_URL": found.metadata, "AUTH_OIDC_CLIENT_ID": CLIENT, "AUTH_OIDC_CLIENT_SECRET": SECRET,
            "AUTH_COOKIE_SECRET": COOKIE_SECRET, "AUTH_ALLOWED_DOMAINS": "example.com",
            "APP_URL": f"http://127.0.0.1:{port}", "AUTH_ROLES": "admin:groups=platform,editor:groups=dev",
            "AUTH_OIDC_SCOPES": "openid email profile groups",
        }  # fmt: skip
        with served(seeded.engine, log, environment, port) as address:
            yield House(address, found, log)
    said = log.read_text()
    assert not [each for each in (SECRET, COOKIE_SECRET, "access-token-of-the-test", "code=") if each in said]


@pytest.fixture(scope="module")
def visitor(browser: "sync_api.Browser") -> Iterator["sync_api.Page"]:
    """One for all tests: another one would read and compile all scripts again."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    yield context.new_page()
    context.close()


@pytest.fixture
def page(visitor: "sync_api.Page", house: House) -> "sync_api.Page":
    """Of somebody who never was here."""
    house.provider.person, house.provider.age = dict(ALICE), 0
    visitor.goto(house.address + "/health/live")
    visitor.evaluate("localStorage.clear(), sessionStorage.clear()")
    visitor.context.clear_cookies()
    return visitor


def test_somebody_signs_in_gets_to_the_page_and_signs_out(page: "sync_api.Page", house: House) -> None:
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(house.address + ASKED)
    page.get_by_role("heading", name="Sign in").wait_for()
    page.get_by_role("link", name="Continue with 127.0.0.1").click()
    page.locator("[data-table=runs]").wait_for(timeout=30_000)
    assert page.url == house.address + ASKED
    page.get_by_text("alice@example.com").wait_for()
    assert page.evaluate("document.cookie.includes('_streamlit_user')") is False
    page.get_by_role("link", name="Sign out").click()
    page.get_by_role("heading", name="Sign in").wait_for()
    assert house.provider.signed_out == 1
    assert page.goto(house.address + ASKED).status == 401  # type: ignore[union-attr]
    assert wrong == []


def test_somebody_of_another_domain_is_told_so_and_no_session_begins(page: "sync_api.Page", house: House) -> None:
    house.provider.person = dict(MALLORY)
    opened: list[str] = []
    page.on("websocket", lambda socket: opened.append(socket.url))
    page.goto(house.address + ASKED)
    page.get_by_role("link", name="Continue with 127.0.0.1").click()
    page.get_by_role("heading", name="No access").wait_for()
    assert "mallory@evil-example.com" in page.locator("main").inner_text()
    assert page.url == house.address + ASKED
    assert "acme" not in page.content().replace("repo%3Dacme", "")
    house.provider.person = dict(ALICE)
    page.get_by_role("link", name="Use another account").click()
    page.locator("[data-table=runs]").wait_for(timeout=30_000)
    assert len(opened) == 1


def test_a_page_that_is_open_when_the_session_ends_asks_to_sign_in_and_leads_back(
    page: "sync_api.Page", house: House
) -> None:
    house.provider.age = SESSION_SECONDS - 25
    page.goto(house.address + ASKED)
    page.get_by_role("link", name="Continue with 127.0.0.1").click()
    page.locator("[data-table=runs]").wait_for(timeout=30_000)
    page.get_by_role("heading", name="Sign in").wait_for(timeout=60_000)
    assert page.url == house.address + ASKED
    house.provider.age = 0
    page.get_by_role("link", name="Continue with 127.0.0.1").click()
    page.locator("[data-table=runs]").wait_for(timeout=30_000)


def test_what_the_provider_did_not_mean_for_this_browser_is_not_taken(house: House) -> None:
    house.provider.person = dict(ALICE)
    with house.client() as client:
        house.provider.nonce = "another"
        assert "Sign-in failed" in house.sign_in(client).text
        house.provider.nonce, house.provider.denies = None, True
        assert "Sign-in failed" in house.sign_in(client).text
        house.provider.denies = False
        landed = house.sign_in(client)
        assert landed.status_code == 200
        used = str(landed.history[-1].url)
        assert "/oauth2callback?code=" in used
        assert "_streamlit_user" in client.cookies
    with house.client() as other:
        # Its code again, and a code that never was, by somebody else.
        assert "Sign-in failed" in other.get(used).text
        assert "Sign-in failed" in other.get("/oauth2callback?code=x&state=y").text
        assert "_streamlit_user" not in other.cookies
        assert other.get("/_stcore/metrics").status_code == 401


def test_the_real_server_has_no_other_door(house: House) -> None:
    house.provider.person = dict(ALICE)
    paths = ("/_stcore/metrics", "/_stcore/host-config", "/_stcore/agent/openapi.json", "/media/x.csv", "/static/x.js")
    with house.client() as stranger, house.client() as alice:
        house.sign_in(alice)
        assert [stranger.get(path).status_code for path in paths] == [401] * len(paths)
        assert 401 not in [alice.get(path).status_code for path in paths]
        assert [stranger.get(path).status_code for path in ("/_stcore/health", "/health/ready")] == [200, 200]
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            assert stranger.request(method, "/_stcore/upload_file/a/b").status_code == 401


def test_a_websocket_wants_the_login_the_origin_and_the_token(house: House) -> None:
    with house.client() as alice:
        house.provider.person = dict(ALICE)
        house.sign_in(alice)
        token = alice.cookies["_streamlit_xsrf"]
        held = "; ".join(f"{name}={value}" for name, value in alice.cookies.items())
    for cookie, origin in (("", house.address), (held, "https://evil.example.org"), (f"x{held}", house.address)):
        with pytest.raises(InvalidStatus) as refused:
            socket(house, cookie, origin, token)
        assert refused.value.response.status_code == 403
    with socket(house, held, house.address, token) as whole:
        assert "acme" in sent(whole, "acme")
    # Without the token another site's page could not be told from the dashboard's own.
    with socket(house, held, house.address, "2|0|0|0") as half:
        told = sent(half, "not signed in")
        assert "not signed in" in told
        assert "acme" not in told


def test_an_event_of_a_button_that_is_not_offered_changes_nothing(house: House, seeded: Seeded) -> None:
    """The same messages send a test for an admin, whose group is one of very many."""
    many, page = [f"group-{number:04}" for number in range(2_000)], ("show=silences", "alerts")
    heartbeat(seeded.engine, seeded.now, channels=["slack"])
    for groups, role in (([], "viewer"), (["dev"], "editor"), ([*many, "platform"], "admin")):
        house.provider.person = ALICE | {"groups": groups}
        with house.client() as client:
            house.sign_in(client)
            token = client.cookies["_streamlit_xsrf"]
            held = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        # Many proxies accept no more.
        assert len(held) < 8_000
        with socket(house, held, house.address, token) as opened:
            text = sent(opened, "-test-slack", *page)
            assert f">{role}</small>" in text
            (button,) = set(re.findall(r"\$\$ID-[0-9a-f]+-test-slack", text))
            expected = "test requested" if role == "admin" else f"This needs the role admin; yours is {role}."
            sent(opened, expected, *page, button)
        with session_scope(seeded.engine) as session:
            assert bool(latest_test_notifications(session)) is (role == "admin")
    assert "groups" in house.provider.scope
    # Other files use the same database.
    heartbeat(seeded.engine, seeded.now, demo=True)
    with write_scope(seeded.engine) as session:
        session.execute(delete(Notification).where(Notification.alert_id.is_(None)))


def test_signing_out_ends_every_session_of_the_person(house: House) -> None:
    """Also with a copy of the cookies, also of a page that is open elsewhere, and of nobody else."""
    house.provider.person = dict(ALICE)
    with house.client() as alice, house.client() as bob, house.client() as thief:
        house.sign_in(alice)
        house.provider.person = {"sub": "3", "email": "bob@example.com", "email_verified": True}
        house.sign_in(bob)
        thief.cookies.update(alice.cookies)
        assert thief.get("/runs").status_code == 200
        held = "; ".join(f"{name}={value}" for name, value in thief.cookies.items())
        with socket(house, held, house.address, thief.cookies["_streamlit_xsrf"]) as opened:
            assert "acme" in sent(opened, "acme")
            alice.get("/auth/logout")
            assert "_streamlit_user" not in alice.cookies
            with suppress(ConnectionClosed):
                while True:
                    opened.recv(timeout=30)
            assert (opened.close_code, opened.close_reason) == (1008, "The session has ended.")
        for path in ("/runs", "/_stcore/host-config", "/logs/1/2/text"):
            assert thief.get(path).status_code == 401, path
        assert "You have signed out." in thief.get("/runs").text
        with pytest.raises(InvalidStatus):
            socket(house, held, house.address, thief.cookies["_streamlit_xsrf"])
        # A copy that has ended ends nothing more.
        house.provider.person = dict(ALICE)
        house.sign_in(alice)
        thief.get("/auth/logout")
        assert alice.get("/runs").status_code == 200
        assert thief.get("/runs").status_code == 401
        assert bob.get("/runs").status_code == 200


def test_the_providers_description_is_asked_for_once(house: House) -> None:
    house.provider.person = dict(ALICE)
    with house.client() as client:
        house.sign_in(client)
    before = house.provider.descriptions
    assert before >= 1
    house.provider.is_down = True
    try:
        for _ in range(3):
            with house.client() as client:
                assert house.sign_in(client).status_code == 200
                assert "_streamlit_user" in client.cookies
                client.get("/auth/logout")
    finally:
        house.provider.is_down = False
    assert house.provider.descriptions == before


def socket(house: House, cookie: str, origin: str, token: str) -> ClientConnection:
    address = re.sub("^http", "ws", house.address) + "/_stcore/stream"
    protocols = ["streamlit", token]
    return connect(
        address, origin=origin, subprotocols=protocols, additional_headers={"Cookie": cookie} if cookie else {}
    )  # type: ignore[arg-type]


def sent(connection: ClientConnection, until: str, query: str = "", page: str = "", pressed: str = "") -> str:
    """What the server sends for a run of a page, or for the event of a button of it."""
    asked = BackMsg()
    asked.rerun_script.query_string, asked.rerun_script.page_name = query, page
    if pressed:
        asked.rerun_script.widget_states.widgets.add(id=pressed, trigger_value=True)
    connection.send(asked.SerializeToString())
    found, ends = b"", time.monotonic() + 20
    while until.encode() not in found and time.monotonic() < ends:
        found += connection.recv(timeout=20, decode=False)
    assert until.encode() in found
    return found.decode("utf-8", "replace")
