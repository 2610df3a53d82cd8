"""Servers that repeat the secret they were sent, among characters that a terminal obeys: neither reaches the database,
an answer of the API, a page or a terminal."""

import base64
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from api.main import create_app as create_api
from api.settings import ApiSettings
from collector.bootstrap import make_collector
from collector.commands import CollectorCommands
from collector.github.client import GitHubClient
from collector.settings import CollectorSettings
from db.models import Base
from demo.world.world import utc_now
from tests.app.conftest import Open, TestClient
from tests.collector.program import collector
from tests.simulator.app import create_app, running
from tests.simulator.world import EditableWorld

TOKEN = "canary4Qx9Zr2Lk5Vt8Wn"
HIDDEN = re.compile("canary|4Qx9Zr2L|Vt8Wn|" + "|".join(
    base64.b64encode(b"\0" * shift + TOKEN.encode()).decode()[4:-6] for shift in range(3)))  # fmt: skip
UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
# A repository of each name answers so to what matches.
KINDS = {
    "repository": r"/repos/acme/repository$",
    "workflows": r"/actions/workflows$",
    "file": r"/contents/",
    "runs": r"/actions/runs$",
    "run": r"/actions/runs/\d+$",
    "jobs": r"/actions/runs/\d+/(attempts/\d+/)?jobs$",
    "logs": r"/logs$",
    "annotations": r"/annotations$",
}
LISTS = r"^/(orgs|users)/evil|^/user"


def message(authorization: str) -> str:
    token = authorization.partition(" ")[2] or "nothing"
    encoded = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    return (
        f"\x1b]0;OWNED\x07\x1b[2J\x1b[31mno\u202e {authorization}\x9b31m, {token}, {token[:9]}\x1b[0m{token[9:]}, "
        f"{token[:9]}\x00{token[9:]}, {encoded}\r\nHTTP/1.1 200 OK"
    )


class Repeating:
    """The simulator, but for these paths."""

    def __init__(self, simulator: ASGIApp, status: int) -> None:
        self._simulator, self._status = simulator, status

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _is_hostile(scope["path"]):
            said = message(Request(scope).headers.get("authorization", ""))
            await JSONResponse({"message": said}, self._status)(scope, receive, send)
        else:
            await self._simulator(scope, receive, send)


def _is_hostile(path: str) -> bool:
    named = re.match(r"/repos/acme/(\w+)", path)
    return bool(re.search(LISTS, path) or (named and re.search(KINDS[named[1]], path)))


@contextmanager
def hostile(status: int) -> Iterator[str]:
    world = EditableWorld(utc_now)
    for name in KINDS:
        repo = f"acme/{name}"
        world.add_repository(repo)
        world.add_workflow(repo, "CI")
        for hours in (1, 2, 3):
            world.add_run(
                repo, "CI", conclusion="failure", event="schedule", created_at=utc_now() - timedelta(hours=hours)
            )
    with running(Repeating(create_app(world, tokens={TOKEN}), status)) as url:
        yield url


def stored(engine: Engine) -> str:
    """All texts of all tables."""
    with engine.connect() as connection:
        rows = [row for table in Base.metadata.sorted_tables for row in connection.execute(select(table))]
    return "\n".join(_text(value) for row in rows for value in row)


def _text(value: Any) -> str:
    if isinstance(value, dict | list):
        return "\n".join(_text(each) for each in (value.values() if isinstance(value, dict) else value))
    # Histograms and logs are no texts; a secret is one there, too.
    return UNFIT.sub("", value.decode("utf-8", "replace")) if isinstance(value, bytes) else str(value)


def check(where: str, text: str) -> None:
    found = HIDDEN.search(text) or UNFIT.search(text)
    assert found is None, f"{where}: {text[max(0, found.start() - 200) : found.end() + 50]!r}"


@pytest.mark.parametrize("status", [401, 403, 404, 422, 429, 500])
def test_what_a_server_repeats_is_shown_nowhere(empty: Engine, open_page: Open, status: int) -> None:
    database = str(empty.url)
    with hostile(status) as url:
        settings = CollectorSettings.load(
            database_url=database, github_token=TOKEN, github_api_url=url,
            github_repos=",".join([*(f"acme/{name}" for name in KINDS), "evil/*"]),
        )  # fmt: skip
        made = make_collector(settings, empty, GitHubClient(url, TOKEN, sleep=lambda seconds: None))
        outcome = CollectorCommands(made).sync_once()
    assert outcome.failures or outcome.rate_limited
    check("database", stored(empty))
    with TestClient(create_api(ApiSettings(database_url=database)), base_url="http://localhost") as client:
        for path in ("/health", "/health/ready", "/api/repositories", "/api/runs", "/metrics"):
            answer = client.get(path)
            # As a terminal shows it: JSON writes these characters as escapes.
            check(path, answer.text + (_text(answer.json()) if "json" in answer.headers["content-type"] else ""))
    page = open_page("collector")
    check("page", "\n".join(each.proto.body for each in page.get("html")))
    check("page", "\n".join(str(each.value) for each in page.markdown))
    tables = "\n".join(each.proto.body for each in page.get("html") if 'data-table="repositories"' in each.proto.body)
    assert str(status) in tables or outcome.rate_limited
    check("page", tables)


def test_terminals_are_sent_neither(tmp_path: Path, empty: Engine) -> None:
    with hostile(403) as url:
        given = {
            "GITHUB_API_URL": url, "GITHUB_TOKEN": TOKEN, "DATABASE_URL": str(empty.url), "COLLECT_LOGS": "failed",
            "GITHUB_REPOS": ",".join([*(f"acme/{name}" for name in KINDS), "evil/*"]),
        }  # fmt: skip
        for command in ("sync", "doctor"):
            done = collector(command, **given)
            assert done.returncode == 1
            assert "403" in done.stdout + done.stderr
            for name, text in (("stdout", done.stdout), ("stderr", done.stderr)):
                check(f"{command} {name}", text)
