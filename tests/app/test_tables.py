"""Tables: orders, pages and files, and their state in the URL."""

import io
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine, func, select, update
from streamlit.testing.v1 import AppTest

from app.components.run_jobs import _runner
from app.components.runs import export_note, runs_export
from app.data.runs import all_runs
from app.filters.view_state import page_number, value_of
from app.widgets import cells
from app.widgets.cells import Cell
from app.widgets.columns import Column, SortOrder, parse_order, sort_by, sort_rows
from app.widgets.exports import as_csv, as_json, as_parquet, headers, listed_note
from app.widgets.paging import CursorPage, parse_cursor_page
from app.widgets.table import table_html
from db.definitions.scope import Scope, Window
from db.engine import write_scope
from db.models import Run
from db.runs.job_queries import JobSummary
from db.runs.run_queries import NEWEST_FIRST, RunOrder, RunRow, list_runs, previous_cursor
from tests.app.conftest import Open
from tests.app.crowd import crowd
from tests.app.reading import html, markdown, table
from tests.app.seeding import Seeded
from tests.kept import Kept

COLUMNS = (
    Column("Job"),
    Column("Duration", "right", unit="s"),
    Column("Failure rate", unit="share"),
    Column("Trend", in_files=False),
    Column("Started", unit="UTC"),
    Column("Jobs", "right"),
)
AT = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)
ROWS = (
    (cells.text("=1+1"), cells.duration(27.500000000000153), cells.rate(1 / 3), Cell("~", 5),
     Cell("x", AT.isoformat()), cells.count(3)),
    (cells.text("unit"), cells.duration(None), cells.rate(1.0, of=1), Cell("~", 6),
     Cell("–", None), cells.count(1_200)),
)  # fmt: skip


def test_orders_are_read_from_the_url() -> None:
    keys = ("job", "-x", "duration")
    assert parse_order("-duration", keys) == SortOrder("duration", descending=True)
    assert str(SortOrder("duration", descending=True)) == "-duration"
    assert parse_order("job", keys) == SortOrder("job", descending=False)
    for wrong in ("", "-", "nothing", "--duration", "duration.job"):
        assert parse_order(wrong, keys) is None
    assert value_of(["jobs.-runs", "causes.2"], "causes") == "2"
    assert value_of(["causes-runs.2"], "causes") == ""


@pytest.mark.parametrize(
    ("text", "expected"), [("1", 1), ("7", 7), ("9999", 12), ("0", None), ("-1", None), ("٣", None), ("1e3", None)]
)
def test_page_numbers_are_read_from_the_url(text: str, expected: int | None) -> None:
    assert page_number(text, 12) == expected


def test_cursor_pages_are_read_from_the_url() -> None:
    assert parse_cursor_page("3.MjAy-_0") == CursorPage(3, "MjAy-_0")
    assert str(CursorPage(3, "MjAy-_0")) == "3.MjAy-_0"
    assert str(CursorPage()) == ""
    for wrong in ("3", "1.abc", "0.abc", "x", "3.a b", "3.a.b"):
        assert parse_cursor_page(wrong) is None


def test_unknown_values_come_last_and_equal_ones_keep_their_order() -> None:
    items = [("a", 3), ("b", None), ("c", 10), ("d", 3), ("e", None)]
    assert [name for name, _ in sort_by(items, lambda item: item[1], descending=False)] == ["a", "d", "c", "b", "e"]
    assert [name for name, _ in sort_by(items, lambda item: item[1], descending=True)] == ["c", "a", "d", "b", "e"]
    texts = sort_by(["b", "A", "c", "B"], lambda text: text, descending=False)
    assert texts == ["A", "b", "B", "c"]


def test_texts_are_sorted_as_in_the_browser() -> None:
    # The same list as in app/javascript/tests/tables.test.js.
    texts = ["b", "Z", "é", "10", "1a", "2", "a", "ß", "\uff5e", "😀", "_", "-x", "1e5"]
    expected = ["-x", "10", "1a", "1e5", "2", "_", "a", "b", "Z", "ß", "é", "😀", "\uff5e"]
    assert sort_by(texts, lambda text: text, descending=False) == expected
    assert sort_by(["\ud800", "a" * 300, "a" * 200], lambda text: text, descending=False)[0] == "a" * 300
    rows = [(cells.text("10"), cells.count(10)), (cells.text("1e5"), cells.approximate_count(None))]
    shown = table_html("t", [Column("Branch"), Column("Runs")], rows, "c")
    assert re.findall(r'data-key="(\w+)"( data-numeric)?', shown) == [("branch", ""), ("runs", " data-numeric")]


def test_shares_of_few_runs_are_muted_and_sort_last() -> None:
    few, many = cells.rate(1.0, tone="red", of=1), cells.rate(0.4, tone="red", of=10)
    assert "of 1" in few.html
    assert "ph-bar" not in few.html
    assert "ph-bar" in many.html
    rows = sort_rows([Column("Rate")], [(few,), (many,)], SortOrder("rate", descending=True))
    assert [row[0].value for row in rows] == [0.4, 1.0]
    assert "few runs" in cells.change(25.0, of=3).html
    assert "+2,500.0%" not in cells.occurrences(26, 1).html
    assert ">+25<" in cells.occurrences(26, 1).html
    assert sort_rows([Column("Change")], [(cells.occurrences(4, 2),), (cells.occurrences(4, 0),)],
                     SortOrder("change", descending=True))[0][0].html.count("new") == 1  # fmt: skip


def test_csv_has_units_and_numbers_and_no_formulas() -> None:
    assert as_csv(COLUMNS, ROWS).splitlines() == [
        "Job,Duration (s),Failure rate (share),Started (UTC),Jobs",
        f"'=1+1,27.5,0.3333,{AT.isoformat()},3",
        "unit,,1.0,,1200",
    ]


def test_json_and_parquet_have_the_same_values_with_types() -> None:
    first, second = json.loads(as_json(COLUMNS, ROWS))
    assert first == {"Job": "=1+1", "Duration (s)": 27.5, "Failure rate (share)": 0.3333,
                     "Started (UTC)": AT.isoformat(), "Jobs": 3}  # fmt: skip
    assert second["Duration (s)"] is None
    read = pq.read_table(io.BytesIO(as_parquet(COLUMNS, ROWS)))
    assert [str(field.type) for field in read.schema] == [
        "string",
        "double",
        "double",
        "timestamp[us, tz=UTC]",
        "int64",
    ]
    assert read.to_pylist()[0]["Started (UTC)"] == AT
    assert read.to_pylist()[1]["Duration (s)"] is None
    # The types are those of the columns, so that files of several days can be concatenated.
    empty = pq.read_table(io.BytesIO(as_parquet(COLUMNS, ())))
    assert (empty.num_rows, empty.schema) == (0, read.schema)
    unknown = [tuple(Cell("–", None) for _ in COLUMNS), tuple(Cell("1", 1) for _ in COLUMNS[:4]) + ROWS[1][4:]]
    assert pq.read_table(io.BytesIO(as_parquet(COLUMNS, unknown))).schema == read.schema


def test_menus_say_which_rows_files_contain(seeded: Seeded, open_page: Open) -> None:
    for name, query, number in (
        ("workflow", {"find": "API / dep"}, "1 row"),
        ("failures", {"line": "nothing"}, "0 rows"),
        ("collector", {"find": "ACME/"}, "2 rows"),
    ):
        page = open_page(name, **query)
        assert f"The {number} that the search matches, all columns" in markdown(page)
        assert [each.proto.label for each in page.get("download_button")] == [
            f"{name}, {rows} rows" for rows in ("matching", "all") for name in ("CSV", "JSON", "Parquet")
        ]
        page = open_page(name)
        assert "that the search matches" not in markdown(page)
        assert [each.proto.label for each in page.get("download_button")] == ["CSV", "JSON", "Parquet"]
    assert listed_note(500, 500) == "All rows and columns of this table"
    assert listed_note(500, 1_200) == "The latest 500 of 1,200 rows, all columns"
    assert "All rows and columns of this table" in markdown(open_page("failures", cause="f"))


def test_unknown_runner_is_empty_in_files() -> None:
    job = JobSummary(**dict.fromkeys(JobSummary.__dataclass_fields__) | {"name": "build", "labels": []})  # type: ignore[arg-type]
    assert (_runner(job).value, "–" in _runner(job).html) == (None, True)
    assert _runner(replace(job, labels=["self-hosted", "gpu"])).value == "self-hosted, gpu"


def test_headers_of_files_are_unique() -> None:
    assert headers([Column("Change"), Column("Change"), Column("Change", file_label="Median change")]) == [
        "Change", "Change 2", "Median change",
    ]  # fmt: skip


def test_heads_name_their_column_and_who_sorts() -> None:
    order = SortOrder("duration", descending=True)
    shown = table_html("t", COLUMNS, ROWS, "c", order, server_keys=("duration",), is_partial=True)
    assert 'data-sorted="-duration"' in shown
    assert 'data-key="duration" data-server aria-sort="descending"' in shown
    assert 'data-key="job" title="Sorts only the rows on this page" aria-sort="none"' in shown


@pytest.fixture
def many(empty: Engine, kept: Kept) -> Engine:
    kept.fill(empty, crowd, seconds=60)
    return empty


def test_order_and_page_apply_to_all_workflows(many: Engine, open_page: Open) -> None:
    names = [
        row["Workflow"].value for row in table(open_page("workflow", sort="all-workflows.workflow"), "all-workflows")
    ]
    assert len(names) == 50
    assert names == sorted(names, key=str.casefold)
    page = open_page("workflow", sort="all-workflows.workflow", page="all-workflows.20")
    last = [row["Workflow"].value for row in table(page, "all-workflows")]
    assert max(names, key=str.casefold) < min(last, key=str.casefold)
    assert "951 to 1,000 of 1,000 workflows" in markdown(page)
    assert page.query_params["page"] == "all-workflows.20"
    body = next(block for block in html(page) if 'data-table="all-workflows"' in block)
    assert 'aria-sort="ascending"' in body
    # A search shows its own first page, also in the URL.
    page.text_input(key="workflow-q").set_value("ci").run()
    assert "page" not in page.query_params
    assert page.query_params["find"] == "ci"
    assert page.query_params["sort"] == "all-workflows.workflow"


def test_search_in_the_url_filters_workflows(seeded: Seeded, open_page: Open) -> None:
    page = open_page("workflow", find="API / dep")
    assert page.text_input(key="workflow-q").value == "API / dep"
    assert [row["Workflow"].value for row in table(page, "all-workflows")] == ["acme/api / Deploy"]
    # A link or the Back button changes the URL by itself.
    page.query_params["find"] = "web"
    page.run()
    assert {row["Workflow"].value.split(" / ")[0] for row in table(page, "all-workflows")} == {"acme/web"}
    del page.query_params["find"]
    page.run()
    assert page.text_input(key="workflow-q").value == ""


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"sort": "all-workflows.nothing"}, "sort=all-workflows.nothing is ignored: no such column (expected one of"),
        ({"columns": "all-workflows.runs.-nothing"}, "unknown column nothing"),
        ({"sort": "runs"}, "sort=runs is invalid and ignored"),
        ({"hidden": "Failed"}, "hidden=Failed is invalid and ignored (expected the name of a chart"),
        ({"selected": "12,x"}, "selected=x is invalid and ignored (expected IDs of runs)"),
        ({"open": "job-1.Job"}, "open=Job is invalid and ignored"),
        ({"page": "all-workflows.x"}, "page=all-workflows.x is invalid (expected 1 to 20): showing page 1."),
    ],
)
def test_invalid_state_of_tables_is_reported(
    many: Engine, open_page: Open, query: dict[str, str], message: str
) -> None:
    page = open_page("workflow", **query)
    assert message in _warned(page)
    assert len(table(page, "all-workflows")) == 50
    assert _warned(open_page("workflow", sort="jobs.runs", columns="all-workflows.-runs.cost")) == ""


@pytest.mark.parametrize(
    ("page", "query", "message"),
    [
        (
            "",
            {"rate": "day"},
            "rate=day is invalid (expected one of run, first, commit): showing the success rate by run.",
        ),
        ("cost", {"by": "Team"}, "by=Team is unknown (expected one of Repository, Workflow, Runner)."),
        ("runs", {"conclusion": "broken"}, "conclusion=broken is unknown (expected one of success, failure"),
    ],
)
def test_invalid_choices_are_reported(
    seeded: Seeded, open_page: Open, page: str, query: dict[str, str], message: str
) -> None:
    assert message in _warned(open_page(page, **query))


def _warned(page: AppTest) -> str:
    return "\n".join(element.value.replace("\\", "") for element in page.warning)


def test_page_of_runs_is_in_the_url_and_leads_back(seeded: Seeded, open_page: Open) -> None:
    page = open_page("runs", period="90d")
    first = _runs(page)
    _press(page, "Older")
    _press(page, "Older")
    value = str(page.query_params["page"])
    assert value.startswith("runs.3.")
    # A shared link, without the history of the session.
    shared = open_page("runs", period="90d", page=value)
    assert _runs(shared) == _runs(page)
    assert "Page 3" in markdown(shared)
    _press(shared, "Newer")
    second = _runs(shared)
    assert not set(second) & {*first, *_runs(page)}
    _press(shared, "Newer")
    assert _runs(shared) == first
    assert "page" not in shared.query_params
    assert "page=runs.3.AAAA is invalid" in _warned(open_page("runs", page="runs.3.AAAA"))


def test_runs_are_sorted_by_the_database(seeded: Seeded, open_page: Open) -> None:
    with write_scope(seeded.engine) as session:
        session.execute(update(Run).values(duration_seconds=Run.id % 97 + 0.5))
    page = open_page("runs", period="90d", sort="runs.-duration")
    values = [float(row["Duration"].value) for row in table(page, "runs") if row["Status"].text != "● Running"]
    assert values == sorted(values, reverse=True)
    assert values[0] > 90
    assert "longest first" in "\n".join(html(page))
    _press(page, "Next")
    after = [float(row["Duration"].value) for row in table(page, "runs") if row["Status"].text != "● Running"]
    assert max(after) <= min(values)


def test_latest_runs_of_a_workflow_are_sorted_among_all_of_them(seeded: Seeded, open_page: Open) -> None:
    with write_scope(seeded.engine) as session:
        session.execute(update(Run).values(duration_seconds=Run.id % 97 + 0.5))
        longest = session.scalar(select(func.max(Run.duration_seconds)).where(Run.workflow_id == 20))
    page = open_page("workflow", id=20, period="90d", sort="latest-runs.-duration")
    rows = table(page, "latest-runs")
    assert len(rows) == 15
    assert float(rows[0]["Duration"].value) == longest
    shown = "\n".join(html(page))
    assert "longest first" in shown
    # All runs are of this workflow: its column is hidden unless the user shows it.
    assert re.search(r'<th scope="col" class="ph-left ph-off" data-key="workflow"', shown)


@pytest.mark.parametrize("order", [NEWEST_FIRST, RunOrder("created", False), RunOrder("duration"),
                                   RunOrder("queue", False)])  # fmt: skip
def test_every_order_has_each_run_once_and_leads_back(seeded: Seeded, order: RunOrder) -> None:
    window = Window(seeded.now - timedelta(days=90), seeded.now + timedelta(minutes=1))
    with write_scope(seeded.engine) as session:
        whole = list_runs(session, Scope(), window, limit=10_000, order=order).items
        assert len({run.id for run in whole}) == len(whole) > 100
        pages: list[list[RunRow]] = []
        starts: list[str | None] = []
        cursor: str | None = None
        while not pages or cursor:
            starts.append(cursor)
            page = list_runs(session, Scope(), window, limit=40, cursor=cursor, order=order)
            pages.append(page.items)
            cursor = page.next
        assert [run.id for page in pages for run in page] == [run.id for run in whole]
        for number in range(1, len(pages)):
            back = previous_cursor(session, Scope(), window, pages[number][0], limit=40, order=order)
            assert back == starts[number - 1]


def test_files_of_runs_contain_all_matching_runs(seeded: Seeded, open_page: Open) -> None:
    open_page("runs")
    window = Window(seeded.now - timedelta(days=90), seeded.now + timedelta(minutes=1))
    runs = all_runs(Scope(repos=("acme/web",)), window, "", NEWEST_FIRST)
    assert len(runs) > 150
    assert {run.repo for run in runs} == {"acme/web"}
    files = runs_export(runs)
    newest = json.loads(as_json(*files))[0]
    assert newest["created_at"] == runs[0].created_at.isoformat()
    read = pq.read_table(io.BytesIO(as_parquet(*files)))
    assert read["created_at"][0].as_py() == runs[0].created_at
    types = {name: str(read.schema.field(name).type) for name in ("id", "created_at", "duration_seconds", "actor")}
    assert list(types.values()) == ["int64", "timestamp[us, tz=UTC]", "double", "string"]
    assert export_note(len(runs), NEWEST_FIRST) == f"All {len(runs)} matching runs, newest first"
    assert export_note(250_000, RunOrder("duration")).startswith("The first 10,000 of 250,000 matching runs, longest")


def test_runs_are_filtered_by_status_in_words(seeded: Seeded, open_page: Open) -> None:
    page = open_page("runs", status=["running"])
    rows = table(page, "runs")
    assert {row["Status"].text for row in rows} == {"● Running"}
    assert page.multiselect(key="conclusion").options[5] == "Timed out"
    assert "Push" in page.multiselect(key="event").options
    assert table(open_page("runs", status=["finished"]), "runs")
    assert "status=open is unknown (expected one of running, queued, finished)" in _warned(
        open_page("runs", status="open")
    )


def _runs(page: AppTest) -> list[str]:
    return [row["Run"].links[0] for row in table(page, "runs")]


def _press(page: AppTest, label: str) -> None:
    next(button for button in page.button if button.label == label).click().run()
