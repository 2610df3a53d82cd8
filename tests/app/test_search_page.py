"""The Search page: results with marked matches, what was searched, invalid queries, links to and from it."""

import re

import pytest
from sqlalchemy import update

from db.definitions.records import LogRecord
from db.engine import write_scope
from db.enums import LogState
from db.logs.log_writes import store_log
from db.models import JobLog
from tests.app.conftest import Open
from tests.app.reading import everything, html, markdown
from tests.app.seeding import RERUN, SECRET_LINE, Seeded
from tests.causes import add_cause


@pytest.fixture
def with_logs(seeded: Seeded) -> Seeded:
    """Logs of three failed jobs, two of runs in the last day; the text of one is hostile."""
    with write_scope(seeded.engine) as session:
        for run_id, extra in (
            (8000, ""),
            (8001, "needle <img src=x> NEEDLE\nneedle again"),
            (1004, "needle of the past"),
        ):
            text = f"2026-11-03T10:00:00.0000000Z begin\n{extra}\nExit code 137\nend"
            store_log(session, 1, LogRecord(run_id * 100, run_id, LogState.STORED, text), seeded.now)
    return seeded


def marks(body: str) -> list[str]:
    return re.findall(r"<mark>(.*?)</mark>", body)


def test_results_are_marked_lines_that_lead_to_the_log(with_logs: Seeded, open_page: Open) -> None:
    page = open_page("search", text="Needle")
    body = next(block for block in html(page) if "ph-hits" in block)
    assert marks(body) == ["needle", "NEEDLE", "needle", "needle"]
    assert "needle</mark> &lt;img src=x&gt; <mark>" in body
    assert "<img" not in body
    assert 'href="log?run_id=8001&amp;job_id=800100&amp;line=2"' in body
    assert body.index("run_id=8001") < body.index("run_id=1004")
    told = "\n".join(html(page))
    assert "2 logs with matches, newest run first · the last 30d" in told
    assert re.search(r"\d stored logs in this selection, all of them searched\.", told)
    assert re.search(r"\d+ failed jobs without a stored log: .*1 deleted by GitHub before it was fetched", told)
    assert re.search(r"\d logs not indexed yet", told)
    assert marks("\n".join(html(open_page("search", text="Needle", case="1")))) == []
    assert marks("\n".join(html(open_page("search", text="needle", branch="none")))) == []
    assert marks("\n".join(html(open_page("search", text="needle", job="test")))) == []
    assert len(marks("\n".join(html(open_page("search", text="needle", job="build", period="24h"))))) == 3


def test_a_damaged_log_is_named_and_the_others_are_searched(with_logs: Seeded, open_page: Open) -> None:
    with write_scope(with_logs.engine) as session:
        session.execute(update(JobLog).where(JobLog.job_id == 800100).values(content=b"damaged"))
    shown = "\n".join(html(open_page("search", text="needle")))
    assert marks(shown) == ["needle"]
    assert "1 log cannot be read: " in shown
    assert "run 8001, job 800100." in shown
    page = open_page("log", run_id="8001", job_id="800100")
    assert not page.exception


def test_logs_are_selected_by_class(with_logs: Seeded, open_page: Open) -> None:
    with write_scope(with_logs.engine) as session:
        add_cause(session, 800100, 8001, kind="infrastructure")
    page = open_page("search", text="needle", **{"class": ["infrastructure", "nonsense"]})
    assert marks("\n".join(html(page))) == ["needle", "NEEDLE", "needle"]
    shown = everything(page).replace("\\", "")
    assert "class=nonsense is unknown (expected one of test, compile," in shown
    assert "1 stored log in this selection, all of them searched." in shown
    assert re.search(r"\d logs of failed jobs have no class yet: not searched\.", shown)
    page.multiselect(key="class").set_value(["timeout"]).run()
    assert page.query_params["class"] == "timeout"
    assert "No log with matches" in everything(page)
    assert "no class yet" not in everything(open_page("search", text="needle"))


def test_choices_are_in_the_url(with_logs: Seeded, open_page: Open) -> None:
    page = open_page("search")
    assert "Search all stored logs" in markdown(page)
    page.text_input(key="log-search-text").set_value(r"exit code 1\d7$").run()
    assert "No log with matches" in everything(page)
    page.toggle(key="log-search-regex").set_value(True).run()
    assert page.query_params["text"] == r"exit code 1\d7$"
    assert (page.query_params["regex"], "case" in page.query_params) == ("1", False)
    assert marks("\n".join(html(page))) == ["Exit code 137"] * 3
    page.toggle(key="log-search-case").set_value(True).run()
    assert marks("\n".join(html(page))) == []
    page.text_input(key="log-search-text").set_value("a" * 500).run()
    page.run()
    assert (page.text_input(key="log-search-text").value, page.query_params["text"]) == ("a" * 500, "a" * 500)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"text": "(a", "regex": 1}, "invalid regular expression: missing ): (a"),
        ({"text": "([x](https://ci.example)", "regex": 1}, "missing ): ([x](https:\u2060//ci.example)"),
        ({"text": "a*", "regex": 1}, "matches every line"),
        ({"text": "   "}, "characters that are not blank"),
        ({"text": "b" * 501, "regex": 1}, "… is too long: its first 500 characters apply."),
        ({"text": "x", "case": "maybe"}, "case=maybe is unknown"),
        ({"text": "x", "page": "logs.2.nonsense"}, "is invalid: showing the first page"),
        ({"text": "x", "period": "2d"}, "period=2d is invalid"),
    ],
)
def test_an_invalid_query_is_reported(with_logs: Seeded, open_page: Open, query: dict[str, object], told: str) -> None:
    page = open_page("search", **query)
    shown = everything(page) + "\n".join(error.value for error in page.error)
    assert told in shown.replace("\\", "")


def test_failed_runs_and_causes_lead_to_the_search(seeded: Seeded, open_page: Open) -> None:
    encoded = "%3Cimg+src%3Dx+onerror%3Dalert%282%29%3E+%26+error"
    assert SECRET_LINE.startswith("<img")
    for page in (open_page("run", run_id=RERUN), open_page("failures", cause="f")):
        assert f'href="search?text={encoded}' in "\n".join(html(page))
    assert 'href="search?text=ONERROR' in "\n".join(html(open_page("failures", line="ONERROR")))


def test_a_search_that_ends_early_says_so(with_logs: Seeded, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    from health.log_search import search

    monkeypatch.setattr(search.LogSearch.__init__, "__kwdefaults__", {"seconds": 0.0})
    page = open_page("search", text="begin of nothing")
    assert "The search stopped after 2.5 s" in everything(page)
    following = next(button for button in page.button if button.label == "Continue")
    following.click().run()
    assert page.query_params["page"].startswith("logs.2.")
