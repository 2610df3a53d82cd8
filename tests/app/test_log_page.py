import pytest

from tests.app.conftest import Open
from tests.app.reading import html, markdown, viewers
from tests.app.seeding import EXPIRED, RERUN, UNREAD, Seeded


def test_a_log_has_a_page_of_its_own_that_begins_at_a_line(seeded: Seeded, open_page: Open) -> None:
    page = open_page("log", run_id=RERUN, job_id=4, line="12-20")
    (viewer,) = viewers(page)
    assert (viewer["base"], viewer["embedded"], viewer["line"]) == (f"logs/{RERUN}/4", False, "12-20")
    head = "".join(html(page))
    assert "&lt;b&gt;test&lt;/b&gt;" in head
    assert f'href="run?run_id={RERUN}&attempt=2"' in head.replace("&amp;", "&")
    assert "is invalid" not in markdown(page)
    page = open_page("log", run_id=RERUN, job_id=4, line="12..20")
    assert "line=12..20 is invalid and ignored" in markdown(page).replace("\\", "")


def test_without_a_job_the_first_failed_one_is_shown(seeded: Seeded, open_page: Open) -> None:
    assert viewers(open_page("log", run_id=RERUN))[0]["base"] == f"logs/{RERUN}/4"


def test_a_job_of_an_earlier_attempt_is_found_without_its_attempt(seeded: Seeded, open_page: Open) -> None:
    page = open_page("log", run_id=RERUN, job_id=2)
    assert "attempt 1" in "".join(html(page))
    assert next(button.label for button in page.button) == "Fetch this log"


def test_another_job_of_the_attempt_can_be_chosen(seeded: Seeded, open_page: Open) -> None:
    page = open_page("log", run_id=RERUN, job_id=2, line="7")
    # Options are plain text: escaped characters would be visible.
    assert page.selectbox[0].options == ["✕ Failed · <b>test</b>", "✓ Success · lint"]
    page.selectbox[0].set_value(1).run()
    assert page.query_params["job_id"] == "1"
    assert "line" not in page.query_params
    assert "lint" in "".join(html(page))


def test_a_log_that_is_not_there_says_why(seeded: Seeded, open_page: Open) -> None:
    assert "GitHub deleted this log" in markdown(open_page("log", run_id=EXPIRED))
    assert any(button.label == "Fetch this log" for button in open_page("log", run_id=UNREAD).button)


@pytest.mark.parametrize(
    ("query", "told"),
    [({}, "No run selected"), ({"run_id": 4711}, "Run 4711 not found"),
     ({"run_id": RERUN, "job_id": 99}, "Log not found"), ({"run_id": RERUN, "job_id": 3}, "Log not found")],
)  # fmt: skip
def test_an_address_that_leads_nowhere_says_so(
    seeded: Seeded, open_page: Open, query: dict[str, object], told: str
) -> None:
    assert told in markdown(open_page("log", **query))


@pytest.mark.parametrize("given", ["abc", "-1", "²", "9" * 40])
def test_what_is_no_job_number_is_no_job(seeded: Seeded, open_page: Open, given: str) -> None:
    assert viewers(open_page("log", run_id=RERUN, job_id=given))[0]["base"] == f"logs/{RERUN}/4"
