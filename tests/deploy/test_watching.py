"""The example rules and the dashboard ask for what /metrics really says."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine

from db.collection.counters import NOTIFICATION_RESULTS, CounterName, CounterRegistry, SummaryName, TimestampName
from db.collection.sync_state import record_heartbeat
from db.engine import make_engine, write_scope
from db.migrate import upgrade
from health.alerts.storage.outbox import enqueue
from tests.api.conftest import NOW, MakeClient, make_client  # noqa: F401 - a fixture
from tests.builders import add_repository, run, store_runs
from tests.completeness_rows import add, backfill, delivery, mark_complete

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES, DASHBOARD = DEPLOY / "prometheus" / "alerts.yml", DEPLOY / "grafana" / "pipeline-health.json"
# Histograms and summaries are named by their parts in questions; `up` is Prometheus' own.
_NAME = re.compile(r"\b(?:pipeline_health|process)_[a-z0-9_]+")
_SELECTED = re.compile(r"(\w+)\{([^}]*)\}")
_LABEL = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"')
_GROUPED = re.compile(r"\b(?:by|without|on) \(([\w, ]*)\)")
# Given by Prometheus to whatever it scrapes.
_SCRAPED = {"instance", "job"}
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def questions() -> Iterator[str]:
    for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"]:
        yield from (rule["expr"] for rule in group["rules"])
    dashboard = json.loads(DASHBOARD.read_text("utf-8"))
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    variables = [each["definition"] for each in dashboard["templating"]["list"] if each["type"] == "query"]
    yield from variables


def busy(engine: Engine) -> None:
    """A database of which every kind of series says something."""
    add_repository(engine)
    store_runs(engine, run(1), run(2, conclusion="failure"))
    mark_complete(engine)
    add(engine, delivery("a"), backfill())
    counters = CounterRegistry()
    counters.initialize(CounterName.NOTIFICATIONS, [f"slack/{result}" for result in NOTIFICATION_RESULTS])
    for took in SummaryName:
        counters.observe(took, 1.5)
    for last in TimestampName:
        counters.set_timestamp(last, NOW)
    limit = {"limit": 5000, "remaining": 4000, "reserve": 500, "reset_at": (NOW + timedelta(minutes=20)).isoformat()}
    told = {"tally": counters.as_dict(), "rate_limit": limit, "channels": ["slack"], "version": "0.1.0"}
    with write_scope(engine) as session:
        record_heartbeat(session, NOW, told)
        enqueue(session, None, "test", {"slack": {}}, NOW)


@pytest.fixture
def said(make_client: MakeClient, engine: Engine, tmp_path: Path) -> Iterator[str]:  # noqa: F811
    """A real answer of /metrics, after an answer of the API, with a replica."""
    busy(engine)
    replica = make_engine(f"sqlite:///{tmp_path}/replica.db")
    upgrade(replica)
    busy(replica)
    client = make_client(database_replica_url=f"sqlite:///{tmp_path}/replica.db")
    client.get("/api/runs")
    deadline = time.monotonic() + 30
    # The replica is probed in the background; until then, its metric has a description only.
    while "pipeline_health_replica_lag_seconds" not in series(text := client.get("/metrics").text):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    yield text
    replica.dispose()


def series(text: str) -> dict[str, set[str]]:
    """The labels of each name."""
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def test_every_metric_and_label_that_is_asked_for_is_there(said: str) -> None:
    known = series(said)
    asked = list(questions())
    assert len(asked) > 60
    names = {name for question in asked for name in _NAME.findall(question)}
    assert names - set(known) == set()
    unknown: set[Any] = set()
    for question in asked:
        for name, inner in _SELECTED.findall(question):
            unknown |= {(name, label) for label in _LABEL.findall(inner)} - {
                (name, label) for label in known.get(name, set()) | _SCRAPED
            }
        grouped = {label.strip() for inner in _GROUPED.findall(question) for label in inner.split(",")} - {""}
        here = set.union(*(known.get(name, set()) for name in _NAME.findall(question)), _SCRAPED, set())
        unknown |= {(question, label) for label in grouped - here}
    assert unknown - {("up", label) for label in _SCRAPED} == set()


def test_every_metric_is_documented(said: str) -> None:
    text = (DEPLOY.parent / "docs" / "monitoring.md").read_text("utf-8")
    names = {each.removeprefix("pipeline_health_") for each in series(said) if each.startswith("pipeline_health_")}
    names = {re.sub(r"_(bucket|count|sum|created)$", "", each) for each in names}
    assert {each for each in names if f"`{each}`" not in text and f"`{each}_total`" not in text} == set()


def test_promtool_is_content(said: str) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed: apt-get install --no-install-recommends prometheus")
    for command in ("check rules alerts.yml", "test rules alerts_test.yml", "check metrics"):
        done = subprocess.run(
            ["promtool", *command.split()], cwd=RULES.parent, input=said, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
