import csv
import io
import json
import tracemalloc
from datetime import timedelta

import pytest
from pyarrow import parquet
from sqlalchemy import Engine, text

from api.exports import as_csv, as_ndjson, as_parquet
from db.engine import session_scope
from db.metrics.scope import Scope
from db.metrics.window import Window
from db.models import Run
from db.queries.export import export_runs
from tests.api.conftest import NOW, TestClient
from tests.builders import NOON, run, store_runs

EVIL = '=HYPERLINK("http://evil","x")'


@pytest.fixture
def stored(client: TestClient, engine: Engine) -> TestClient:
    store_runs(
        engine,
        run(1, minutes=1, title=EVIL, branch="-x", actor="@cmd"),
        run(2, minutes=2, title=' "quoted", and\nbroken', conclusion="failure", branch=None),
        run(3, minutes=3, title="  +1 – naïve ✓", status="in_progress", conclusion=None),
    )
    return client


def test_csv_is_what_a_spreadsheet_takes_and_holds_no_formula(stored: TestClient) -> None:
    answer = stored.get("/api/export/runs")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert (answer.headers["x-data-complete-since"], answer.headers["x-data-gaps"]) == ("", "1")
    assert answer.headers["content-disposition"] == 'attachment; filename="runs-20261019-20261118.csv"'
    assert answer.content.count(b"\r\n") == 4
    rows = list(csv.DictReader(io.StringIO(answer.content.decode(), newline="")))
    assert [row["id"] for row in rows] == ["3", "2", "1"]
    third, second, first = rows
    assert (first["title"], first["branch"], first["actor"]) == (f"'{EVIL}", "'-x", "'@cmd")
    assert (second["title"], second["branch"], second["conclusion"]) == (' "quoted", and\nbroken', "", "failure")
    assert (third["title"], third["completed_at"], third["flaky"]) == ("'  +1 – naïve ✓", "", "false")
    assert first["created_at"] == "2026-11-18T12:01:00Z"
    assert float(first["duration_seconds"]) > 0


def test_ndjson_has_the_runs_of_the_list(stored: TestClient) -> None:
    lines = [json.loads(line) for line in stored.get("/api/export/runs?format=ndjson").text.splitlines()]
    listed = stored.get("/api/runs").json()["items"]
    assert [{name: line[name] for name in listed[0]} for line in lines] == listed
    assert set(lines[0]) - set(listed[0]) == {
        "compute_seconds", "wasted_seconds", "cost_usd", "first_outcome", "reruns", "failed_then_rerun",
        "wasted_flaky_seconds", "wasted_cancelled_seconds", "wasted_superseded_seconds", "defect_seconds",
        "unpriced_minutes", "never_started",
    }  # fmt: skip


def test_parquet_has_types(stored: TestClient) -> None:
    answer = stored.get("/api/export/runs?format=parquet", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in answer.headers
    table = parquet.read_table(io.BytesIO(answer.content))
    assert [str(table.schema.field(name).type) for name in ("id", "title", "flaky", "created_at", "queue_seconds")] == [
        "int64", "string", "bool", "timestamp[us, tz=UTC]", "double",
    ]  # fmt: skip
    assert table.column("title").to_pylist()[2] == EVIL
    assert table.column("created_at").to_pylist()[2] == NOON + timedelta(minutes=1)


@pytest.mark.parametrize("format", ["csv", "ndjson", "parquet"])
def test_nothing_found_is_an_empty_file_that_can_be_read(client: TestClient, format: str) -> None:
    content = client.get(f"/api/export/runs?format={format}&branch=none").content
    if format == "parquet":
        assert parquet.read_table(io.BytesIO(content)).num_rows == 0
    else:
        assert len(content.splitlines()) == (1 if format == "csv" else 0)


def test_filters_and_words_narrow_it(stored: TestClient) -> None:
    assert stored.get("/api/export/runs?conclusion=failure").text.count("\r\n") == 2
    assert stored.get("/api/export/runs?q=HYPERLINK").text.count("\r\n") == 2
    assert stored.get("/api/export/runs?format=xml").status_code == 422
    assert stored.get("/api/export/runs?formt=csv").status_code == 422


def test_what_cannot_be_read_to_the_end_is_no_whole_file(stored: TestClient, engine: Engine) -> None:
    portions = export_runs(lambda: session_scope(engine), Scope(), Window(NOON - timedelta(days=1), NOW), size=1)
    lines = as_csv(portions)
    assert [next(lines), next(lines)] != []
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE runs RENAME TO lost"))
    with pytest.raises(Exception, match="runs"):
        list(lines)


# One of them on PostgreSQL: what its driver reads ahead is the same for all.
@pytest.mark.parametrize(
    ("database_url", "write"),
    [("sqlite", as_csv), ("sqlite", as_ndjson), ("sqlite", as_parquet), ("postgresql", as_csv)],
    indirect=["database_url"],
)
def test_memory_does_not_grow_with_the_number_of_runs(client: TestClient, engine: Engine, write: object) -> None:
    assert client
    store_runs(engine, run(1))
    _multiply(engine, 3_600)
    peaks = []
    # What the first one loads is counted in no peak.
    for size in (600, 600, 3_600):
        window = Window(NOON, NOON + timedelta(seconds=size))
        tracemalloc.start()
        portions = export_runs(lambda: session_scope(engine), Scope(), window, size=150)
        sent = sum(len(part) for part in write(portions))  # type: ignore[operator]
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert sent > size * 10
    assert peaks[2] < peaks[1] * 1.5


def _multiply(engine: Engine, number: int) -> None:
    """More runs like the first, one a second."""
    with session_scope(engine) as session:
        first = session.get_one(Run, (1, 1))
        plain = {column.name: getattr(first, column.name) for column in Run.__table__.columns}
        session.bulk_insert_mappings(
            Run.__mapper__,
            [{**plain, "id": 10 + place, "created_at": NOON + timedelta(seconds=place)} for place in range(number)],
        )
