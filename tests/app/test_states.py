from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from db.collection.sync_state import bump_data_version, record_heartbeat, sync_state
from db.engine import write_scope
from db.models import Target
from tests.app.conftest import Open
from tests.app.reading import everything, markdown
from tests.app.seeding import Seeded, add_repository, heartbeat

PAGES = ("", "runs")
ALL_PAGES = (*PAGES, "run")


@pytest.mark.parametrize("page", PAGES)
def test_unconfigured_dashboard_names_the_setting(empty: Engine, open_page: Open, page: str) -> None:
    assert "GITHUB_REPOS=owner/name" in markdown(open_page(page))


@pytest.mark.parametrize("page", PAGES)
def test_first_sync_shows_its_progress(empty: Engine, open_page: Open, moment: datetime, page: str) -> None:
    heartbeat(empty, moment, state="syncing", message="Reading acme/*", progress={"done": 3, "total": 12})
    shown = open_page(page)
    assert "Fetching your workflow runs" in markdown(shown)
    assert shown.get("progress")[0].proto.text == "3 of 12"


def test_repositories_without_runs_show_empty_state(empty: Engine, open_page: Open, moment: datetime) -> None:
    add_repository(empty, 1, "acme/web", moment)
    heartbeat(empty, moment)
    assert "No runs yet" in markdown(open_page())


@pytest.mark.parametrize("page", ALL_PAGES)
def test_every_page_shows_the_demo_banner(seeded: Seeded, open_page: Open, page: str) -> None:
    assert "<b>Demo data</b> from a bundled simulator" in everything(open_page(page))


@pytest.mark.parametrize("page", ALL_PAGES)
def test_real_data_carries_no_demo_notice(seeded: Seeded, open_page: Open, page: str) -> None:
    heartbeat(seeded.engine, seeded.now, demo=False)
    assert "Demo data" not in everything(open_page(page))


@pytest.mark.parametrize("page", ALL_PAGES)
def test_stale_heartbeat_shows_a_warning(seeded: Seeded, open_page: Open, page: str) -> None:
    heartbeat(seeded.engine, seeded.now - timedelta(seconds=3 * 300 + 120))
    assert "The collector was last seen 17 min ago" in open_page(page).warning[0].value.replace("\\", "")


def test_stalled_collector_is_reported_with_its_activity(seeded: Seeded, open_page: Open) -> None:
    since = seeded.now - timedelta(minutes=17)
    heartbeat(seeded.engine, datetime.now(UTC), beat_seconds=5, work="look", work_since=since.isoformat())
    page = open_page()
    assert f"made no progress since {since:%H:%M} UTC (look)" in page.warning[0].value.replace("\\", "")
    assert any(":red[●] making no progress" in each.value.replace("\\", "") for each in page.caption)
    assert "Making no progress" in everything(open_page("collector"))


def test_a_collector_within_three_polls_and_a_minute_is_not_stale(seeded: Seeded, open_page: Open) -> None:
    heartbeat(seeded.engine, seeded.now - timedelta(seconds=3 * 300))
    assert not open_page().warning


@pytest.mark.parametrize("page", ALL_PAGES)
def test_stopped_collector_is_reported_immediately(seeded: Seeded, open_page: Open, page: str) -> None:
    with write_scope(seeded.engine) as session:
        record_heartbeat(session, seeded.now, {"beat_seconds": 5, "poll_seconds": 300.0}, stopped_at=seeded.now)
    shown = open_page(page)
    line = f"stopped at {seeded.now:%H:%M} UTC"
    assert f"The collector {line}" in shown.warning[0].value.replace("\\", "")
    captions = "\n".join(each.value for each in shown.caption).replace("\\", "")
    assert f":red[●] {line} · synced" in captions
    assert "live" not in captions


@pytest.mark.parametrize(
    ("seconds", "detail", "line"),
    [
        (0, {}, ":green[●] live · synced"),
        (0, {"catching_up": 1}, ":blue[●] catching up, 1 of 2 · synced"),
        (40, {}, ":red[●] not running · synced"),
        (40, {"command": True}, ":gray[●] synced"),
    ],
)
def test_state_of_the_collector_is_beside_the_last_sync(
    seeded: Seeded, open_page: Open, seconds: float, detail: dict[str, object], line: str
) -> None:
    heartbeat(seeded.engine, datetime.now(UTC) - timedelta(seconds=seconds), beat_seconds=5, **detail)
    captions = [each.value.replace("\\", "") for each in open_page().caption]
    assert next(each for each in captions if "synced" in each).startswith(line)


def test_unreadable_repository_is_shown_with_the_reason(seeded: Seeded, open_page: Open) -> None:
    with write_scope(seeded.engine) as session:
        sync_state(session, 1).error = "the token may not read <Actions>"
    shown = open_page().warning[0].value
    assert "acme/web: the token may not read" in shown.replace("\\", "")
    assert "<Actions>" not in shown


@pytest.mark.parametrize("page", ALL_PAGES)
def test_unmigrated_database_shows_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_page: Open, page: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'new.db'}")
    shown = markdown(open_page(page)).replace("\\", "")
    assert "Data unavailable" in shown
    assert "python -m db upgrade" in shown


@pytest.mark.parametrize("page", ["", "runs", "cost", "alerts", "collector"])
def test_a_database_of_an_older_version_shows_the_command(seeded: Seeded, open_page: Open, page: str) -> None:
    from db.migrate import downgrade

    downgrade(seeded.engine, "0014")
    shown = markdown(open_page(page)).replace("\\", "")
    assert "Data unavailable" in shown
    assert "The database is at revision 0014" in shown
    assert "python -m db upgrade" in shown


def test_a_page_that_cannot_be_read_is_not_repeated_at_once(seeded: Seeded, open_page: Open) -> None:
    """The state of the collection can still be read, so that nothing but the retry has a pause."""
    from db.migrate import downgrade

    page = open_page()
    downgrade(seeded.engine, "0014")
    page.query_params["saved"] = "3"
    page.run()
    assert "The database is at revision 0014" in markdown(page).replace("\\", "")
    assert "This page retries every few seconds" in everything(page)


def test_unavailable_database_is_reported_without_its_password(
    monkeypatch: pytest.MonkeyPatch, open_page: Open
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://ph:hunter2@127.0.0.1:1/ph")
    shown = markdown(open_page()).replace("\\", "")
    assert "Data unavailable" in shown
    assert "hunter2" not in shown


def test_a_page_recovers_when_the_database_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_page: Open
) -> None:
    from db.engine import make_engine
    from db.migrate import upgrade

    url = f"sqlite:///{tmp_path / 'later.db'}"
    monkeypatch.setenv("DATABASE_URL", url)
    page = open_page()
    assert "Data unavailable" in markdown(page)
    engine = make_engine(url)
    upgrade(engine)
    engine.dispose()
    page.run()
    assert "No repositories configured" in markdown(page)


def test_invalid_setting_is_named(monkeypatch: pytest.MonkeyPatch, open_page: Open) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://x/y")
    assert "DATABASE_URL" in markdown(open_page()).replace("\\", "")


@pytest.mark.parametrize(
    ("page", "query"),
    [("", {}), ("", {"wall": 1}), ("workflow", {}), ("workflow", {"id": 20}), ("runs", {}), ("failures", {}),
     ("flaky", {}), ("cost", {}), ("alerts", {}), ("run", {"run_id": 2000})],
)  # fmt: skip
def test_every_page_shows_completeness(seeded: Seeded, open_page: Open, page: str, query: dict[str, object]) -> None:
    assert "Data complete since" in everything(open_page(page, **query))
    with write_scope(seeded.engine) as session:
        sync_state(session, 2).complete_since = None
        bump_data_version(session, seeded.now)
    from app.data.status import load_status

    load_status.clear()
    told = everything(open_page(page, **query))
    one = page == "run" or "id" in query
    assert ("the repository is" if one else "1 of 2 repositories") + " still catching up" in told
    assert "Data complete since" not in told


def test_completeness_is_read_once_per_page(seeded: Seeded, open_page: Open) -> None:
    from app.data.connection import current_engine, reader, reset_engine

    page, seen = open_page(), []
    reset_engine()
    reader()
    event.listen(current_engine(), "before_cursor_execute", lambda *given: seen.append(given[2]))
    page.run()
    assert sum(each.startswith("SELECT backfills.") for each in seen) <= 1
    assert sum("FROM run_gaps" in each for each in seen) <= 1
    assert sum("details_pending" in each for each in seen) == 1


def test_repositories_without_runs_are_named_with_the_period(empty: Engine, open_page: Open, moment: datetime) -> None:
    add_repository(empty, 1, "acme/web", moment)
    with write_scope(empty) as session:
        sync_state(session, 1).complete_since = moment - timedelta(days=30)
    heartbeat(empty, moment)
    assert "No workflow runs found in acme/web for the last 30 days" in markdown(open_page()).replace("\\", "")


@pytest.mark.parametrize("page", ["", "workflow", "runs", "failures", "search", "flaky", "cost"])
def test_failing_collector_gets_no_configuration_hint(
    empty: Engine, open_page: Open, moment: datetime, page: str
) -> None:
    with write_scope(empty) as session:
        session.add(Target(name="acme/web", error="401: check GITHUB_TOKEN", checked_at=moment))
    heartbeat(empty, moment)
    found = open_page(page)
    told = markdown(found).replace("\\", "")
    assert told.count("acme/web: 401: check GITHUB_TOKEN") == 2
    assert "Nothing has been collected yet" in told
    assert "GITHUB_REPOS=" not in told


def test_repositories_in_backfill_are_counted(empty: Engine, open_page: Open, moment: datetime) -> None:
    for number, name in enumerate(("acme/web", "acme/api", "acme/lib"), 1):
        add_repository(empty, number, name, moment)
    with write_scope(empty) as session:
        sync_state(session, 2).complete_since = None
    heartbeat(empty, moment)
    page = open_page()
    assert "Catching up" in markdown(page)
    assert page.get("progress")[0].proto.text.startswith("2 of 3 repositories synced")


def test_alerts_without_data_are_no_all_clear(empty: Engine, open_page: Open, moment: datetime) -> None:
    assert "No firing alerts." not in everything(open_page("alerts"))
    assert "No runs are stored yet" in everything(open_page("alerts"))


@pytest.mark.parametrize(
    ("detail", "stopped", "line"),
    [
        ({}, False, "Nothing needs attention"),
        ({}, True, "No problems in the stored data, which may be incomplete. The collector stopped at"),
        ({"catching_up": 1}, False, "which may be incomplete. 1 of 2 repositories is still catching up."),
    ],
)
@pytest.mark.parametrize("wall", [{}, {"wall": 1}])
def test_stale_or_partial_data_is_no_all_clear(
    seeded: Seeded, open_page: Open, detail: dict[str, object], stopped: bool, line: str, wall: dict[str, int]
) -> None:
    values = {"beat_seconds": 5, "poll_seconds": 300.0, **detail}
    moment = datetime.now(UTC)
    with write_scope(seeded.engine) as session:
        record_heartbeat(session, moment, values, stopped_at=moment if stopped else None)
    shown = everything(open_page(repo="acme/api", **wall))
    assert line in shown
    assert ("✓ Nothing needs attention" in shown) == (not detail and not stopped)
