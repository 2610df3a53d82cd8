"""Weekly digests: their figures are those of the API, each is sent exactly once, by any channel."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select, update

from db.collection.sync_state import sync_state
from db.definitions.records import RepositoryRecord, WorkflowRecord
from db.engine import session_scope, write_scope
from db.models import AuditEvent, Digest, Notification, NotificationChannel, Run, StoredSetting
from health.alerts.channels.base import Channel
from health.alerts.channels.email import EmailChannel
from health.alerts.channels.slack import SlackWebhookChannel
from health.alerts.notifications.delivery import Dispatcher
from health.digest.service import SETTING, send_due
from health.teams.service import save_team
from tests.api.conftest import MakeClient, TestClient
from tests.builders import ACTOR, NOON, add_repository, roll_up, run, store_runs
from tests.notify.servers import Mail, Slack, mail_server, slack_server

WEEK = date(2026, 11, 9)
LEDGER = RepositoryRecord(2, "acme/ledger", "main", True, False, "https://github.com/acme/ledger")
OF_LEDGER = WorkflowRecord(6, "CI", ".github/workflows/ci.yml", "active")
# Wednesday noon: the digests of the last full week are due since nine o'clock.
SETTINGS = {"weekday": "wednesday", "hour": 9, "time_zone": "UTC", "all": ["mail"]}
_DAY = 24 * 60


@pytest.fixture
def teams(engine: Engine) -> Engine:
    """Payments owns acme/ledger, where more runs fail than in the week before; acme/web has no team."""
    add_repository(engine)
    add_repository(engine, LEDGER, OF_LEDGER)
    for number in range(60):
        # The week before the last one: one run in ten fails; the last one: two in three.
        before, last = -(_DAY * 14 + number * 60), -(_DAY * 5 + number * 60)
        failed, passed = {"conclusion": "failure"}, {"conclusion": "success"}
        first, second = {"run_number": 60 - number}, {"run_number": 120 - number}
        of_ledger: dict[str, Any] = {"workflow_id": 6}
        store_runs(
            engine,
            run(1_000 + number, minutes=before, **of_ledger, **first, **(passed if number % 10 else failed)),
            run(2_000 + number, minutes=last, **of_ledger, **second, **(failed if number % 3 else passed)),
            repository_id=2,
        )
        store_runs(engine, run(3_000 + number, minutes=before, **first), run(4_000 + number, minutes=last, **second))
    roll_up(engine)
    with write_scope(engine) as session:
        session.execute(update(Run).values(details_pending=False))
        for number in (1, 2):
            state = sync_state(session, number)
            state.complete_since, state.synced_at = NOON - timedelta(days=60), NOON
        fields = {"repositories": ["acme/ledger"], "channels": ["chat", "pager"], "digest": True}
        save_team(session, "Payments", fields, NOON, actor=ACTOR)
        save_team(session, "Silent", {"repositories": ["acme/web"]}, NOON, actor=ACTOR)
        values = {"name": "pager", "kind": "pagerduty", "source": "file", "settings": {}, "enabled": True}
        session.execute(insert(NotificationChannel).values(**values, updated_at=NOON))
        setting = {"name": SETTING, "value": SETTINGS, "source": "file", "updated_at": NOON}
        session.execute(insert(StoredSetting).values(setting))
    return engine


@pytest.fixture
def receivers() -> Iterator[tuple[Slack, Mail]]:
    with slack_server() as slack, mail_server() as mail:
        yield slack, mail


def channels(slack: Slack, mail: Mail) -> dict[str, Channel]:
    email = EmailChannel(f"smtp://127.0.0.1:{mail.port}", "from@example.com", ("ops@example.com",))
    return {"chat": SlackWebhookChannel(slack.url), "mail": email}


def due(engine: Engine, now: datetime = NOON) -> int:
    return send_due(engine, now, "http://dash", configured=["mail"])


def test_figures_are_those_of_the_api(teams: Engine, make_client: MakeClient) -> None:
    client = make_client(now=NOON)
    digest = client.get("/api/digest?team=payments").json()
    assert (digest["team"], digest["week"]) == ("Payments", "2026-11-09")
    window = f"since={digest['since']}&until={digest['until']}"
    compared = client.get(f"/api/metrics/compare?team=Payments&{window}").json()
    before = compared["previous_window"]
    previous = f"since={before['since']}&until={before['until']}"
    now, then = (client.get(f"/api/metrics?team=Payments&{span}").json()["display"] for span in (window, previous))
    for figure in digest["figures"]:
        name = figure["name"]
        assert (figure["current"], figure["previous"]) == (now[name], then[name]), name
        assert figure["change"] == (compared["changes"][name] or {"text": None})["text"], name
    rate = next(figure for figure in digest["figures"] if figure["name"] == "success_rate")
    assert (rate["current"], rate["previous"], rate["is_improvement"]) == ("33.3%", "90.0%", False)
    assert f"Success rate: 33.3% (90.0% the week before, {rate['change']})" in digest["worse"]
    assert digest["tasks"][0]["headline"] == "Success rate dropped: acme/ledger · CI (main)"
    assert (digest["is_complete"], digest["completeness"]) == (True, "The data of both weeks is complete.")
    everything = client.get("/api/digest").json()
    assert [figure["current"] for figure in everything["figures"][:2]] == ["120", "66.7%"]


def test_unknown_weeks_are_said_to_be_unknown(teams: Engine, make_client: MakeClient) -> None:
    with write_scope(teams) as session:
        sync_state(session, 2).complete_since = NOON - timedelta(days=10)
    digest = make_client(now=NOON).get("/api/digest?team=Payments").json()
    assert digest["is_complete"] is False
    assert digest["completeness"].startswith("The data of this week is complete; that of the week before is not")
    assert digest["new_causes"] is None
    assert {figure["change"] for figure in digest["figures"]} == {None}
    with write_scope(teams) as session:
        sync_state(session, 2).complete_since = NOON - timedelta(days=4)
    digest = make_client(now=NOON).get("/api/digest?team=Payments").json()
    assert digest["completeness"] == "Provisional: the data of this week is complete only since 14 Nov 2026."


def test_each_digest_is_sent_once_by_mail_and_slack(teams: Engine, receivers: tuple[Slack, Mail]) -> None:
    slack, mail = receivers
    assert due(teams, NOON.replace(hour=8)) == 0, "one hour before its time"
    # Two collectors at once, and one that was restarted.
    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(lambda _: due(teams), range(2))) == 2
    assert due(teams) == 0
    dispatcher = Dispatcher(teams, channels(slack, mail), lambda: NOON)
    assert dispatcher.run() == 2
    assert dispatcher.run() == 0
    text = str(slack.received[0])
    assert "Weekly digest: Payments, 9 Nov 2026 to 15 Nov 2026" in text
    assert "33.3% (90.0% the week before" in text
    (message,) = mail.messages
    assert message["subject"] == "Weekly digest: all teams, 9 Nov 2026 to 15 Nov 2026"
    body = message.get_body(("plain",))
    assert body
    assert "66.7%" in body.get_content()
    assert "http://dash/failures?since=2026-11-09T00" in body.get_content().replace("%3A", ":")
    with session_scope(teams) as session:
        sent = session.execute(select(Digest.team_key, Digest.week, Digest.channels).order_by(Digest.team_key)).all()
        assert [tuple(row) for row in sent] == [("", WEEK, ["mail"]), ("payments", WEEK, ["chat"])], "no incident"
    assert due(teams, NOON + timedelta(days=7)) == 2, "the next week"


def test_nothing_is_sent_by_default(teams: Engine) -> None:
    with write_scope(teams) as session:
        session.delete(session.get_one(StoredSetting, SETTING))
    assert due(teams) == 0


def test_a_digest_can_be_sent_at_once(teams: Engine, make_client: MakeClient) -> None:
    client: TestClient = make_client(now=NOON)
    assert client.post("/api/digest/send?team=Payments").json() == {"channels": ["chat"]}
    assert client.post("/api/digest/send").json() == {"channels": ["mail"]}
    assert client.get("/api/digest?team=Nobody").status_code == 422
    assert "Payments" in client.get("/api/digest?team=Nobody").json()["detail"]
    assert client.get("/api/digest?week=2026-11-10").status_code == 422
    with session_scope(teams) as session:
        rows = session.execute(select(Notification.channel, Notification.reason).order_by(Notification.id)).all()
        assert [tuple(row) for row in rows] == [("chat", "digest"), ("mail", "digest")]
        events = session.scalars(
            select(AuditEvent).where(AuditEvent.subject_kind == "digest").order_by(AuditEvent.id)
        ).all()
        assert [(event.action, event.subject_name, event.actor_kind) for event in events] == [
            ("sent", "Payments", "anonymous"), ("sent", "all teams", "anonymous"),
        ]  # fmt: skip
    with write_scope(teams) as session:
        session.delete(session.get_one(StoredSetting, SETTING))
    assert client.post("/api/digest/send").status_code == 409
