import csv
import io
import json
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any

import pytest
import requests
from pyarrow import parquet
from sqlalchemy import Engine, text

from api.main import create_app
from api.routes.export import as_csv, as_ndjson, as_parquet
from api.settings import ApiSettings
from core.http import connections
from db.definitions.scope import Scope, Window
from db.engine import session_scope
from db.models import Run
from db.runs.run_lists import BATCH_BYTES, export_runs
from tests.api.conftest import NOW, TestClient
from tests.builders import NOON, add_repository, run, store_runs
from tests.served import served

WIDE = Window(NOON - timedelta(days=1), NOON + timedelta(days=1))
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


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("write", [as_csv, as_ndjson, as_parquet])
def test_portions_and_pieces_are_as_large_as_their_bytes(client: TestClient, engine: Engine, write: Any) -> None:
    """However long titles and messages are: a portion is what a reader who takes nothing has the server keep."""
    assert client
    store_runs(engine, run(1))
    _multiply(engine, 600, title="é" * 3_000, commit_message="m" * 20_000)
    portions, whole = [], 0
    for rows in export_runs(lambda: session_scope(engine), Scope(), WIDE):
        written = sum(map(len, write([rows])))
        assert written < 2 * BATCH_BYTES + 40_000
        portions.append(len(rows))
        whole += written
    assert sum(portions) == 601
    assert whole > 600 * 20_000 or write is as_parquet
    assert max(map(len, write(export_runs(lambda: session_scope(engine), Scope(), WIDE)))) <= 64 * 1024


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_parquet_has_few_row_groups_although_portions_are_small(client: TestClient, engine: Engine) -> None:
    assert client
    store_runs(engine, run(1))
    _multiply(engine, 3_000)
    content = b"".join(as_parquet(export_runs(lambda: session_scope(engine), Scope(), WIDE)))
    file = parquet.ParquetFile(io.BytesIO(content))
    assert (file.metadata.num_rows, file.metadata.num_row_groups) == (3_001, 1)
    assert file.read().column("id").to_pylist() == [*range(3_009, 9, -1), 1]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("format", ["csv", "ndjson"])
def test_readers_who_take_nothing_hold_a_portion_each_and_are_ended(
    engine: Engine, database_url: str, format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "STALLED_SECONDS", 5.0)
    connections.limit_connections()
    add_repository(engine)
    store_runs(engine, run(1))
    # 24 MB, which is more than the buffers of both ends take.
    _multiply(engine, 1_200, commit_message="m" * 20_000)
    app = create_app(ApiSettings(database_url=database_url), clock=lambda: NOW)
    with served(app) as port, ExitStack() as readers:
        # What the first request loads is kept for no reader.
        for path in (f"/api/export/runs?format={format}&limit=0", f"/api/export/runs?format={format}&branch=none"):
            requests.get(f"http://127.0.0.1:{port}{path}", timeout=20)
        tracemalloc.start()
        began, _ = tracemalloc.get_traced_memory()
        crowd = [readers.enter_context(_reader(port, format)) for _ in range(12)]
        answers = [_status(each) for each in crowd]
        assert answers.count(200) == 4
        assert answers.count(503) == 8
        _until_nothing_moves()
        kept, peak = (each - began for each in tracemalloc.get_traced_memory())
        tracemalloc.stop()
        assert kept < 12 * 256 * 1024
        assert peak < 12 * 2**20
        assert app.state.reader.primary.pool.checkedout() == 0
        for _ in range(100):
            with _reader(port, format) as after:
                if (status := _status(after)) == 200:
                    break
            time.sleep(0.1)
        assert status == 200


@contextmanager
def _reader(port: int, format: str) -> Iterator[socket.socket]:
    """Has asked for all runs, and reads nothing."""
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        reader.settimeout(20)
        reader.connect(("127.0.0.1", port))
        path = f"/api/export/runs?format={format}&since=30d"
        reader.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        yield reader


def _until_nothing_moves() -> None:
    """Until all that is sent is stuck."""
    before, since = -1, time.monotonic()
    while time.monotonic() - since < 0.5:
        now = threading.active_count() * 2**40 + tracemalloc.get_traced_memory()[0] // 50_000
        if now != before:
            before, since = now, time.monotonic()
        time.sleep(0.05)


def _status(reader: socket.socket) -> int:
    return int(reader.recv(12).split()[1])


def _multiply(engine: Engine, number: int, **changed: str) -> None:
    """More runs like the first, one a second."""
    with session_scope(engine) as session:
        first = session.get_one(Run, (1, 1))
        plain = {column.name: getattr(first, column.name) for column in Run.__table__.columns} | changed
        session.bulk_insert_mappings(
            Run.__mapper__,
            [{**plain, "id": 10 + place, "created_at": NOON + timedelta(seconds=place)} for place in range(number)],
        )
