"""A client that a program makes of /openapi.json works."""

import importlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from db.definitions.records import LogRecord
from db.engine import make_engine, write_scope
from db.logs.log_writes import store_log
from tests.builders import NOON, add_repository, attempt, job, run, store_jobs, store_runs
from tests.notify.servers import free_port
from tests.programs import start

WINDOW = {"since": "2026-11-01T00:00:00Z", "until": "2026-11-20T00:00:00Z"}


@pytest.fixture(scope="module")
def server(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    database_url = f"sqlite:///{shutil.copy(sqlite_template, tmp_path_factory.mktemp('asked') / 'test.db')}"
    engine = make_engine(database_url)
    add_repository(engine)
    store_runs(engine, run(1, minutes=1), run(2, minutes=2, conclusion="failure", branch=None, actor=None))
    store_jobs(engine, 1, job(9), attempts=(attempt(1, "success"),))
    store_jobs(engine, 2, job(20, conclusion="failure"), attempts=(attempt(1, "failure"),))
    with write_scope(engine) as session:
        store_log(session, 1, LogRecord(20, 2, "stored", "boom", error_line="boom", fingerprint="f"), NOON)
    engine.dispose()
    port = free_port()
    program = start("api", environment={"DATABASE_URL": database_url, "API_PORT": str(port), "API_KEYS": "one"})
    url = f"http://127.0.0.1:{port}"
    with requests.Session() as session:
        for _ in range(1200):
            try:
                session.get(f"{url}/health/live", timeout=1)
                break
            except requests.ConnectionError:
                assert program.poll() is None
                time.sleep(0.1)
    yield url
    program.terminate()
    program.wait(15)
    program.close()


@pytest.fixture(scope="module")
def generated(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of the package."""
    tmp_path = tmp_path_factory.mktemp("generated")
    document = tmp_path / "openapi.json"
    document.write_bytes(requests.get(f"{server}/openapi.json", timeout=5).content)
    config = tmp_path / "config.json"
    # Files are bytes to it, once it is told so.
    files = ("image/svg+xml", "text/csv", "application/x-ndjson", "application/vnd.apache.parquet")
    overrides = dict.fromkeys(files, "application/octet-stream")
    config.write_text(json.dumps({"content_type_overrides": overrides, "post_hooks": []}))
    made = subprocess.run(
        [sys.executable, "-m", "openapi_python_client", "generate", "--path", document, "--meta", "none",
         "--output-path", tmp_path / "made_client", "--fail-on-warning", "--config", config],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert made.returncode == 0, made.stdout + made.stderr
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.syspath_prepend(tmp_path)
        yield "made_client"


def test_it_asks_everything(server: str, generated: str) -> None:
    client = importlib.import_module(generated).AuthenticatedClient(base_url=server, token="one")

    def ask(tag: str, operation: str, *path: Any, **parameters: Any) -> Any:
        module = importlib.import_module(f"{generated}.api.{tag}.{operation}")
        answer = module.sync_detailed(*path, client=client, **parameters)
        assert answer.status_code == 200
        return answer.parsed

    by = importlib.import_module(f"{generated}.models").GroupBy.WORKFLOW
    with client:
        page = ask("runs", "list_runs", **WINDOW, repo=["acme/web"], limit=1)
        assert [each.id for each in page.items] == [2]
        assert page.items[0].branch is None
        assert [each.id for each in ask("runs", "list_runs", **WINDOW, cursor=page.next_).items] == [1]
        one = ask("runs", "get_run", 1)
        assert one.jobs[0].steps[0].name == "Set up job"
        assert one.created_at > datetime.fromisoformat(NOON.isoformat())
        figures = ask("metrics", "get_metrics", **WINDOW)
        assert (figures.runs.total, figures.success_rate) == (2, 0.5)
        assert len(ask("metrics", "get_series", **WINDOW).points) == 19
        assert [each.key for each in ask("metrics", "get_groups", **WINDOW, by=by).items] == ["CI"]
        (cause,) = ask("insights", "list_failures", **WINDOW).items
        assert (cause.line, cause.workflows[0].workflow) == ("boom", "CI")
        (failed,) = ask("insights", "get_failure", cause.fingerprint, **WINDOW).items
        assert (failed.id, failed.job_id, failed.line) == (2, 20, "boom")
        assert ask("insights", "list_flaky", **WINDOW, limit=5).total == 0
        assert ask("insights", "list_regressions").items == []
        assert ask("insights", "list_attention", repo=["acme/web"]).at > datetime.fromtimestamp(0, UTC)
        assert ask("repositories", "list_repositories").items[0].repo == "acme/web"
        assert ask("repositories", "list_workflows").items[0].name == "CI"
        assert ask("alerts", "list_alerts").items == []
        assert ask("health", "get_liveness").status == "ok"


def test_it_understands_a_refusal(server: str, generated: str) -> None:
    package = importlib.import_module(generated)
    listing = importlib.import_module(f"{generated}.api.runs.list_runs")
    with package.AuthenticatedClient(base_url=server, token="wrong") as client:
        refused = listing.sync_detailed(client=client)
        assert (refused.status_code, refused.parsed.status) == (401, 401)
    with package.AuthenticatedClient(base_url=server, token="one") as client:
        refused = listing.sync_detailed(client=client, since="yesterday")
        assert refused.parsed.errors[0].parameter == "since"
