"""Titles, headings and breadcrumbs: every page and subject has its own."""

import re
from dataclasses import replace
from datetime import datetime, timedelta
from html import unescape

import pytest
from sqlalchemy import Engine, delete
from streamlit.testing.v1 import AppTest

from app.components.kiosk import KioskField, field_grid
from app.data.alerts import MAX_FIRING
from app.data.status import load_status
from app.routes import NAMES, PARENTS, has_subject, page_of
from app.streamlit_patches.document import document
from db.engine import write_scope
from db.enums import RuleKind
from db.models import Alert
from db.saved_views import save_view
from health.alerts.rules.detail import AlertDetail
from health.alerts.storage.alert_writes import AlertScope, open_alert
from health.metrics.definitions.episodes import BranchStatus, WorkflowStatus
from tests.app.conftest import Open
from tests.app.reading import html, markdown
from tests.app.seeding import HOSTILE, RERUN, SECRET_LINE, Seeded, heartbeat
from tests.builders import ACTOR

SUBJECTS = {
    ("", ()): "Overview",
    ("", (("repo", "acme/web"), ("workflow", "CI"))): "Overview · acme/web · CI",
    ("", (("wall", "1"),)): "Kiosk",
    ("workflow", ()): "Workflows",
    ("workflow", (("id", "10"),)): "acme/web · CI",
    ("runs", (("repo", ("acme/web", "acme/api")),)): "Runs · 2 repositories",
    ("run", (("run_id", "8002"),)): "acme/web · CI #8002 failed",
    ("run", ()): "No run selected",
    ("run", (("run_id", "5"),)): "Run 5 not found",
    ("workflow", (("id", "5"),)): "Workflow 5 not found",
    ("log", (("run_id", str(RERUN)), ("job_id", "5"))): "Log not found",
    ("compare", (("runs", "1"),)): "Nothing to compare",
    ("failures", (("cause", "x"),)): "Unknown cause · Failures",
    ("failures", (("cause", "f"), ("repo", "acme/nope"))): "Failures · acme/nope",
    ("alerts", (("alert", "5"),)): "Alerts",
    ("log", (("run_id", str(RERUN)), ("job_id", "4"))): f"acme/web · CI #{RERUN} · <b>test</b> log",
    ("compare", (("runs", "8001,8002"),)): "Compare #8001, #8002 · acme/web · CI",
    ("failures", ()): "Failures",
    ("failures", (("cause", "f"),)): f"{SECRET_LINE} · Failures",
    ("search", ()): "Search logs",
    ("flaky", ()): "Flaky",
    ("teams", ()): "Teams",
    ("cost", ()): "Cost & capacity",
    ("alerts", ()): "Alerts",
    ("collector", ()): "Collector",
}


def _title(page: AppTest) -> str:
    return str(page.session_state["page-title"])


def _headings(page: AppTest) -> list[int]:
    """The levels of the headings; the first one of the main area comes before all others on the screen."""
    levels = [int(level) for level in re.findall(r"<h([1-6])[ >]", "\n".join(_shown(page)))]
    return sorted(levels + [len(mark) for mark in re.findall(r"^(#+) ", markdown(page), re.MULTILINE)])


def _shown(page: AppTest) -> list[str]:
    return [block for block in html(page) if "<style>" not in block]


@pytest.mark.parametrize(("page", "query"), SUBJECTS)
def test_page_has_a_title_of_its_own_and_one_first_heading(
    seeded: Seeded, open_page: Open, page: str, query: tuple[tuple[str, object], ...]
) -> None:
    shown = open_page(page, **{name: list(value) if isinstance(value, tuple) else value for name, value in query})
    assert _title(shown) == f"{SUBJECTS[page, query]} · Pipeline Health"
    levels = _headings(shown)
    assert levels.count(1) == 1
    assert set(levels) == set(range(1, max(levels) + 1))


@pytest.mark.parametrize("page", NAMES)
def test_page_without_data_has_a_title_and_a_heading(empty: Engine, open_page: Open, page: str) -> None:
    shown = open_page(page)
    assert _title(shown).endswith("Pipeline Health")
    assert _headings(shown).count(1) == 1


def test_title_is_one_line_of_text(seeded: Seeded, open_page: Open) -> None:
    shown = open_page(repo=["a\nb\u202e\x00" + "c" * 200])
    first, _, product = _title(shown).removeprefix("Overview · ").partition(" · ")
    assert first == "a b" + "c" * 76 + "…"
    assert product == "Pipeline Health"


BREADCRUMBS = {
    ("run", (("run_id", "8002"),)): ["Runs", "acme/web", "CI", "#8002"],
    ("log", (("run_id", str(RERUN)), ("job_id", "4"))): ["Runs", "acme/web", "CI", f"#{RERUN}", "<b>test</b>"],
    ("compare", (("runs", "8001,8002"),)): ["Runs", "acme/web", "CI", "Compare #8001, #8002"],
    ("workflow", (("id", "10"),)): ["Workflows", "acme/web", "CI"],
    ("failures", (("cause", "f"),)): ["Failures", SECRET_LINE],
}


@pytest.mark.parametrize(("page", "query"), BREADCRUMBS)
def test_breadcrumb_leads_to_every_level_above(
    seeded: Seeded, open_page: Open, page: str, query: tuple[tuple[str, object], ...]
) -> None:
    block = next(block for block in _shown(open_page(page, **dict(query))) if "Breadcrumb" in block)
    nav = block.partition('<nav class="ph-crumb" aria-label="Breadcrumb">')[2].partition("</nav>")[0]
    items = re.findall(r"<li( aria-current=\"page\")?>(<a [^>]*>)?(.*?)(?:</a>)?</li>", nav)
    assert [unescape(label) for _, _, label in items] == BREADCRUMBS[page, query]
    assert [bool(current) for current, _, _ in items] == [False] * (len(items) - 1) + [True]
    assert [bool(link) for _, link, _ in items] == [True] * (len(items) - 1) + [False]


def test_compared_runs_of_several_repositories_share_the_list_of_runs(seeded: Seeded, open_page: Open) -> None:
    shown = open_page("compare", runs="8001,2001")
    assert _title(shown) == "Compare #8001, #2001 · Pipeline Health"


def test_hostile_text_is_text_in_headings(seeded: Seeded, open_page: Open) -> None:
    shown = "\n".join(_shown(open_page("run", run_id=RERUN)))
    assert "<script" not in shown
    assert '<h1 class="ph-title">&lt;script&gt;' in shown
    assert HOSTILE not in shown


def test_path_of_a_page_comes_from_its_url() -> None:
    assert page_of("https://ci.example/health/runs?repo=acme%2Fweb") == "runs"
    assert page_of("https://ci.example/health/") == ""
    assert page_of(None) == ""
    assert all(has_subject(page, ()) for page in PARENTS)
    assert has_subject("workflow", ("id",))
    assert not has_subject("workflow", ("period",))
    assert not has_subject("", ("id",))


@pytest.mark.parametrize("page", NAMES)
def test_document_has_the_name_of_its_page_and_a_skip_link(page: str) -> None:
    shown = document(page).decode()
    assert f"<title>{NAMES[page].replace('&', '&amp;')} · Pipeline Health</title>" in shown
    assert '<body><a class="ph-skip" href="#content">' in shown


def test_invalid_parameters_of_kiosk_mode_are_reported(seeded: Seeded, open_page: Open) -> None:
    shown = markdown(open_page(wall="foo", rotate="0", theme="pink")).replace("\\", "")
    assert "wall=foo is invalid (expected 1, overview, failing, alerts): showing the Overview." in shown
    assert "rotate=0 is invalid (expected 5 to 3600 seconds)." in shown
    assert "theme=pink is invalid (expected system, light, dark)." in shown
    assert "is invalid" not in markdown(open_page(wall="failing", rotate="30", theme="dark"))


def _wall(page: AppTest) -> str:
    return next(block for block in html(page) if 'class="ph-wall"' in block)


def test_kiosk_mode_shows_window_and_age_of_the_data(seeded: Seeded, open_page: Open) -> None:
    head = _wall(open_page(wall=1, repo="acme/web", period="7d")).partition("<section")[0]
    assert '<b data-head="subject">acme/web</b><span data-head="period">last 7d</span>' in head
    assert re.search(r'data-updated="\d{10}">updated ', head)
    assert "data-clock" in head


def test_kiosk_mode_rotates_between_views(seeded: Seeded, open_page: Open) -> None:
    views = re.findall(
        r'<section data-view="(\w+)"[^>]*?( hidden)?(?: data-empty)?>', _wall(open_page(wall=1, rotate=30))
    )
    assert views == [("overview", ""), ("failing", " hidden"), ("alerts", " hidden")]
    assert 'data-rotate="30"' in _wall(open_page(wall=1, rotate=30))
    assert re.findall(r'data-view="(\w+)"', _wall(open_page(wall=1))) == ["overview"]
    failing = _wall(open_page(wall="failing"))
    assert re.findall(r'data-view="(\w+)"', failing) == ["failing"]
    # All fields are of one repository, so that the workflow is their name.
    assert "<b>✕ CI</b><span>web</span>" in failing


def test_kiosk_mode_rotates_between_saved_views(seeded: Seeded, open_page: Open) -> None:
    queries = ("repo=acme%2Fapi&period=7d", "repo=acme%2Fweb&branch=main&dates=2026-01-01..2099", "sort=jobs.runs")
    with write_scope(seeded.engine) as session:
        first, second, third = (
            save_view(session, f"Team {number} <b>", "", page, query, owner=None, now=seeded.now, actor=ACTOR)
            for number, (page, query) in enumerate(zip(("", "failures", "cost"), queries, strict=True))
        )
    screen = _wall(open_page(wall=1, view=[second, first, 999]))
    sections = re.findall(r'<section data-view="saved-(\d+)" data-subject="([^"]*)" data-period="([^"]*)"', screen)
    assert sections == [
        (str(second), "Team 1 &lt;b&gt;", "last 30d"),
        (str(first), "Team 0 &lt;b&gt;", "last 7d"),
    ]
    assert 'data-rotate="30"' in screen
    assert '<b data-head="subject">Team 1 &lt;b&gt;</b>' in screen
    of_web, of_api = screen.split("<section ")[1:]
    repositories = re.compile(r"</b><span>(web|api)\b")
    assert (set(repositories.findall(of_web)), set(repositories.findall(of_api))) == ({"web"}, {"api"})
    page = open_page(wall="failing", rotate=10, view=[first, 999])
    assert "view=999 is ignored: this saved view does not exist" in markdown(page).replace("\\", "")
    assert 'data-rotate="10"' in _wall(page)
    assert "No failing workflows" in _wall(page)
    assert 'data-rotate="0"' in _wall(open_page(wall=1, view=third))
    menu = open_page()
    menu.button(key="views-open").click().run()
    assert f'href="./?wall=1&amp;view={first}&amp;view={second}&amp;view={third}"' in "\n".join(html(menu))


def test_kiosk_mode_of_a_saved_view_has_its_workflow_and_no_all_clear_without_its_names(
    seeded: Seeded, open_page: Open
) -> None:
    views = {"one": ("workflow", "id=10"), "gone": ("", "repo=acme%2Fgone"), "none": ("workflow", "id=99")}
    with write_scope(seeded.engine) as session:
        ids = {
            name: save_view(session, name, "", *view, owner=None, now=seeded.now, actor=ACTOR)
            for name, view in views.items()
        }
    screen = _wall(open_page(wall=1, view=ids["one"]))
    assert set(re.findall(r'<a class="ph-field [^>]*href="([^"]*)"', screen)) == {"workflow?id=10"}
    for name, text in (("gone", "acme/gone is not monitored."), ("none", "Workflow 99 not found.")):
        screen = _wall(open_page(wall=1, view=ids[name]))
        assert f"which may be incomplete. {text}" in screen, screen
        assert "Nothing needs attention" not in screen


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({"repo": "acme/<b>gone"}, "acme/&lt;b&gt;gone is not monitored"),
        ({"repo": "acme/web", "workflow": "Nightly"}, "Workflow Nightly not found"),
        ({"dates": "2020-01-01..2020-01-02"}, "No matching runs in this period"),
        ({"dates": "2020-01-01..2020-01-02", "wall": "failing"}, "No matching runs in this period"),
    ],
)
def test_kiosk_mode_without_runs_has_head_and_exit(
    seeded: Seeded, open_page: Open, query: dict[str, str], text: str
) -> None:
    screen = _wall(open_page(**{"wall": "1", **query}))
    assert f'<p class="ph-wall-calm ph-gray">{text}</p>' in screen
    assert "data-clock" in screen
    assert re.search(r'data-updated="\d{10}">updated ', screen)
    assert "ph-wall-exit" in screen
    assert "No failing workflows" not in screen


def test_kiosk_mode_without_any_run_shows_the_reason(empty: Engine, open_page: Open, moment: datetime) -> None:
    assert "No repositories configured" in _wall(open_page(wall=1))
    heartbeat(empty, moment, state="syncing", message="Reading <acme>")
    load_status.clear()
    screen = _wall(open_page(wall=1))
    assert '<p class="ph-wall-calm ph-gray">Reading &lt;acme&gt;</p>' in screen
    assert "not synced yet" in screen
    assert "ph-wall-exit" in screen


def test_kiosk_mode_shows_an_alert_that_is_older_than_those_of_other_repositories(
    seeded: Seeded, open_page: Open
) -> None:
    with write_scope(seeded.engine) as session:
        session.execute(delete(Alert))
        for number in range(MAX_FIRING + 1):
            scope = AlertScope(1 if number else 2, None, RuleKind.QUEUE_TIME, target=str(number))
            open_alert(session, scope, "3", AlertDetail(), seeded.now - timedelta(minutes=MAX_FIRING + 1 - number))
    screen = _wall(open_page(wall="alerts", repo="acme/api"))
    assert "No firing alerts" not in screen
    assert "acme/api" in screen.partition("ph-wall-list")[2]
    everywhere = _wall(open_page(wall="alerts"))
    assert f'<p class="ph-wall-rest">{MAX_FIRING + 1 - 12} more alerts</p>' in everywhere


def test_kiosk_mode_is_no_all_clear_without_a_collector(seeded: Seeded, open_page: Open) -> None:
    assert "✓ No failing workflows" in _wall(open_page(wall="failing", repo="acme/api"))
    heartbeat(seeded.engine, seeded.now - timedelta(hours=1))
    load_status.clear()
    page = open_page(wall="failing", repo="acme/api")
    assert "✓" not in _wall(page)
    assert "may be incomplete. The collector was last seen" in _wall(page)
    assert "The collector was last seen" in page.warning[0].value


def test_rotation_leaves_out_views_without_content(seeded: Seeded, open_page: Open) -> None:
    def empty_views(**query: object) -> list[str]:
        return re.findall(r'data-view="(\w+)"[^>]* data-empty>', _wall(open_page(wall=1, rotate=30, **query)))

    assert empty_views() == ["alerts"]
    assert empty_views(repo="acme/api") == ["failing", "alerts"]


def test_success_rate_of_few_runs_is_no_estimate(seeded: Seeded, open_page: Open) -> None:
    def rates(**query: object) -> list[str]:
        return re.findall("<em.*?</em>", _wall(open_page(wall=1, repo="acme/api", **query)))

    assert all(re.fullmatch(r"<em>\d+(\.\d)?%</em>", rate) for rate in rates())
    assert all(re.fullmatch(r'<em class="ph-dim">\d runs?</em>', rate) for rate in rates(period="24h"))


def test_failing_fields_are_counted_beyond_those_of_the_page() -> None:
    status = BranchStatus("acme/web", 1, "main", WorkflowStatus.FAILING)
    passing = replace(status, status=WorkflowStatus.PASSING)
    fields = [KioskField("acme/web", str(number), status, 0.5, 20, number) for number in range(1, 451)]
    shown = field_grid([*fields, KioskField("acme/api", "CI", passing, 1.0, 20, 451)])
    assert 'data-total="451" data-failing="450"' in shown
    assert shown.count("ph-field ph-red") == 400


def test_sidebar_links_to_kiosk_mode_with_the_filters(seeded: Seeded, open_page: Open) -> None:
    foot = next(block for block in html(open_page("runs", repo="acme/web", period="7d")) if 'class="ph-foot"' in block)
    assert 'href="./?wall=1&amp;repo=acme%2Fweb&amp;period=7d"' in foot
    assert [name for name in ("system", "light", "dark") if f'data-theme="{name}"' in foot] == [
        "system",
        "light",
        "dark",
    ]


def test_period_and_filters_are_printed(seeded: Seeded, open_page: Open) -> None:
    shown = "\n".join(_shown(open_page(repo=["acme/web", "acme/api"], period="7d")))
    assert '<p class="ph-print-line">the last 7d · acme/web, acme/api<span' in shown
