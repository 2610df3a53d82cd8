"""Runs with thousands of jobs: pages stay small, and every job is reachable."""

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import Engine

from tests.app.conftest import Open
from tests.app.huge import ATTEMPTS, DISTINCT, FEWER, GREEN, JOBS, MATRIX, STEPS, huge_run, huge_runs
from tests.app.reading import everything, html, markdown, octets, table
from tests.app.seeding import add_repository, heartbeat
from tests.kept import Kept

MOST = 450_000


@pytest.fixture
def huge(empty: Engine, kept: Kept) -> None:
    kept.fill(empty, huge_runs)


@pytest.mark.usefixtures("huge")
def test_thousands_of_jobs_are_shown_in_groups(open_page: Open) -> None:
    page = open_page("run", run_id=MATRIX)
    assert octets(page) < MOST
    assert octets(page) < 1.05 * octets(open_page("run", run_id=FEWER))
    groups = table(page, "job-groups")
    names = "build", "test", "lint", "call / e2e", "package"
    assert {row["Group"].value: int(row["Jobs"].value) for row in groups} == {
        name: len(range(place, JOBS, 5)) for place, name in enumerate(names)
    }
    # What leaves 7 when it is divided by 40 leaves 2 when it is divided by 5.
    assert (groups[0]["Group"].value, groups[0]["Failed"].value) == ("lint", "208")
    assert "208 failed · 1,454 passed" in groups[0]["Group"].text
    assert len(page.expander) == 26
    assert page.expander[-1].label == "Jobs compared with the last success"
    assert table(page, "since-green") == []
    listed = page.button_group(key=f"jobs-view-{MATRIX}")
    assert listed.options == ["Groups · 5", "Failed · 208", "All jobs · 8,311"]
    listed.set_value("Failed").run()
    assert "1 to 100 of 208 failed jobs" in everything(page)
    assert [row["Status"].value for row in table(page, "run-jobs")] == ["failure"] * 100


@pytest.mark.usefixtures("huge")
def test_the_url_opens_sections_whose_steps_are_read_on_demand(open_page: Open) -> None:
    page = open_page("run", run_id=MATRIX, open=f"since-green-{MATRIX}")
    assert [part.proto.expanded for part in page.expander] == [False] * 25 + [True]
    assert len(table(page, "since-green")) == 100


@pytest.mark.usefixtures("huge")
def test_a_group_opens_to_its_jobs_page_by_page(open_page: Open) -> None:
    (link,) = table(open_page("run", run_id=MATRIX), "job-groups")[0]["Group"].links
    page = open_page("run", **{name: values[0] for name, values in parse_qs(urlsplit(link).query).items()})
    rows = table(page, "run-jobs")
    assert [row["Status"].value for row in rows] == ["failure"] * 100
    assert all(row["Job"].value.startswith("lint (") for row in rows)
    assert "1 to 100 of 1,662 jobs of lint" in everything(page)
    assert octets(page) < MOST


@pytest.mark.usefixtures("huge")
def test_thousands_of_long_names_are_paged(open_page: Open) -> None:
    page = open_page("run", run_id=DISTINCT)
    assert table(page, "job-groups") == []
    assert [row["Status"].value for row in table(page, "run-jobs")] == ["failure"] * 100
    assert "1 to 100 of 4,000 jobs" in everything(page)
    assert octets(page) < 1_000_000


@pytest.mark.usefixtures("huge")
def test_comparison_of_thousands_of_jobs_is_paged(open_page: Open) -> None:
    page = open_page("compare", runs=f"{GREEN},{MATRIX}")
    rows = table(page, "compared")
    assert len(rows) == 100
    assert all("result changed" in row["Job"].text for row in rows)
    assert "1 to 100 of 8,311 jobs" in everything(page)
    assert octets(page) < MOST


@pytest.mark.usefixtures("huge")
def test_page_of_a_workflow_has_one_row_for_a_matrix(open_page: Open) -> None:
    page = open_page("workflow", id=10)
    rows = table(page, "jobs")
    assert len(rows) == 50
    assert {row["Job"].value: row["Job"].text for row in rows[:5]} == {
        name: f"{name}{number} jobs"
        for name, number in {"build": 167, "test": 166, "lint": 166, "call / e2e": 166, "package": 166}.items()
    }
    # 5 rows of matrix jobs and 4,000 of other names.
    assert "2,005 more jobs with less time not listed." in markdown(page)
    assert octets(page) < 1_000_000


@pytest.mark.usefixtures("huge")
def test_thousand_steps_open_at_the_failed_one(open_page: Open) -> None:
    page = open_page("run", run_id=STEPS)
    (steps,) = [block for block in html(page) if 'class="ph-step"' in block]
    assert steps.count('role="listitem"') == 100
    assert "Step 417" in steps
    assert "401 to 500 of 1,000 steps" in everything(page)
    assert len(page.expander) == 8
    assert octets(page) < MOST


@pytest.mark.usefixtures("huge")
def test_many_attempts_are_chosen_from_a_list(open_page: Open) -> None:
    page = open_page("run", run_id=ATTEMPTS, attempt=7)
    (chosen,) = page.selectbox
    assert (chosen.label, chosen.value, len(chosen.options)) == ("Attempt (50 in total)", 7, 50)
    chosen.select(49).run()
    assert page.query_params["attempt"] == "49"
    page.selectbox[0].select(50).run()
    assert "attempt" not in page.query_params, "the latest attempt is the default"


def test_url_of_a_group_opens_it_without_grouped_default(empty: Engine, open_page: Open) -> None:
    now = datetime.now(UTC)
    add_repository(empty, 1, "acme/web", now)
    huge_run(empty, 510, 30, now, name=lambda number: f"pair {number // 2 if number < 20 else number} ({number})")
    heartbeat(empty, now)
    assert len(table(open_page("run", run_id=510), "run-jobs")) == 30
    page = open_page("run", run_id=510, attempt=1, group="pair 3")
    assert sorted(row["Job"].value for row in table(page, "run-jobs")) == ["pair 3 (6)", "pair 3 (7)"]
