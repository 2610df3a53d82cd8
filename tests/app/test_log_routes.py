"""A stored log as the viewer asks for it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from starlette.applications import Starlette

from app.javascript import log_viewer_path
from app.server.routes import routes
from db.definitions.records import LogRecord
from db.engine import write_scope
from db.enums import LogState
from db.logs.log_writes import store_log
from db.models import JobLog
from tests.app.conftest import TestClient
from tests.app.seeding import EXPIRED, RERUN, SECRET_LINE, UNREAD, Seeded

LOG = f"/logs/{RERUN}/4"


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with TestClient(Starlette(routes=routes())) as found:
        yield found


def test_the_outline_says_what_folds_and_where_the_errors_are(client: TestClient, seeded: Seeded) -> None:
    found: dict[str, Any] = client.get(f"{LOG}/outline").json()
    assert (found["lines"], found["cause"], found["errors"], found["left_out"]) == (62, 61, 2, 0)
    # The cause is one, though the runner did not mark it.
    assert found["marks"] == [[61, "error", SECRET_LINE], [62, "error", "Process completed with exit code 1."]]


def test_a_window_holds_the_asked_lines_and_no_more(client: TestClient, seeded: Seeded) -> None:
    found = client.get(f"{LOG}/lines", params={"from": 60, "count": 2}).json()
    assert [each[2] for each in found["lines"]] == ["line 59", SECRET_LINE]
    assert client.get(f"{LOG}/lines", params={"from": 63}).json()["lines"] == []


def test_colours_come_as_styles_beside_the_lines(client: TestClient, seeded: Seeded) -> None:
    store(seeded, "\x1b[31mred\x1b[0m plain \x1b[31;1mand\x1b[0m\n\x1b[31mred\x1b[0m")
    found = client.get(f"/logs/{UNREAD}/{UNREAD * 10}/lines").json()
    (_, _, first, _), (_, _, second, _) = found["lines"]
    assert [text for text, _ in first] == ["red", " plain ", "and"]
    styles = [found["styles"][number] for _, number in first]
    assert styles[1] == {}
    assert styles[2] == styles[0] | {"bold": 1}
    assert second == [["red", first[0][1]]]


def test_search_answers_with_line_numbers(client: TestClient, seeded: Seeded) -> None:
    assert client.get(f"{LOG}/search", params={"q": "LINE 5"}).json() == {
        "count": 11, "more": False, "lines": [6, *range(51, 61)]}  # fmt: skip


def test_the_whole_text_is_a_file_with_a_harmless_name(client: TestClient, seeded: Seeded) -> None:
    answer = client.get(f"{LOG}/text")
    assert answer.headers["content-disposition"] == 'attachment; filename="b-test-b-4.log"'
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text.endswith("##[error]Process completed with exit code 1.")
    plain = client.get(f"{LOG}/text", params={"plain": 1})
    assert plain.text.endswith("\nProcess completed with exit code 1.")
    assert "content-disposition" not in plain.headers


def test_the_viewer_is_kept_until_it_changes(client: TestClient) -> None:
    answer = client.get(f"/{log_viewer_path()}")
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "innerHTML" not in answer.text
    assert client.get("/log-viewer-0123456789abcdef.js").status_code == 404


@pytest.mark.parametrize(
    ("path", "status", "told"),
    [
        ("/logs/abc/4/outline", 422, "run_id: expected a whole number"),
        (f"/logs/{RERUN}/99999999999999999999/lines", 422, "job_id"),
        (f"{LOG}/lines?from=0", 422, "from: expected a whole number from 1"),
        (f"{LOG}/lines?count=1001", 422, "from 1 to 1000"),
        (f"{LOG}/lines?count=²", 422, "count"),
        (f"{LOG}/search", 422, "q: expected 1 to 200"),
        (f"{LOG}/search?q={'x' * 201}", 422, "got 201"),
        (f"{LOG}/everything", 404, "no part of this name"),
        (f"{LOG}/text?plain=2", 422, "plain"),
        ("/logs/1/4/outline", 404, "Run 1 has no job 4"),
        (f"/logs/{RERUN}/3/outline", 404, "has no job 3 with a log of its own"),
        (f"/logs/{UNREAD}/{UNREAD * 10}/outline", 404, "is not stored"),
        (f"/logs/{EXPIRED}/{EXPIRED * 10}/outline", 410, "GitHub deleted"),
    ],
)
def test_what_cannot_be_answered_is_told_in_one_line(
    client: TestClient, seeded: Seeded, path: str, status: int, told: str
) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert told in answer.json()["detail"]
    assert answer.headers["cache-control"] == "no-store"


def test_a_database_that_cannot_be_read_is_a_503(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'empty.db'}")
    answer = client.get(f"{LOG}/outline")
    assert answer.status_code == 503
    assert "python -m db upgrade" in answer.json()["detail"]


def store(seeded: Seeded, text: str) -> None:
    record = LogRecord(UNREAD * 10, UNREAD, LogState.STORED, text, len(text), False, 1, (), None, "f")
    with write_scope(seeded.engine) as session:
        store_log(session, 1, record, seeded.now)


def test_a_damaged_log_is_answered_with_410(client: TestClient, seeded: Seeded) -> None:
    store(seeded, "boom\n")
    with write_scope(seeded.engine) as session:
        session.execute(update(JobLog).where(JobLog.job_id == UNREAD * 10).values(content=b"damaged"))
    for part in ("outline", "lines"):
        answer = client.get(f"/logs/{UNREAD}/{UNREAD * 10}/{part}")
        assert answer.status_code == 410
        assert "cannot be read" in answer.json()["detail"]
