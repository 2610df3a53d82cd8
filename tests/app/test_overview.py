import re
from datetime import timedelta
from html import unescape
from urllib.parse import parse_qs

from sqlalchemy import select

from app.data.causes import mark_known, unmark
from app.data.connection import reset_engine
from app.data.status import load_status, window_end
from app.filters.url_state import PERIODS
from core.formatting import NO_DATA
from db.collection.sync_state import bump_data_version, set_gaps, sync_state
from db.definitions.scope import Scope, Window
from db.engine import session_scope, write_scope
from db.enums import GroupBy
from db.models import Run
from health.insights.causes.triage import Triage
from health.metrics import service
from health.metrics.definitions.catalogue import display
from tests.app.conftest import Open
from tests.app.reading import charts, everything, html, markdown, table, tiles
from tests.app.seeding import Seeded
from tests.causes import add_cause
from tests.findings import name_cause

_SHOWN = ("success_rate", "runs", "failures", "success_duration_p50", "queue_p95")


def _written(seeded: Seeded, scope: Scope, span: timedelta) -> list[str]:
    until = window_end(load_status().version)
    with session_scope(seeded.engine) as session:
        figures = display(service.snapshot(session, scope, Window(until - span, until)))
    return [figures[name] for name in _SHOWN]


def test_cards_show_the_strings_of_the_catalogue(seeded: Seeded, open_page: Open) -> None:
    page = open_page()
    assert [value for value, _ in tiles(page).values()] == _written(seeded, Scope(), timedelta(days=30))


def test_figures_lead_to_the_runs_that_they_count(seeded: Seeded, open_page: Open) -> None:
    page = open_page(repo=["acme/web"], period="7d")
    body = next(block for block in html(page) if 'class="ph-tiles"' in block)
    links = dict(re.findall(r'data-figure="(\w+)"><span[^>]*>[^<]*</span><b><a href="runs\?(.*?)"', body))
    assert set(links) == {"runs", "failures", "success_duration_p50", "queue_p95"}
    for figure in ("runs", "failures"):
        runs = open_page("runs", **parse_qs(unescape(links[figure])))
        assert f"{tiles(page)[figure][0]} in the last 7d" in everything(runs)
    slowest = open_page("runs", **parse_qs(unescape(links["success_duration_p50"])))
    assert "longest first" in everything(slowest)


def test_url_filters_apply_to_the_figures(seeded: Seeded, open_page: Open) -> None:
    page = open_page(repo=["acme/api"], workflow=["CI"], period="7d")
    expected = _written(seeded, Scope(repos=("acme/api",), workflows=("CI",)), timedelta(days=7))
    assert [value for value, _ in tiles(page).values()] == expected
    assert page.multiselect(key="repo").value == ["acme/api"]


def test_filter_is_written_to_the_url_unless_default(seeded: Seeded, open_page: Open) -> None:
    page = open_page()
    assert not page.query_params
    page.multiselect(key="repo").set_value(["acme/web"]).run()
    assert page.query_params["repo"] == "acme/web"
    page.multiselect(key="repo").set_value([]).run()
    assert not page.query_params


def test_changed_url_overrides_widgets(seeded: Seeded, open_page: Open) -> None:
    page = open_page(repo=["acme/web"])
    page.query_params["repo"] = ["acme/api"]
    page.run()
    assert page.multiselect(key="repo").value == ["acme/api"]
    del page.query_params["repo"]
    page.run()
    assert page.multiselect(key="repo").value == []


def test_unknown_period_in_the_url_selects_the_default(seeded: Seeded, open_page: Open) -> None:
    page = open_page(period="never")
    assert [value for value, _ in tiles(page).values()] == _written(seeded, Scope(), PERIODS["30d"])


def test_failing_branch_comes_first_with_its_first_bad_commit(seeded: Seeded, open_page: Open) -> None:
    page = open_page()
    strip = next(block for block in html(page) if "ph-attention" in block)
    assert "acme/web · CI is failing on main" in strip
    assert "3 failed runs in a row" in strip
    assert f">{8000:08x}"[:8] + "</a></code>" in strip
    assert "(run started by bob)" in strip
    assert "run?run_id=8002" in strip


def test_a_failing_branch_names_the_mark_of_its_cause(seeded: Seeded, open_page: Open) -> None:
    strip = next(block for block in html(open_page()) if "ph-attention" in block)
    run_id = int(re.findall(r'href="run\?run_id=(\d+)"', strip)[0])
    assert "ph-known" not in strip
    with session_scope(seeded.engine) as session:
        repository_id = session.scalars(select(Run.repository_id).where(Run.id == run_id)).one()
    cause = "c" * 24
    name_cause(seeded.engine, run_id, cause, "<i>error</i>", repository_id=repository_id)
    mark_known(cause, Triage("https://x.example/browse/OPS-1", "<b>ann</b>"))
    strip = next(block for block in html(open_page()) if "ph-attention" in block)
    assert 'href="https://x.example/browse/OPS-1"' in strip
    assert "known: " in strip
    assert "&lt;b&gt;ann" in strip
    assert "&lt;i&gt;error" in strip
    unmark([cause])
    assert not any("ph-known" in block for block in html(open_page()))


def test_gaps_are_shown_beside_the_figures(seeded: Seeded, open_page: Open) -> None:
    with write_scope(seeded.engine) as session:
        set_gaps(session, 1, "runs", ["2 runs <b>missing</b>"])
    page = open_page()
    assert "2 runs \\<b\\>missing\\</b\\>" in markdown(page)


def test_complete_figures_show_the_start_date(seeded: Seeded, open_page: Open) -> None:
    shown = markdown(open_page())
    assert f"Data complete since {seeded.now - timedelta(days=90):%d %b %Y} (UTC)" in shown


def test_incomplete_figures_are_marked(seeded: Seeded, open_page: Open) -> None:
    with write_scope(seeded.engine) as session:
        sync_state(session, 1).complete_since = seeded.now - timedelta(days=5)
    assert "Data complete only since" in markdown(open_page())
    with write_scope(seeded.engine) as session:
        sync_state(session, 1).complete_since = None
    reset_engine()
    assert "Backfill in progress" in markdown(open_page())


def test_other_figures_are_below_the_cards(seeded: Seeded, open_page: Open) -> None:
    until = window_end(load_status().version)
    with session_scope(seeded.engine) as session:
        figures = display(service.snapshot(session, Scope(), Window(until - timedelta(days=30), until)))
    line = next(block for block in html(open_page()) if "ph-rest" in block and "<style>" not in block)
    for name in ("success_duration_p95", "rerun_rate_without_approvals", "flaky_runs", "recovery_p50", "cost_usd"):
        assert f"<b>{figures[name]}</b>" in line


def test_no_change_is_shown_without_a_complete_previous_period(seeded: Seeded, open_page: Open) -> None:
    with write_scope(seeded.engine) as session:
        for number in (1, 2):
            sync_state(session, number).complete_since = seeded.now - timedelta(days=31)
    page = open_page()
    assert {change for _, change in tiles(page).values()} == {"–"}


def test_filters_that_match_nothing_offer_to_clear_them(seeded: Seeded, open_page: Open) -> None:
    page = open_page(branch=["no/such/branch"])
    assert "No matching runs" in markdown(page)
    next(button for button in page.button if button.label == "Clear filters").click().run()
    assert not page.exception
    assert [value for value, _ in tiles(page).values()] == _written(seeded, Scope(), timedelta(days=30))
    assert "branch" not in page.query_params


def test_workflows_link_to_their_page_and_failing_ones_come_first(seeded: Seeded, open_page: Open) -> None:
    rows = table(open_page(period="90d"), "workflows")
    assert rows[0]["Workflow"].links == ["workflow?id=10&period=90d"]
    assert rows[0]["Default branch"].text == "✕ Failing"


def test_the_success_rate_is_counted_by_run_by_first_attempt_or_by_commit(seeded: Seeded, open_page: Open) -> None:
    until = window_end(load_status().version)
    with session_scope(seeded.engine) as session:
        figures = display(service.snapshot(session, Scope(), Window(until - timedelta(days=30), until)))
    for rate, name in (("run", "success_rate"), ("first", "success_rate_first_attempt"),
                       ("commit", "success_rate_by_commit")):  # fmt: skip
        page = open_page(rate=rate)
        shown = tiles(page)
        assert shown[name][0] == figures[name] != "–"
        assert [each for each in shown if each.startswith("success_rate")] == [name]
    page.segmented_control(key="rate").set_value("first").run()
    assert page.query_params["rate"] == "first"
    page.segmented_control(key="rate").set_value("run").run()
    assert "rate" not in page.query_params
    assert "success_rate" in tiles(open_page(rate="<b>"))


def test_rates_are_shown_with_and_without_infrastructure_failures(seeded: Seeded, open_page: Open) -> None:
    """The last three runs of CI of acme/web failed by infrastructure."""
    note = "</strong> without infrastructure failures"
    assert note not in everything(open_page())
    with write_scope(seeded.engine) as session:
        for number in (8000, 8001, 8002):
            created_at = session.get_one(Run, (1, number)).created_at
            add_cause(session, 100 * number, number, at=created_at, kind="infrastructure")
        bump_data_version(session, seeded.now)
    reset_engine()
    until = window_end(load_status().version)
    window = Window(until - timedelta(days=30), until)
    with session_scope(seeded.engine) as session:
        failures = service.read_failures(session, Scope(), window)
        figures = service.snapshot(session, Scope(), window, failures=failures)
        groups = service.groups(session, Scope(), window, GroupBy.WORKFLOW, failures=failures)
    assert figures.infrastructure_failures == 3
    page = open_page()
    shown, written = everything(page), display(figures)
    rate = written["success_rate_without_infrastructure"]
    assert f"<strong>{rate}{note}" in shown
    assert f"3 infrastructure · {figures.failures_without_cause} without a cause" in shown
    assert "without infrastructure failures" in charts(page)[0].proto.spec
    rows = {row["Workflow"].value: row["Without infrastructure"] for row in table(page, "workflows")}
    expected = {f"{group.repo} / {group.key}": display(group.metrics) for group in groups}
    assert {name: cell.text for name, cell in rows.items()} == {
        name: texts["success_rate_without_infrastructure"] for name, texts in expected.items()
    }
    unknown = {name for name, cell in rows.items() if cell.text == NO_DATA}
    assert unknown == {
        f"{group.repo} / {group.key}" for group in groups if group.metrics.infrastructure_failures is None
    }
    different = {name for name, texts in expected.items() if texts["success_rate"] != rows[name].text}
    assert (different - unknown, bool(unknown)) == ({"acme/web / CI"}, True)
    assert note in everything(open_page("workflow", id=10))
    assert note not in everything(open_page("workflow", id=20))


def test_a_change_has_one_sign_and_no_arrow(seeded: Seeded, open_page: Open) -> None:
    page = open_page(period="7d")
    changes = [change for _, change in tiles(page).values()]
    assert any(change.startswith(("+", "−")) for change in changes)
    rows = table(page, "workflows")
    changes += [row[name].text for row in rows for name in row if name.startswith("Change")]
    for change in changes:
        assert re.fullmatch(r"–|0\.0( pp|%)|[+−][\d,.]+( pp|%)|×[\d,]+|not enough runs|few runs", change), change
