from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from db.engine import write_scope
from db.enums import RuleKind
from health.alerts.rules.detail import AlertDetail
from health.alerts.storage.alert_writes import AlertScope, open_alert, resolve_alert
from health.alerts.storage.outbox import claim_due_notifications, enqueue, mark_sent
from tests.api.conftest import NOW, MakeClient, TestClient
from tests.builders import NOON, add_repository, run, store_runs
from tests.notify.servers import Mail, Slack, free_port, mail_server, slack_server
from tests.notify.web import TOKEN, hook, slack_api


@pytest.fixture
def slack() -> Iterator[Slack]:
    with slack_server() as server:
        yield server


@pytest.fixture
def mail() -> Iterator[Mail]:
    with mail_server() as server:
        yield server


@pytest.fixture
def alerts(client: TestClient, engine: Engine) -> list[int]:
    """Three alerts: firing, resolved, firing; the newest last."""
    made = []
    streak, rate = RuleKind.CONSECUTIVE_FAILURES, RuleKind.FAILURE_RATE
    for workflow_id, rule in ((5, streak), (5, rate), (None, streak)):
        with write_scope(engine) as session:
            scope = AlertScope(1, workflow_id, rule)
            made.append(open_alert(session, scope, "3", AlertDetail(since=NOON, failures=3), NOON))
    with write_scope(engine) as session:
        enqueue(session, made[0], "first", {"slack": {}}, NOON)
        resolve_alert(session, made[1], AlertDetail(), NOW)
    return made


def test_firing_alerts_come_first_then_the_newest(client: TestClient, alerts: list[int]) -> None:
    items = client.get("/api/alerts").json()["items"]
    assert [item["id"] for item in items] == [alerts[2], alerts[0], alerts[1]]
    assert [item["state"] for item in items] == ["firing", "firing", "resolved"]
    assert items[1]["workflow"] == "CI"
    assert items[1]["detail"]["since"] == "2026-11-18T12:00:00Z"
    assert items[1]["deliveries"][0]["channel"] == "slack"
    assert items[2]["resolved_at"] == "2026-11-18T18:00:00Z"


def test_an_alert_has_its_newest_messages(client: TestClient, alerts: list[int], engine: Engine) -> None:
    with write_scope(engine) as session:
        for number in range(130):
            enqueue(session, alerts[2], "repeat", {"slack": {}}, NOON + timedelta(minutes=number))
    many, one, none = client.get("/api/alerts").json()["items"]
    assert (len(many["deliveries"]), many["deliveries_total"]) == (100, 130)
    assert [each["created_at"] for each in many["deliveries"]] == sorted(
        each["created_at"] for each in many["deliveries"]
    )
    assert many["deliveries"][-1]["created_at"] == "2026-11-18T14:09:00Z"
    assert (len(one["deliveries"]), one["deliveries_total"]) == (1, 1)
    assert (none["deliveries"], none["deliveries_total"]) == ([], 0)


@pytest.mark.parametrize(
    ("query", "found"),
    [("?state=resolved", [1]), ("?limit=1", [2]), ("?limit=3&repo=acme/web", [2, 0, 1]), ("?state=firing", [2, 0])],
)
def test_alerts_can_be_narrowed(client: TestClient, alerts: list[int], query: str, found: list[int]) -> None:
    items = client.get(f"/api/alerts{query}").json()["items"]
    assert [alerts.index(item["id"]) for item in items] == found


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("query", ["state=open", "repo=acme/nope", "limit=0", "branch=main"])
def test_a_bad_parameter_of_alerts_is_named(client: TestClient, query: str) -> None:
    answer = client.get(f"/api/alerts?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == query.partition("=")[0]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_without_a_channel_the_test_is_a_409(client: TestClient) -> None:
    answer = client.post("/api/alerts/test")
    assert answer.status_code == 409
    assert "SLACK_WEBHOOK_URL" in answer.json()["detail"]


def test_a_test_goes_out_on_every_channel_with_the_figures_of_the_dashboard(
    make_client: MakeClient, engine: Engine, slack: Slack, mail: Mail
) -> None:
    add_repository(engine)
    store_runs(engine, run(1), run(2), run(3, conclusion="failure"))
    client = make_client(
        slack_webhook_url=slack.url, smtp_url=f"smtp://127.0.0.1:{mail.port}", alert_email_to="ann@example.com"
    )
    answer = client.post("/api/alerts/test")
    assert answer.status_code == 200
    assert answer.json() == {
        "results": [{"channel": "slack", "ok": True, "error": None}, {"channel": "email", "ok": True, "error": None}]
    }
    shown = client.get("/api/metrics").json()["display"]["success_rate"]
    assert shown == "66.7%"
    assert shown in str(slack.received[0]["blocks"])
    assert shown in mail.messages[0].as_string()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_one_channel_can_be_asked_for(make_client: MakeClient, slack: Slack, engine: Engine) -> None:
    client = make_client(slack_webhook_url=slack.url)
    assert client.post("/api/alerts/test?channel=slack&channel=slack").json()["results"][0]["channel"] == "slack"
    assert len(slack.received) == 1
    assert client.post("/api/alerts/test?channel=email").status_code == 409
    pigeon = client.post("/api/alerts/test?channel=pigeon")
    assert pigeon.status_code == 422
    assert "'email'" in pigeon.json()["detail"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_when_no_channel_takes_it_the_answer_is_a_502_with_the_reasons(
    make_client: MakeClient, slack: Slack, engine: Engine
) -> None:
    slack.status, slack.body = 404, b"no_service"
    answer = make_client(slack_webhook_url=slack.url).post("/api/alerts/test")
    assert answer.status_code == 502
    assert answer.headers["content-type"] == "application/problem+json"
    (result,) = answer.json()["results"]
    assert result["ok"] is False
    assert "no_service" in result["error"]
    assert "s3cr3t" not in answer.text


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_when_one_channel_takes_it_the_other_s_reason_is_told(
    make_client: MakeClient, slack: Slack, engine: Engine
) -> None:
    client = make_client(
        slack_webhook_url=slack.url, smtp_url=f"smtp://127.0.0.1:{free_port()}", alert_email_to="ann@example.com"
    )
    answer = client.post("/api/alerts/test")
    assert answer.status_code == 200
    assert [result["ok"] for result in answer.json()["results"]] == [True, False]
    assert "Connection refused" in answer.json()["results"][1]["error"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_page_of_another_site_cannot_send_messages(make_client: MakeClient, slack: Slack, engine: Engine) -> None:
    client = make_client(slack_webhook_url=slack.url)
    assert client.post("/api/alerts/test", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert slack.received == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_webhook_gets_a_test_that_says_so(make_client: MakeClient, engine: Engine) -> None:
    with hook() as receiver:
        client = make_client(alert_webhook_url=receiver.url, alert_webhook_secret="s3cr3t-key")
        answer = client.post("/api/alerts/test?channel=webhook")
        assert answer.json() == {"results": [{"channel": "webhook", "ok": True, "error": None}]}
        assert (receiver.bodies[0]["event"], receiver.bodies[0]["alerts"]) == ("test", [])
        assert receiver.bodies[0]["delivery"].startswith("test-")
        assert client.post("/api/alerts/test?channel=slack").status_code == 409


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_slack_bot_gets_a_test(make_client: MakeClient, slack: Slack, engine: Engine) -> None:
    with slack_api() as workspace:
        given = {"slack_bot_token": TOKEN, "slack_channel": workspace.channel, "slack_api_url": workspace.url}
        client = make_client(slack_webhook_url=slack.url, **given)
        assert client.post("/api/alerts/test?channel=slack").json()["results"][0]["ok"]
        assert workspace.headlines() == ["✅ Test notification: alerts of Pipeline Health are sent here"]
        assert slack.received == []
        refused = make_client(**given | {"slack_channel": "C0OTHER"}).post("/api/alerts/test")
        assert refused.status_code == 502
        assert "channel_not_found; check SLACK_CHANNEL" in refused.json()["results"][0]["error"]
        assert "s3cr3t" not in refused.text


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_refused_recipient_is_told_beside_the_success(make_client: MakeClient, mail: Mail, engine: Engine) -> None:
    mail.refuse = ("bob@example.com",)
    given = {"smtp_url": f"smtp://127.0.0.1:{mail.port}", "alert_email_to": "ann@example.com, bob@example.com"}
    (result,) = make_client(**given).post("/api/alerts/test").json()["results"]
    assert result["ok"] is True
    assert "refused bob@example.com (550)" in result["error"]


def test_what_was_folded_shows_what_carries_it(client: TestClient, engine: Engine) -> None:
    with write_scope(engine) as session:
        number = open_alert(session, AlertScope(1, 5, RuleKind.CONSECUTIVE_FAILURES), "3", AlertDetail(), NOON)
        enqueue(session, number, "first", {"slack": {}}, NOON)
        enqueue(session, number, "resolved", {"slack": {}}, NOON)
        resolve_alert(session, number, AlertDetail(), NOON)
        (claimed,) = claim_due_notifications(session, NOON, ["slack"])
        mark_sent(session, claimed.id, NOON, note="one of two refused")
    opening, ending = client.get(f"/api/alerts/{number}").json()["deliveries"]
    assert (opening["state"], opening["folded_into"]) == ("folded", ending["id"])
    assert (ending["state"], ending["note"], ending["folded_into"]) == ("sent", "one of two refused", None)
