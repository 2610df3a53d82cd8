"""Every route of the API for every kind of caller: the statuses of `api_matrix.tsv`, and no word of a private team's
repository for callers outside the team."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from api.main import create_app, openapi
from api.settings import ApiSettings
from db.api_keys import KeyLimits, create_key
from db.audit import COMMAND
from db.engine import make_engine, write_scope
from db.enums import KeyScope
from tests.access import private_team
from tests.access.private_team import HIDDEN, HIDDEN_RUN, MARKER
from tests.api.conftest import NOW, TestClient

MATRIX = Path(__file__).with_name("api_matrix.tsv")
# The column of each caller, and the key. Administrators come last: they delete what others cannot.
CALLERS: dict[str, tuple[KeyScope, KeyLimits] | None] = {
    "no key": None,
    "read": (KeyScope.READ, KeyLimits()),
    "write": (KeyScope.WRITE, KeyLimits()),
    "repository": (KeyScope.WRITE, KeyLimits(repositories=("acme/web",))),
    "other team": (KeyScope.WRITE, KeyLimits(team_key="web")),
    "member": (KeyScope.READ, KeyLimits(team_key="secret")),
    "admin": (KeyScope.ADMIN, KeyLimits()),
}
# Callers that see the repository of the private team.
_MEMBERS = {"member", "admin"}
# Routes outside of the OpenAPI document; they have no data.
_DOCUMENTS = ("/", "/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc")
_QUERIES = {
    "/api/metrics/groups": "?by=repo",
    "/api/metrics/series": "?interval=day",
    "/api/logs/search": f"?q={MARKER}",
    "/api/alerts/silences": "?state=active",
    "/api/digest": "?week=2026-11-16",
    "/api/alerts/route": f"?repo={HIDDEN}&severity=critical",
}
# Names in paths that are not those of repositories.
_NAMES = {"/api/teams": {"name": private_team.PRIVATE_TEAM}, "/api/channels": {"name": "slack"}}
# What the path or the query of the request contains is no secret; the body may repeat it.
_ECHOES = {"/api/alerts/route"}


@pytest.fixture(scope="module")
def filled(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = make_engine(f"sqlite:///{shutil.copy(sqlite_template, tmp_path_factory.mktemp('access') / 'api.db')}")
    private_team.fill(engine)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def keys(filled: Engine) -> dict[str, str]:
    """The header of each caller."""
    with write_scope(filled) as session:
        return {
            caller: "Bearer " + create_key(session, COMMAND, f"{caller} key", limited[0], NOW, limits=limited[1])[1]
            for caller, limited in CALLERS.items()
            if limited
        }


@pytest.fixture(scope="module")
def client(filled: Engine, keys: dict[str, str]) -> Iterator[TestClient]:
    url = filled.url.render_as_string()
    app = create_app(ApiSettings(database_url=url, api_rate_limit="none"), clock=lambda: NOW)
    with TestClient(app, base_url="http://localhost", follow_redirects=False) as found:
        yield found


def _routes() -> list[tuple[str, str]]:
    """Method and path of all routes of the application, reading ones first."""
    described = [(method.upper(), path) for path, methods in openapi()["paths"].items() for method in methods]
    described += [("GET", path) for path in _DOCUMENTS]
    return sorted(described, key=lambda route: (route[0] != "GET", route[1], route[0]))


def _address(engine: Engine, template: str) -> str:
    """The path with the ids and names of what belongs to the private team."""
    rules = private_team.rule_ids(engine, cause="cause" in template)
    values: dict[str, object] = {
        "run_id": HIDDEN_RUN,
        "alert_id": private_team.alert_ids(engine)[2],
        "rule_id": rules[2],
        "silence_id": 2,
        "fingerprint": private_team.fingerprints(engine)[2],
        "owner": "acme",
        "name": MARKER,
    }
    values |= next((named for prefix, named in _NAMES.items() if template.startswith(prefix)), {})
    return template.format(**values)


def _table(client: TestClient, engine: Engine, keys: dict[str, str]) -> list[str]:
    """A row for each route: the status for each caller, with + if the body contains the marker."""
    rows = ["\t".join(("method", "route", *CALLERS))]
    for method, template in _routes():
        address = _address(engine, template) + (_QUERIES.get(template, "") if method == "GET" else "")
        cells = []
        for caller in CALLERS:
            headers = {"Authorization": keys[caller]} if caller in keys else {}
            response = client.request(method, address, headers=headers, json=None if method == "GET" else {})
            is_named = MARKER in response.text and template not in _ECHOES
            cells.append(f"{response.status_code}{'+' if is_named else ''}")
            assert not is_named or caller in _MEMBERS, f"{caller}: {method} {address}: {response.text[:2000]}"
        rows.append("\t".join((method, template, *cells)))
    return rows


def test_application_routes_are_in_the_table(client: TestClient) -> None:
    """A route that the OpenAPI document leaves out would have no row."""
    paths = {getattr(route, "path", None) for route in client.app.routes}  # type: ignore[attr-defined]
    assert paths - {None} == {*_DOCUMENTS, "/static-offline-docs"}


@pytest.mark.parametrize("caller", [caller for caller in CALLERS if caller not in {*_MEMBERS, "no key"}])
def test_hidden_and_unknown_are_the_same(client: TestClient, filled: Engine, keys: dict[str, str], caller: str) -> None:
    """Status and text do not tell whether a repository, run, alert or rule exists."""
    headers = {"Authorization": keys[caller]}
    hidden = str(HIDDEN_RUN)
    for address in (
        f"/api/runs/{hidden}", f"/api/runs/{hidden}/jobs", f"/api/logs/{hidden}", f"/api/runs?repo={HIDDEN}",
        f"/api/export/runs?repo={HIDDEN}", f"/api/alerts?repo={HIDDEN}", f"/api/workflows?repo={HIDDEN}",
        f"/api/badge/{HIDDEN}.svg",
    ):  # fmt: skip
        unknown = address.replace(hidden, "987").replace(HIDDEN, "acme/xyzzy")
        one, other = client.get(address, headers=headers), client.get(unknown, headers=headers)
        assert one.status_code == other.status_code in (404, 422), address
        assert one.text.replace(hidden, "987").replace(HIDDEN, "acme/xyzzy") == other.text, address
        assert client.get(address, headers={"Authorization": keys["admin"]}).status_code == 200, address


def test_figures_do_not_include_hidden_runs(client: TestClient, keys: dict[str, str]) -> None:
    """Also not from the cache of responses, which all callers use."""
    for _ in range(2):
        counts = {
            caller: client.get("/api/metrics?since=30d", headers={"Authorization": key}).json()["runs"]["total"]
            for caller, key in keys.items()
        }
        assert counts == {caller: 12 if caller == "admin" else 6 for caller in keys}


def test_every_route_answers_every_caller_as_the_table_says(
    client: TestClient, filled: Engine, keys: dict[str, str]
) -> None:
    """The last test, because administrators delete. For a new route, add the row that the failure shows, after a look
    at each of its cells."""
    table = _table(client, filled, keys)
    assert table == MATRIX.read_text("utf-8").splitlines()
