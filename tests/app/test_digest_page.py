"""The page of weekly digests: its figures, weeks in the URL, and sending."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from streamlit.testing.v1 import AppTest

from db.engine import session_scope, write_scope
from db.models import AuditEvent, Notification, StoredSetting
from health.digest.schedule import UTC_ZONE, latest_week, week_window
from health.digest.service import SETTING, preview
from health.teams.service import save_team
from tests.app.conftest import Open
from tests.app.reading import html, markdown
from tests.app.seeding import Seeded
from tests.builders import ACTOR


@pytest.fixture
def planned(seeded: Seeded) -> Seeded:
    with write_scope(seeded.engine) as session:
        save_team(session, "Payments <b>", {"repositories": ["acme/web"], "digest": True}, seeded.now, actor=ACTOR)
        value = {"weekday": "friday", "hour": 16, "time_zone": "UTC", "all": ["ops"]}
        session.add(StoredSetting(name=SETTING, value=value, source="file", updated_at=seeded.now))
    return seeded


def text(page: AppTest) -> str:
    """Without the escapes of Markdown."""
    return markdown(page).replace("\\", "")


def test_the_page_shows_what_would_be_sent(planned: Seeded, open_page: Open) -> None:
    week = latest_week(UTC_ZONE, planned.now)
    page = open_page("digest", team="payments <B>", week=week.isoformat())
    with session_scope(planned.engine) as session:
        digest = preview(session, "Payments <b>", planned.now, week=week)
    shown = "".join(html(page))
    for figure in digest.figures:
        assert f">{figure.current}<" in shown, figure.name
    assert "Weekly digest: Payments &lt;b&gt;" in shown
    assert "Sent every Friday 16:00 (UTC), if the team has digest: true." in text(page)
    assert "Week after" not in shown, "the last full week"
    assert f"week={(week - timedelta(days=7)).isoformat()}" in shown
    assert digest.window == week_window(week, UTC_ZONE)


def test_other_weeks_and_teams_are_reported(planned: Seeded, open_page: Open) -> None:
    assert "week=2026-11-10 is ignored: expected a Monday" in text(open_page("digest", week="2026-11-10"))
    assert "There is no team Nobody." in text(open_page("digest", team="Nobody"))
    earlier = latest_week(UTC_ZONE, planned.now) - timedelta(days=70)
    page = open_page("digest", week=earlier.isoformat())
    assert "Week after" in "".join(html(page))
    assert "Sent every Friday 16:00 (UTC), to ops." in text(page)


def test_administrators_send_it_at_once(planned: Seeded, open_page: Open) -> None:
    page = open_page("digest")
    page.button(key="digest-send").click().run()
    assert [each.value for each in page.success] == ["The collector sends the digest to ops\\."]
    with session_scope(planned.engine) as session:
        (sent,) = session.scalars(select(Notification)).all()
        assert (sent.channel, sent.reason) == ("ops", "digest")
        assert sent.message["subject"].startswith("Weekly digest: all teams, ")
        events = session.scalars(select(AuditEvent).where(AuditEvent.subject_kind == "digest")).all()
        assert [(event.action, event.origin) for event in events] == [("sent", "dashboard")]
