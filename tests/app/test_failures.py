"""The list of failure causes: key figures, classes, marks, filters in the URL, and files."""

import json
import re
from datetime import timedelta
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
import streamlit as st
from sqlalchemy import update
from streamlit.testing.v1 import AppTest

from app.components.failure_causes import cause_rows, causes_export
from app.data import findings
from app.widgets.exports import as_csv
from db.definitions.records import LogRecord
from db.definitions.scope import Scope, Window
from db.engine import write_scope
from db.enums import LogState
from db.logs.log_writes import store_log
from db.models import Job, JobCause, JobLog, Run
from health.insights.causes import queries
from health.insights.causes.extraction import CAUSE_VERSION
from health.insights.causes.identity import fingerprint
from health.insights.causes.triage import Triage, set_triage
from tests.app.conftest import Open
from tests.app.reading import charts, everything, html, markdown, table
from tests.app.seeding import Seeded, run, store
from tests.builders import ACTOR
from tests.causes import store_causes
from tests.programs import ROOT

LOST = "The self-hosted runner: runner-7 lost communication with the server."
TEST, LIST = "FAILED tests/test_shop.py::test_a - assert 1 == 2", "1) Array"
OLD = 71_000


@pytest.fixture
def failed(seeded: Seeded) -> Seeded:
    """Three causes: a lost runner, known; a test, seen before the period; a line whose subject is elsewhere, new."""
    rows = ((71_001, LOST, 30), (71_002, LOST, 54), (71_003, TEST, 5), (OLD, TEST, 24 * 45), (71_004, LIST, 3))
    for number, line, hours in rows:
        at = seeded.now - timedelta(hours=hours)
        store(seeded.engine, 1, run(number, at, conclusion="failure", branch="feature"))
        with write_scope(seeded.engine) as session:
            session.add(Job(
                repository_id=1, id=number * 10, run_id=number, attempt=1, name="test", status="completed",
                conclusion="failure", labels=[], steps=[], copied=False, phantom=False,
            ))  # fmt: skip
            record = LogRecord(
                number * 10, number, LogState.EXPIRED, error_line=line, fingerprint=fingerprint(line),
                cause_version=CAUSE_VERSION,
            )  # fmt: skip
            store_log(session, 1, record, seeded.now)
    with write_scope(seeded.engine) as session:
        session.add(JobCause(
            repository_id=1, job_id=710_040, position=0, run_id=71_004, kind="lint", tool="mocha",
            subject="src/<b>.js returns", message="expected", line=LIST, line_number=12, source="log",
            fingerprint=fingerprint(LIST), created_at=seeded.now,
        ))  # fmt: skip
        set_triage(session, fingerprint(LOST) or "", Triage(ticket="OPS-12"), seeded.now, by=None, actor=ACTOR)
    return seeded


def _lines(page: AppTest) -> set[str]:
    return {row["Cause"].value for row in table(page, "causes")}


def _chips(page: AppTest) -> dict[str, tuple[int, dict[str, list[str]] | None, bool]]:
    """By label: number, the query of the link, and whether the chip is selected."""
    body = next(block for block in html(page) if "ph-filter-chips" in block)
    chips = re.findall(r'<(?:a|span) class="ph-filter-chip"(?: href="([^"]*)")?([^>]*)>([\w ]+) <b>(\d+)</b>', body)
    return {
        label: (int(number), parse_qs(urlsplit(unescape(link)).query) if link else None, "aria-current" in rest)
        for link, rest, label, number in chips
    }


def test_causes_have_class_tool_subject_and_marks(failed: Seeded, open_page: Open) -> None:
    rows = {row["Cause"].value: row for row in table(open_page("failures"), "causes")}
    lost, test, listed = rows[LOST], rows[TEST], rows[LIST]
    assert (lost["Class"].text, lost["Tool"].text, lost["State"].text) == ("Infrastructure", "runner", "known")
    assert "✓ known: OPS-12" in lost["Cause"].text
    assert (test["Class"].text, test["Tool"].text, test["State"].text) == ("Test", "pytest", "untriaged")
    assert "new" not in test["Cause"].text
    assert "tests/test_shop.py" not in test["Cause"].text.replace(TEST, ""), "the line names the subject"
    assert (listed["Class"].text, listed["State"].text) == ("Lint", "new")
    assert listed["Cause"].text.startswith(f"{LIST}src/<b>.js returns · CI · + new")


def test_chips_filter_by_class_and_state_and_keep_other_parameters(failed: Seeded, open_page: Open) -> None:
    page = open_page("failures", line="acme/web", period="90d", page="causes.2")
    chips = _chips(page)
    assert (chips["All"][0], chips["Test"][0], chips["Infrastructure"][0], chips["Timeout"][:2]) == (4, 1, 1, (0, None))
    assert len(chips) == 13, "all, ten classes, known and untriaged; it is unknown which causes are new"
    assert chips["Test"][1] == {"line": ["acme/web"], "period": ["90d"], "class": ["test"]}
    page = open_page("failures", **{"class": ["test", "lint"], "seen": "new"})
    assert _lines(page) == {LIST}
    chips = _chips(page)
    assert (chips["Test"][0], chips["Test"][2], chips["Lint"][0], chips["Lint"][2]) == (0, True, 1, True)
    assert chips["Lint"][1] == {"class": ["test"], "seen": ["new"]}
    assert chips["All"][1] == {"seen": ["new"]}
    assert chips["New"][1] == {"class": ["test", "lint"]}
    assert len(chips) == 14
    assert _lines(open_page("failures", triage="known")) == {LOST}
    assert LOST not in _lines(open_page("failures", triage="untriaged"))
    assert _lines(open_page("failures", line="ops-12")) == {LOST}
    assert _lines(open_page("failures", line="mocha")) == {LIST}
    nothing = open_page("failures", triage="known", **{"class": "test"})
    assert "No failure causes in this period match" in markdown(nothing)


def test_invalid_filters_are_reported_and_ignored(failed: Seeded, open_page: Open) -> None:
    page = open_page("failures", triage="<b>", seen="old", **{"class": "tset"})
    assert len(_lines(page)) == 4
    shown = markdown(page).replace("\\", "")
    assert "class=tset is unknown (expected one of test, compile" in shown
    assert "triage=<b> is unknown and was ignored (expected untriaged or known)" in shown
    assert "seen=old is unknown and was ignored (expected new)" in shown
    page = open_page("failures", triage=["known", "untriaged"], seen=["new", "new"])
    shown = markdown(page).replace("\\", "")
    assert "triage has several values: only untriaged applies" in shown
    assert "seen has several values: only new applies" in shown
    page = open_page("failures", cause="f" * 65)
    assert f"cause={'f' * 60}… is too long: its first 64 characters apply" in markdown(page).replace("\\", "")


def test_key_figures_lead_to_what_they_count(failed: Seeded, open_page: Open) -> None:
    page = open_page("failures", repo="acme/web")
    body = next(block for block in html(page) if 'class="ph-tiles"' in block)
    cards = dict(re.findall(r'data-figure="(\w+)".*?<b>(.*?)</b>', body))
    values = {name: unescape(re.sub("<[^>]+>", "", value)) for name, value in cards.items()}
    links = {name: unescape(link) for name, value in cards.items() for link in re.findall('href="([^"]*)"', value)}
    assert links["failures"] == "runs?repo=acme%2Fweb&outcome=failure"
    assert all(row["Cause"].links[0].endswith("&repo=acme%2Fweb") for row in table(page, "causes"))
    assert links["infrastructure"] == "runs?repo=acme%2Fweb&class=infrastructure"
    for name in ("new_causes", "untriaged_causes"):
        query = parse_qs(urlsplit(links[name]).query)
        assert len(_lines(open_page("failures", **query))) == int(values[name])
    assert values["untriaged_causes"] == "3"
    untriaged = unescape(re.sub("<[^>]+>", "", body.partition('data-figure="untriaged_causes"')[2]))
    assert "0 of them failing now, 4 causes in all" in untriaged
    assert "2 runs with a cause of this class" in markdown(open_page("failures", **{"class": "infrastructure"}))


def test_new_causes_are_unknown_without_an_earlier_week(failed: Seeded, open_page: Open) -> None:
    page = open_page("failures", period="90d")
    assert "no complete data of the week before" in everything(page)
    assert "New" not in _chips(page), "neither a number nor a link"
    (chips,) = [block for block in html(page) if "ph-filter-chips" in block]
    assert re.search(r'<span class="ph-filter-chip" title="Unknown: the week before[^"]*">New <b>–</b></span>', chips)
    assert "seen=new" not in "".join(html(page)), "the key figure leads to no list, either"
    page = open_page("failures", period="90d", seen="new")
    assert "seen=new is ignored: the week before this period is not completely" in markdown(page).replace("\\", "")
    assert len(_lines(page)) == 4


def test_new_causes_are_unknown_while_stored_ones_are_extracted_again(failed: Seeded, open_page: Open) -> None:
    assert _chips(open_page("failures"))["New"][0] > 0
    with write_scope(failed.engine) as session:
        session.get_one(JobLog, (1, OLD * 10)).cause_version = CAUSE_VERSION - 1
    findings.has_outdated_causes.clear()
    page = open_page("failures", seen="new")
    assert "New" not in _chips(page)
    assert "or stored causes are being extracted again" in markdown(page).replace("\\", "")


def test_new_causes_are_those_of_the_selection(failed: Seeded, open_page: Open) -> None:
    """TEST failed before the period, on another branch."""
    with write_scope(failed.engine) as session:
        session.execute(update(Run).where(Run.id == OLD).values(branch="main"))
    page = open_page("failures", branch="feature")
    rows = {row["Cause"].value: row["State"].text for row in table(page, "causes")}
    assert rows[TEST] == "new"
    assert "no run of the selection before this period has the cause" in "".join(html(page))
    assert "no earlier stored run among those that the repositories and filters of the page select" in "".join(
        html(page)
    )


def test_numbers_of_the_newest_jobs_alone_are_at_least_these(
    failed: Seeded, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "≥" not in everything(open_page("failures"))
    monkeypatch.setattr(queries, "MAX_JOBS", 4)
    st.cache_resource.clear()
    page = open_page("failures")
    note = "Only the newest 4 failed jobs of the period are evaluated, since "
    oldest = failed.now - timedelta(hours=30)
    assert f"{note}{oldest:%d %b %Y, %H:%M}" in markdown(page)
    assert "newest 4 failed jobs in" in everything(page)
    (figures,) = [block for block in html(page) if 'data-figure="untriaged_causes"' in block]
    assert ">≥ 3<" in figures
    assert "of them failing now, ≥ 4 causes" in figures
    page = open_page("failures", cause=fingerprint(LOST))
    assert note in markdown(page)
    assert "<span>at least 1 run, 1 job</span>" in "".join(html(page))
    st.cache_resource.clear()


def test_the_trend_of_infrastructure_counts_runs_that_failed_by_it_alone(failed: Seeded, open_page: Open) -> None:
    def trend() -> str:
        st.cache_resource.clear()
        st.cache_data.clear()
        page = open_page("failures", repo="acme/web")
        (body,) = [block for block in html(page) if 'data-figure="infrastructure"' in block]
        return re.findall(r'<img src="([^"]*)"', body.partition('data-figure="infrastructure"')[2])[0]

    store_causes(failed.engine, {710_010: ["infrastructure"], 710_020: ["infrastructure"]})
    before = trend()
    with write_scope(failed.engine) as session:
        session.add(Job(
            repository_id=1, id=710_021, run_id=71_002, attempt=1, name="other", status="completed",
            conclusion="failure", labels=[], steps=[], copied=False, phantom=False,
        ))  # fmt: skip
    assert trend() != before, "a run with another failed job did not fail by infrastructure alone"


def test_bars_lead_to_the_causes_of_their_class_and_day(failed: Seeded, open_page: Open) -> None:
    page = open_page("failures", repo="acme/web", **{"class": "lint"})
    (chart,) = [json.loads(item.proto.spec) for item in charts(page)]
    traces = {trace["name"]: trace for trace in chart["data"] if "meta" in trace}
    assert traces["Infrastructure"]["meta"]["query"] == "class=infrastructure"
    totals = dict.fromkeys(traces, 0)
    for trace in chart["data"]:
        totals[trace["name"]] = totals.get(trace["name"], 0) + sum(value or 0 for value in trace["y"])
    assert (totals["Infrastructure"], totals["Test"], totals["Lint"]) == (2, 1, 1)
    meta = chart["layout"]["meta"]
    assert meta["address"] == "failures?repo=acme%2Fweb"
    trace = traces["Infrastructure"]
    for at, value in zip(trace["x"], trace["y"], strict=True):
        if value:
            dates = meta["dates"][meta["at"].index(at)]
            assert _lines(open_page("failures", repo="acme/web", dates=dates, **{"class": "infrastructure"})) == {LOST}


def test_files_contain_class_tool_subject_state_and_ticket(failed: Seeded, open_page: Open) -> None:
    open_page("failures")
    window = Window(failed.now - timedelta(days=30), failed.now)
    causes = findings.causes(Scope(), window, failed.now, 1)
    head, *lines = as_csv(*causes_export(causes.items, failed.now, window.since)).splitlines()
    assert head.startswith("Cause,Class,Tool,Subject,State,Ticket,Runs,Change (share),Repository")
    (lost,) = [line for line in lines if line.startswith(LOST)]
    assert lost.startswith(f"{LOST},infrastructure,runner,,known,OPS-12,2,")
    (listed,) = [line for line in lines if line.startswith(LIST)]
    assert listed.startswith(f"{LIST},lint,mocha,src/<b>.js returns,new,,1,")
    assert all("<b>.js" not in row[0].html for row in cause_rows(causes.items, failed.now, (), window.since))


def test_the_page_of_a_cause_names_class_tool_and_subject_and_leads_to_the_line(
    failed: Seeded, open_page: Open
) -> None:
    page = open_page("failures", cause=fingerprint(LIST) or "")
    head = next(block for block in html(page) if "ph-cause-named" in block)
    assert ">Lint</span>" in head
    assert "Tool <b>mocha</b>" in head
    assert "src/&lt;b&gt;.js returns" in head
    assert "expected" in head
    (row,) = table(page, "cause-runs")
    assert row["Matched log line"].links == ["log?run_id=71004&job_id=710040&line=12"]


def test_the_page_of_a_cause_states_since_when_a_default_branch_fails(failed: Seeded, open_page: Open) -> None:
    """The last run of the branch has the cause; the first one of the streak, 8000, is its first bad commit."""
    line = "FAILED tests/test_now.py::test_now - assert 1 == 2"
    with write_scope(failed.engine) as session:
        record = LogRecord(
            8002 * 100, 8002, LogState.EXPIRED, error_line=line, fingerprint=fingerprint(line),
            cause_version=CAUSE_VERSION,
        )  # fmt: skip
        store_log(session, 1, record, failed.now)
    page = open_page("failures", cause=fingerprint(line) or "")
    head = next(block for block in html(page) if "ph-cause-runs" in block)
    first, _, streak = head.partition("<dt>Failing since</dt>")
    assert "run?run_id=8002" in first
    assert "3 failures in a row, first bad commit" in unescape(re.sub("<[^>]+>", "", streak))
    assert "run?run_id=8000" in streak
    assert "workflow?id=10" in streak
    assert "1 of them failing now" in everything(open_page("failures", repo="acme/web"))
    elsewhere = open_page("failures", cause=fingerprint(LOST) or "")
    assert "Failing since" not in everything(elsewhere)


def test_runs_are_filtered_by_the_class_of_their_cause(failed: Seeded, open_page: Open) -> None:
    page = open_page("runs", **{"class": "lint"})
    assert [row["Run"].links[0] for row in table(page, "runs")] == ["run?run_id=71004"]
    assert table(open_page("runs", **{"class": "compile"}), "runs") == []
    assert "class=tset is unknown" in markdown(open_page("runs", **{"class": "tset"})).replace("\\", "")


def test_colours_of_causes_are_variables() -> None:
    colours = re.compile(r"#[0-9A-Fa-f]{6}\b")
    for path in ("app/charts/causes.py", "app/widgets/cause_page.css", "app/widgets/cause_marks.css"):
        assert colours.findall((ROOT / path).read_text()) == [], path
