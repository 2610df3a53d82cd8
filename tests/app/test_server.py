"""What stands around the dashboard's script, on a server of its own."""

import base64
import gzip
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, event
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from app.routes import CHART_PAGES, PAGES
from app.server import middleware, static_files
from app.server.routes import routes
from app.server.warm_up import warm_up
from app.streamlit_patches import document
from tests.app.conftest import Open, TestClient
from tests.app.seeding import Seeded

ROOT = Path(__file__).parents[2]
SCRIPT = next(iter(sorted(path for path in static_files.static_files() if path.endswith(".js"))))


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    def plain(_: object) -> PlainTextResponse:
        return PlainTextResponse("plain " * 500)

    rest = [Route("/", plain), Route("/app/static/{name}", plain), Route("/static/{rest:path}", plain)]
    with TestClient(
        Starlette(routes=[*routes(), *rest], middleware=middleware.MIDDLEWARE), base_url="http://localhost"
    ) as found:
        yield found


@pytest.mark.parametrize("path", ["/", "/health/live", SCRIPT, "/nothing"])
def test_every_answer_carries_the_security_headers(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    rules = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
    assert rules["frame-ancestors"] == "'self'"
    assert "'unsafe-inline'" not in rules["script-src"]
    assert "'sha256-" in rules["script-src"]


def test_scripts_are_sent_packed_and_kept_for_good(client: TestClient) -> None:
    with client.stream("GET", SCRIPT) as response:
        packed = b"".join(response.iter_raw())
    assert response.headers["content-encoding"] == "gzip"
    assert "immutable" in response.headers["cache-control"]
    assert response.headers["vary"] == "accept-encoding"
    assert "javascript" in response.headers["content-type"]
    assert gzip.decompress(packed) == static_files.static_files()[SCRIPT].read_bytes()


@pytest.mark.parametrize("accepted", ["identity", "br", "gzip;q=0, br"])
def test_who_does_not_take_gzip_gets_what_streamlit_sends(client: TestClient, accepted: str) -> None:
    response = client.get(SCRIPT, headers={"accept-encoding": accepted})
    assert "content-encoding" not in response.headers
    assert response.text.startswith("plain")


def test_no_path_leads_out_of_the_known_files(client: TestClient) -> None:
    for path in ("/static/../../setup.py", "/static/%2e%2e/index.html", "/static/js/nothing.js"):
        assert "immutable" not in client.get(path).headers.get("cache-control", "")


def test_the_first_document_is_packed_and_fonts_are_kept_a_day(client: TestClient) -> None:
    assert client.get("/").headers["content-encoding"] == "gzip"
    assert client.get("/app/static/inter-latin.woff2").headers["cache-control"] == "public, max-age=86400"


@pytest.mark.parametrize("page", PAGES)
def test_the_first_document_names_what_its_page_is_made_of(client: TestClient, page: str) -> None:
    response = client.get(f"/{page}")
    assert response.headers["cache-control"] == "no-cache"
    named = re.findall(r'(?:href|src)="\./(static/[^"]+)"', response.text)
    assert len(named) == len(set(named)) > 60
    assert all((document.STREAMLIT / each).is_file() for each in named)
    assert ("static/js/PlotlyChart." in response.text) is (page in CHART_PAGES)
    assert any("BidiComponent" in each for each in named)
    assert "SourceSans" not in response.text


@pytest.mark.parametrize("page", PAGES)
def test_every_script_in_the_first_document_is_allowed(client: TestClient, page: str) -> None:
    response = client.get(f"/{page}")
    scripts = re.findall(r"<script>(.*?)</script>", response.text, re.DOTALL)
    assert len(scripts) == 2
    for each in scripts:
        digest = base64.b64encode(hashlib.sha256(each.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in response.headers["content-security-policy"]


def test_the_server_starts_before_the_caches_of_the_data(tmp_path: Path) -> None:
    """Streamlit's caches require its runtime, which is created after the server's module has been imported."""
    code = "import runpy, sys; runpy.run_path('app/main.py'); sys.exit('app.data.connection' in sys.modules)"
    environment = {**os.environ, "DATABASE_URL": f"sqlite:///{tmp_path / 'none.db'}", "ACCESS_BY_PROXY": "true"}
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=False).returncode == 0


def test_pages_that_are_not_ours_are_left_to_streamlit(client: TestClient) -> None:
    assert client.get("/nothing").status_code == 404
    assert client.post("/").status_code == 405


def test_health_tells_the_process_from_the_database(
    client: TestClient, empty: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert client.get("/health/ready").json() == {"status": "ok"}
    from app.data.connection import reset_engine

    reset_engine()
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'nothing.db'}")
    response = client.get("/health/ready")
    assert response.status_code == 503
    assert "python -m db upgrade" in response.json()["detail"]
    assert client.get("/health/live").json() == {"status": "ok"}


def test_a_warm_start_leaves_the_first_overview_nothing_to_ask(seeded: Seeded, open_page: Open) -> None:
    asked: list[str] = []
    warm_up()
    from app.data.connection import current_engine

    engine = current_engine()
    event.listen(engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    open_page()
    # How the collection stands is asked for every two seconds, and with it whether there is any run.
    told = [each for each in asked if "metric" in each or "runs" in each.split("FROM", 1)[-1]]
    assert [each for each in told if not each.startswith("SELECT runs.id \nFROM runs")] == []


def test_a_database_that_is_away_does_not_stop_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'nothing.db'}")
    warm_up()
    assert "python -m db upgrade" in caplog.text


def test_unknown_page_is_answered_with_a_page_that_leads_back(client: TestClient) -> None:
    response = client.get("/workflw<b>", headers={"accept": "text/html"})
    assert response.status_code == 404
    assert "no page <b>/workflw&lt;b&gt;</b>" in response.text
    assert 'href="/workflow">Open Workflows' in response.text
    assert 'href="/">Open Overview' in response.text
    assert client.get("/workflw", headers={"accept": "*/*"}).headers["content-type"] == "application/problem+json"
