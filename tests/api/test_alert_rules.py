"""Rules, silences and acknowledgements by the API."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from db.engine import write_scope
from db.enums import RuleKind
from health.alerts.rules.detail import AlertDetail
from health.alerts.storage.alert_writes import AlertScope, open_alert, resolve_alert
from tests.api.conftest import NOW, TestClient
from tests.builders import NOON, run, store_runs

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
RULE = {"name": "Main fails", "kind": "failure_rate", "open_at": 0.5, "repos": ["acme/*"], "channels": ["slack"]}


def opened(engine: Engine) -> int:
    with write_scope(engine) as session:
        detail = AlertDetail(branch="main", failures=3, since=NOON)
        return open_alert(session, AlertScope(1, 5, RuleKind.CONSECUTIVE_FAILURES, "main"), "3", detail, NOON)


def wrong(answer: Any) -> str:
    assert answer.status_code == 422, answer.text
    return str(answer.json()["errors"][0]["parameter"])


def test_a_rule_is_added_changed_and_deleted(client: TestClient) -> None:
    made = client.post("/api/alerts/rules", json=RULE)
    assert made.status_code == 201
    rule = made.json()
    assert (rule["threshold"], rule["closes_at"], rule["built_in"]) == ("50%", 0.4, False)
    assert client.get(f"/api/alerts/rules/{rule['id']}").json() == rule
    changed = client.put(f"/api/alerts/rules/{rule['id']}", json=RULE | {"open_at": 0.25, "close_at": 0.1})
    assert (changed.json()["threshold"], changed.json()["closes_at"]) == ("25%", 0.1)
    listed = client.get("/api/alerts/rules").json()["items"]
    assert [(each["name"], each["built_in"]) for each in listed] == [("ALERT_THRESHOLD", True), ("Main fails", False)]
    assert client.delete(f"/api/alerts/rules/{rule['id']}").json()["name"] == "Main fails"
    for answer in (client.get, client.delete):
        assert answer(f"/api/alerts/rules/{rule['id']}").status_code == 404
    assert client.put("/api/alerts/rules/99999999999999999999", json=RULE).status_code == 404


def test_the_built_in_rule_is_what_alert_threshold_says(client: TestClient) -> None:
    rule_id = client.get("/api/alerts/rules").json()["items"][0]["id"]
    same = {"name": "ALERT_THRESHOLD", "kind": "consecutive_failures", "open_at": 3, "severity": "critical"}
    assert client.put(f"/api/alerts/rules/{rule_id}", json=same | {"repeat_seconds": 3600}).status_code == 200
    refused = client.put(f"/api/alerts/rules/{rule_id}", json=same | {"open_at": 5})
    assert (refused.status_code, "ALERT_THRESHOLD" in refused.json()["detail"]) == (409, True)
    assert client.delete(f"/api/alerts/rules/{rule_id}").status_code == 409


@SQLITE
@pytest.mark.parametrize(
    ("field", "changed"),
    [
        ("name", {"name": ""}),
        ("kind", {"kind": "weather"}),
        ("open_at", {"open_at": 7}),
        ("channels", {"channels": ["pigeon"]}),
        ("repos", {"repos": ["a\u0000b"]}),
        ("minimum", {"minimum": 0}),
        ("thresold", {"thresold": 1}),
    ],
)
def test_a_rule_that_cannot_be_used_is_refused_by_name(client: TestClient, field: str, changed: dict[str, Any]) -> None:
    for path in ("", "/replay"):
        assert wrong(client.post(f"/api/alerts/rules{path}", json=RULE | changed)) == field


def test_a_replay_tells_what_a_rule_would_have_done_and_saves_nothing(client: TestClient, engine: Engine) -> None:
    fails = [run(n, minutes=n, conclusion="failure") for n in range(1, 5)]
    store_runs(engine, *fails, run(5, minutes=60), run(6, minutes=70, conclusion="failure"))
    asked = {"name": "row", "kind": "consecutive_failures", "open_at": 4}
    found = client.post("/api/alerts/rules/replay", json=asked).json()
    assert (found["fired"], found["runs"], found["note"]) == (1, 6, None)
    (item,) = found["items"]
    assert item == {
        "repo": "acme/web", "workflow": "CI", "branch": "main", "opened_at": "2026-11-18T12:05:00Z",
        "resolved_at": "2026-11-18T13:01:00Z", "value": 4.0, "measured": "4", "run_id": 4,
    }  # fmt: skip
    none = client.post("/api/alerts/rules/replay", json=asked | {"repos": ["other/*"]}).json()
    assert (none["fired"], none["runs"]) == (0, 0)
    assert len(client.get("/api/alerts/rules").json()["items"]) == 1


def test_a_silence_hides_an_alert_until_it_ends(client: TestClient, engine: Engine) -> None:
    alert_id = opened(engine)
    body = {"repos": ["acme/*"], "duration_seconds": 3600, "comment": "new\nrunners", "author": "ann"}
    made = client.post("/api/alerts/silences", json=body)
    assert made.status_code == 201
    silence = made.json()
    assert (silence["state"], silence["ends_at"]) == ("active", "2026-11-18T19:00:00Z")
    alert = client.get(f"/api/alerts/{alert_id}").json()
    assert (alert["state"], alert["silenced_until"]) == ("silenced", silence["ends_at"])
    assert alert["headline"] == "acme/web · CI is failing on main"
    assert client.get("/api/alerts?state=silenced&workflow=CI").json()["items"][0]["id"] == alert_id
    ended = client.delete(f"/api/alerts/silences/{silence['id']}").json()
    assert (ended["state"], ended["ends_at"]) == ("ended", "2026-11-18T18:00:00Z")
    assert client.delete(f"/api/alerts/silences/{silence['id']}").status_code == 409
    assert client.delete("/api/alerts/silences/12345").status_code == 404
    assert client.get(f"/api/alerts/{alert_id}").json()["state"] == "firing"
    assert client.get("/api/alerts/silences").json()["items"] == []
    assert len(client.get("/api/alerts/silences?state=ended").json()["items"]) == 1


@SQLITE
@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("repos", {"duration_seconds": 60}),
        ("repos", {"repos": [""], "duration_seconds": 60}),
        ("ends_at", {"repos": ["*"]}),
        ("ends_at", {"repos": ["*"], "duration_seconds": 60, "ends_at": "2027-01-01T00:00:00Z"}),
        ("ends_at", {"repos": ["*"], "ends_at": "2020-01-01T00:00:00"}),
        ("duration_seconds", {"repos": ["*"], "duration_seconds": 1e300}),
        ("duration_seconds", {"repos": ["*"], "duration_seconds": -1}),
        ("rule_id", {"rule_id": 77, "duration_seconds": 60}),
        ("author", {"repos": ["*"], "duration_seconds": 60, "author": "a\nb"}),
    ],
)
def test_a_silence_that_cannot_be_used_is_refused_by_name(client: TestClient, field: str, body: dict[str, Any]) -> None:
    assert wrong(client.post("/api/alerts/silences", json=body)) == field


def test_who_knows_of_an_alert_stands_with_it(client: TestClient, engine: Engine) -> None:
    alert_id = opened(engine)
    said = client.post(f"/api/alerts/{alert_id}/acknowledge", json={"by": "ann", "comment": "on it"}).json()
    assert (said["state"], said["acknowledged"]) == (
        "acknowledged",
        {"at": "2026-11-18T18:00:00Z", "by": "ann", "comment": "on it"},
    )
    assert client.post(f"/api/alerts/{alert_id}/acknowledge").json()["acknowledged"]["by"] == "API"
    with write_scope(engine) as session:
        resolve_alert(session, alert_id, AlertDetail(), NOW + timedelta(hours=1))
    assert client.post(f"/api/alerts/{alert_id}/acknowledge").status_code == 409
    for number in ("12345", "99999999999999999999"):
        assert client.post(f"/api/alerts/{number}/acknowledge").status_code == 404
        assert client.get(f"/api/alerts/{number}").status_code == 404


@SQLITE
def test_pages_of_alerts_follow_each_other(client: TestClient, engine: Engine) -> None:
    with write_scope(engine) as session:
        for number in range(3):
            scope = AlertScope(1, 5, RuleKind.CONSECUTIVE_FAILURES, rule_id=9, target=str(number))
            open_alert(session, scope, "3", AlertDetail(), NOON + timedelta(hours=number))
    first = client.get("/api/alerts?limit=2&rule=9&severity=critical").json()
    second = client.get(f"/api/alerts?limit=2&cursor={first['next']}").json()
    assert (len(first["items"]), len(second["items"]), second["next"]) == (2, 1, None)
    assert wrong(client.get("/api/alerts?cursor=nonsense")) == "cursor"
    assert client.get("/api/alerts?rule=8").json()["items"] == []


@SQLITE
def test_a_page_of_another_site_changes_nothing(client: TestClient, engine: Engine) -> None:
    alert_id = opened(engine)
    there = {"Sec-Fetch-Site": "cross-site"}
    for method, path, body in (
        ("POST", "/api/alerts/rules", RULE), ("PUT", "/api/alerts/rules/1", RULE),
        ("DELETE", "/api/alerts/rules/1", None), ("POST", f"/api/alerts/{alert_id}/acknowledge", {}),
        ("POST", "/api/alerts/silences", {"repos": ["*"], "duration_seconds": 60}),
        ("DELETE", "/api/alerts/silences/1", None),
    ):  # fmt: skip
        assert client.request(method, path, json=body, headers=there).status_code == 403, path
    assert client.post("/api/alerts/rules", content=b"\xff{").status_code == 422
