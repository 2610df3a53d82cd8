"""Every page, route and websocket of the dashboard for every kind of user: the table of `dashboard_matrix.tsv`, and no
word of a private team's repository for users outside the team."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocketDisconnect
from streamlit.testing.v1 import AppTest

from app.access.login import login
from app.data.connection import reset_engine
from app.routes import NAMES, OVERVIEW
from app.server import middleware
from app.server.routes import routes
from db.engine import make_engine
from tests.access import private_team
from tests.access.private_team import HIDDEN_RUN, MARKER
from tests.app.conftest import AUTH, MAIN, TestClient
from tests.app.test_authentication import ORIGIN, STREAM, _echo, cookies

MATRIX = Path(__file__).with_name("dashboard_matrix.tsv")
# The column of each user, and the address in the claims of the sign-in.
USERS: dict[str, str | None] = {
    "nobody": None,
    "viewer": "vic@example.com",
    "editor": "eve@example.com",
    "other team": private_team.OTHER_MEMBER,
    "member": private_team.MEMBER,
    "admin": "root@example.com",
}
_ROLES = "editor:email=eve@example.com,admin:email=root@example.com"
# Users who see the repository of the private team.
_MEMBERS = {"member", "admin"}
_JOB = HIDDEN_RUN * 10
# What a page shows by the parameters of its address, besides the page itself.
_SUBJECTS: list[tuple[str, dict[str, object]]] = [
    ("overview", {"wall": 1}),
    ("workflow", {"id": 20}),
    ("run", {"run_id": HIDDEN_RUN}),
    ("log", {"run_id": HIDDEN_RUN, "job_id": _JOB}),
    ("compare", {"runs": f"{HIDDEN_RUN},{HIDDEN_RUN + 1}"}),
    ("failures", {"cause": "{fingerprint}"}),
    ("alerts", {"alert": "{alert_id}"}),
    ("search", {"q": "returned"}),
]
_ROUTES = {
    "/health/live": "/health/live",
    "/health/ready": "/health/ready",
    "/log-viewer-{name}": "/log-viewer-0.js",
    "/palette-{name}": "/palette-0.js",
    "/palette.json": f"/palette.json?q={MARKER}",
    "/logs/{run_id}/{job_id}/{part}": f"/logs/{HIDDEN_RUN}/{_JOB}/text",
}
_PARTS = ("outline", "lines", "search?q=returned")


@pytest.fixture(scope="module")
def filled(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = make_engine(f"sqlite:///{shutil.copy(sqlite_template, tmp_path_factory.mktemp('access') / 'ui.db')}")
    private_team.fill(engine, datetime.now(UTC).replace(microsecond=0))
    yield engine
    engine.dispose()


@pytest.fixture(autouse=True)
def _database(filled: Engine, with_login: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("DATABASE_URL", filled.url.render_as_string())
    monkeypatch.setenv("AUTH_ROLES", _ROLES)
    login.cache_clear()
    reset_engine()
    yield
    reset_engine()


def _claims(address: str | None) -> dict[str, Any]:
    return {"sub": address, "email": address, "email_verified": True} if address else {}


def _page(name: str, address: str | None, parameters: dict[str, object]) -> str:
    """All that the browser gets of a page."""
    page = AppTest.from_file(str(MAIN), default_timeout=30)
    issued_at = datetime.now(UTC).timestamp() - 60
    page.user = {**_claims(address), "is_logged_in": address is not None, "iat": issued_at}
    for key, value in parameters.items():
        page.query_params[key] = str(value)
    if name != "overview":
        page.switch_page(f"views/{name}.py")
    page.run()
    assert not page.exception, page.exception
    return "\n".join(str(getattr(node, "proto", "")) for node in page._tree)


def _rows_of_pages(engine: Engine) -> list[str]:
    """The pages without and with a subject: + where the page contains the marker, – where it does not."""
    named = {"fingerprint": private_team.fingerprints(engine)[2], "alert_id": private_team.alert_ids(engine)[2]}
    pages: list[tuple[str, dict[str, object]]] = [(path or "overview", {}) for path in NAMES]
    rows = []
    for name, parameters in [*pages, *_SUBJECTS]:
        query = "&".join(f"{key}={value}" for key, value in parameters.items())
        values = {key: str(value).format(**named) for key, value in parameters.items()}
        cells = []
        for user, address in USERS.items():
            shown = _page(name, address, values)
            assert MARKER not in shown or user in _MEMBERS, f"{user}: {name} {query}: {_context(shown)}"
            cells.append("sign-in" if "not signed in" in shown else "+" if MARKER in shown else "–")
        rows.append("\t".join(("page", f"/{name}" + (f"?{query}" if query else ""), *cells)))
    return rows


def _context(text: str) -> str:
    index = text.index(MARKER)
    return text[max(index - 600, 0) : index + 300]


@pytest.fixture
def client() -> Iterator[TestClient]:
    served = Starlette(routes=[*routes(), WebSocketRoute("/_stcore/stream", _echo)], middleware=middleware.MIDDLEWARE)
    with TestClient(served, base_url=ORIGIN, follow_redirects=False) as found:
        yield found


def _rows_of_routes(client: TestClient) -> list[str]:
    """The status for each user, with + if the body contains the marker."""
    rows = []
    parts = {f"/logs/{{run_id}}/{{job_id}}/{part}": f"/logs/{HIDDEN_RUN}/{_JOB}/{part}" for part in _PARTS}
    for path, address in (_ROUTES | parts).items():
        cells = []
        for user, email in USERS.items():
            header = "; ".join(f"{key}={value}" for key, value in cookies(_claims(email)).items()) if email else ""
            response = client.get(address, headers={"cookie": header} if header else {})
            is_named = MARKER in response.text
            assert not is_named or user in _MEMBERS, f"{user}: {address}: {_context(response.text)}"
            cells.append(f"{response.status_code}{'+' if is_named else ''}")
        rows.append("\t".join(("route", path, *cells)))
    return rows


def _row_of_websocket(client: TestClient) -> str:
    cells = []
    for email in USERS.values():
        header = "; ".join(f"{key}={value}" for key, value in cookies(_claims(email)).items()) if email else ""
        try:
            with client.websocket_connect(STREAM, headers={"cookie": header} if header else {}):
                cells.append("open")
        except WebSocketDisconnect as closed:
            cells.append(str(closed.code))
    return "\t".join(("websocket", "/_stcore/stream", *cells))


def test_every_page_and_route_answers_every_user_as_the_table_says(client: TestClient, filled: Engine) -> None:
    """For a new page or route, add the row that the failure shows, after a look at each of its cells."""
    table = ["\t".join(("kind", "address", *USERS)), *_rows_of_pages(filled), *_rows_of_routes(client)]
    table.append(_row_of_websocket(client))
    assert table == MATRIX.read_text("utf-8").splitlines()


def test_every_route_of_the_dashboard_is_in_the_table() -> None:
    assert {route.path for route in routes()} == set(_ROUTES)
    assert OVERVIEW == ""
    assert AUTH["APP_URL"] == ORIGIN
