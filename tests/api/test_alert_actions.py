"""Changes of alerts through the API: acknowledgements, assignees, and several alerts at once."""

import pytest
from sqlalchemy import Engine

from db.audit import AuditFilter, audit_page
from db.engine import session_scope, write_scope
from db.enums import RuleKind
from health.alerts.rules.detail import AlertDetail
from health.alerts.storage.alert_writes import AlertScope, open_alert, resolve_alert
from health.alerts.storage.outbox import enqueue
from tests.api.conftest import NOW, MakeClient, TestClient
from tests.builders import NOON, add_repository

SECRET = "k" * 40


@pytest.fixture
def alerts(client: TestClient, engine: Engine) -> list[int]:
    """Three alerts: firing, firing, resolved."""
    with write_scope(engine) as session:
        ids = [
            open_alert(session, AlertScope(1, 5, kind), "3", AlertDetail(failures=3), NOON)
            for kind in (RuleKind.CONSECUTIVE_FAILURES, RuleKind.FAILURE_RATE, RuleKind.QUEUE_TIME)
        ]
        enqueue(session, ids[0], "first", {"slack": {}}, NOON)
        resolve_alert(session, ids[2], AlertDetail(), NOW)
    return ids


def test_an_acknowledgement_is_made_and_taken_back(client: TestClient, alerts: list[int]) -> None:
    path = f"/api/alerts/{alerts[0]}/acknowledge"
    assert client.delete(path).json()["detail"] == f"Alert {alerts[0]} is not acknowledged."
    acknowledged = client.post(path, json={"by": "ann", "comment": "on it"}).json()
    assert acknowledged["acknowledged"] == {"at": "2026-11-18T18:00:00Z", "by": "ann", "comment": "on it"}
    assert client.post(path).json()["acknowledged"]["by"] == "API"
    answer = client.delete(path)
    assert (answer.status_code, answer.json()["state"], answer.json()["acknowledged"]) == (200, "firing", None)
    kinds = [entry["kind"] for entry in client.get(f"/api/alerts/{alerts[0]}").json()["timeline"]]
    assert kinds == ["opened", "notified", "acknowledged", "acknowledged", "unacknowledged"]
    assert client.delete(f"/api/alerts/{alerts[2]}/acknowledge").status_code == 409
    for method in ("POST", "DELETE"):
        assert client.request(method, "/api/alerts/999/acknowledge").status_code == 404


def test_an_alert_is_assigned_and_unassigned(client: TestClient, alerts: list[int]) -> None:
    path = f"/api/alerts/{alerts[2]}/assignee"
    assigned = client.put(path, json={"assignee": " payments  team "}).json()
    assert (assigned["assignee"], assigned["assigned_by"]) == ("payments team", "anonymous")
    assert assigned["assigned_at"] == "2026-11-18T18:00:00Z"
    for _ in range(2):
        assert client.delete(path).json()["assignee"] is None
    for body in ({}, {"assignee": " "}, {"assignee": "x" * 201}, {"assignee": None}, {"assignee": "a", "other": 1}):
        assert client.put(path, json=body).status_code == 422, body
    assert client.put("/api/alerts/999/assignee", json={"assignee": "a"}).status_code == 404
    assert client.delete(f"/api/alerts/{2**70}/assignee").status_code == 404


def test_several_alerts_are_changed_at_once(client: TestClient, alerts: list[int]) -> None:
    ids = [*alerts, 999, alerts[0]]
    errors = [None, None, f"Alert {alerts[2]} is resolved.", "There is no alert 999."]
    answer = client.post("/api/alerts/bulk", json={"action": "acknowledge", "ids": ids, "by": "ann"}).json()
    assert [(item["id"], item["error"], item["silence_id"]) for item in answer["items"]] == [
        (alert_id, error, None) for alert_id, error in zip(ids, errors, strict=False)
    ]
    body = {"action": "silence", "ids": ids, "duration_seconds": 3600, "comment": "moving"}
    items = client.post("/api/alerts/bulk", json=body).json()["items"]
    assert [item["error"] for item in items] == errors
    (silence,) = client.get("/api/alerts/silences").json()["items"]
    assert [item["silence_id"] for item in items] == [silence["id"], silence["id"], None, None]
    assert (silence["author"], silence["comment"], silence["ends_at"]) == ("API", "moving", "2026-11-18T19:00:00Z")
    assert {item["state"] for item in client.get("/api/alerts").json()["items"]} == {"silenced", "resolved"}


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"action": "delete", "ids": [1]}, "action"),
        ({"action": "acknowledge", "ids": []}, "ids"),
        ({"action": "acknowledge", "ids": list(range(501))}, "ids"),
        ({"action": "acknowledge", "ids": [1], "duration_seconds": 60}, "duration_seconds"),
        ({"action": "silence", "ids": [1]}, "duration_seconds"),
        ({"action": "silence", "ids": [1], "duration_seconds": 0}, "duration_seconds"),
        ({"action": "silence", "ids": [1], "duration_seconds": 1e9}, "duration_seconds"),
    ],
)
def test_an_invalid_request_for_several_alerts_names_the_field(
    client: TestClient, body: dict[str, object], named: str
) -> None:
    answer = client.post("/api/alerts/bulk", json=body)
    assert answer.status_code == 422
    assert named in answer.json()["detail"]


def test_events_name_the_key_and_never_contain_it(make_client: MakeClient, engine: Engine) -> None:
    add_repository(engine)
    with write_scope(engine) as session:
        alert_id = open_alert(session, AlertScope(1, 5, RuleKind.QUEUE_TIME), "3", AlertDetail(), NOON)
    client = make_client(api_keys=f"first-key-of-the-list-0123456789,{SECRET}")
    headers = {"Authorization": f"Bearer {SECRET}"}
    assert client.post(f"/api/alerts/{alert_id}/acknowledge").status_code == 401
    answer = client.post(f"/api/alerts/{alert_id}/acknowledge", headers=headers)
    with session_scope(engine) as session:
        (event,) = audit_page(session, AuditFilter()).items
    assert (event.actor_kind, event.origin, event.action) == ("api_key", "api", "acknowledged")
    assert "2" in event.actor
    assert answer.json()["acknowledged"]["by"] == event.actor
    assert SECRET not in str(event)
