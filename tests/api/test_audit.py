"""The audit trail through the API: pages, filters, files, and who may read it."""

import csv
import io
import json
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from db.audit import Actor, record
from db.engine import write_scope
from db.enums import ActorKind, AuditAction, AuditSubject, Origin
from tests.api.conftest import NOW, MakeClient, TestClient
from tests.builders import ACTOR, NOON


@pytest.fixture
def trail(client: TestClient, engine: Engine) -> TestClient:
    """Five events, one an hour from noon; the third is by a key, the last has a formula as its name."""
    key = Actor("deploy", ActorKind.API_KEY, Origin.API)
    with write_scope(engine) as session:
        for number in range(5):
            record(
                session,
                key if number == 2 else ACTOR,
                AuditAction.CREATED if number == 0 else AuditAction.CHANGED,
                AuditSubject.TEAM if number == 4 else AuditSubject.ALERT_RULE,
                number,
                "=cmd|'/c calc'!A1" if number == 4 else f"rule {number}",
                NOON + timedelta(hours=number),
                before=None if number == 0 else {"open_at": number, "name": "a"},
                after={"open_at": number + 1, "name": "a"},
            )
    return client


def test_events_are_pages_newest_first(trail: TestClient) -> None:
    ids, cursor = [], ""
    while cursor is not None:
        page = trail.get(f"/api/audit?limit=2{cursor and f'&cursor={cursor}'}").json()
        ids += [item["subject_id"] for item in page["items"]]
        cursor = page["next"]
    assert ids == ["4", "3", "2", "1", "0"]
    newest = trail.get("/api/audit?limit=1").json()["items"][0]
    assert newest["at"] == "2026-11-18T16:00:00Z"
    assert (newest["before"], newest["after"]) == ({"open_at": 4}, {"open_at": 5})
    assert (newest["actor"], newest["origin"]) == ("ann", "dashboard")


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("subject_kind=team", "4"),
        ("subject_kind=alert_rule&subject_id=1&subject_id=3", "31"),
        ("actor=deploy", "2"),
        ("action=created", "0"),
        ("origin=api", "2"),
        ("since=3h", "43"),
        ("until=2026-11-18T13:00:00Z", "0"),
        ("q=RULE%202", "2"),
        ("q=nothing", ""),
    ],
)
def test_events_are_filtered(trail: TestClient, query: str, ids: str) -> None:
    assert "".join(item["subject_id"] for item in trail.get(f"/api/audit?{query}").json()["items"]) == ids
    lines = trail.get(f"/api/audit?format=ndjson&{query}").text.splitlines()
    assert "".join(json.loads(line)["subject_id"] for line in lines) == ids


@pytest.mark.parametrize(
    "query", ["subject_kind=x", "action=x", "origin=x", "since=x", "cursor=x", "format=xml", "limit=501", "other=1",
              "cursor=x&format=csv", "actor="]
)  # fmt: skip
def test_an_invalid_parameter_is_named(trail: TestClient, query: str) -> None:
    answer = trail.get(f"/api/audit?{query}")
    assert answer.status_code == 422
    assert query.partition("=")[0] in answer.json()["detail"]


def test_a_file_has_all_events_and_no_formula(trail: TestClient) -> None:
    answer = trail.get("/api/audit?format=csv&limit=1")
    assert answer.headers["content-disposition"] == 'attachment; filename="audit-20261118.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["subject_id"] for row in rows] == ["4", "3", "2", "1", "0"]
    assert rows[0]["subject_name"] == "'=cmd|'/c calc'!A1"
    assert json.loads(rows[0]["after"]) == {"open_at": 5}
    assert (rows[-1]["before"], rows[-1]["at"]) == ("", "2026-11-18T12:00:00Z")


def test_changes_through_the_api_are_listed_with_the_key(make_client: MakeClient, engine: Engine) -> None:
    keys = ("a-first-key-0123456789", "b-second-key-0123456789")
    client = make_client(NOW, api_keys=",".join(keys))
    headers = {"Authorization": f"Bearer {keys[1]}"}
    rule = {"name": "Slow", "kind": "queue_time", "open_at": 600}
    made = client.post("/api/alerts/rules", json=rule, headers=headers).json()
    path = f"/api/alerts/rules/{made['id']}"
    for severity in ("critical", "critical"):
        assert client.put(path, json={**rule, "severity": severity}, headers=headers).status_code == 200
    assert client.delete(path, headers=headers).status_code == 200
    assert client.get("/api/audit").status_code == 401
    items = client.get("/api/audit", headers=headers).json()["items"]
    assert [item["action"] for item in items] == ["deleted", "changed", "created"]
    assert (items[1]["before"], items[1]["after"]) == ({"severity": "warning"}, {"severity": "critical"})
    assert {item["actor_kind"] for item in items} == {"api_key"}
    text = client.get("/api/audit?format=ndjson", headers=headers).text
    assert not any(key in text for key in keys)
