"""Own rules for failure causes and known causes by the API."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select, update

from db.engine import session_scope, write_scope
from db.models import Run, StoredCauseRule
from health.insights.causes import stored_rules
from health.insights.causes.identity import fingerprint
from health.insights.causes.model import CauseClass
from health.insights.causes.rules import CauseRule, rule_fingerprint
from tests.api.conftest import NOW, MakeClient, TestClient
from tests.builders import ACTOR, run, store_runs
from tests.causes import add_cause
from tests.findings import name_cause

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
LINE = "Error: registry returned 503"
CAUSE = fingerprint(LINE) or ""
RULE = {"name": "Registry down", "pattern": "registry .*50[23]", "is_expression": True, "class": "infrastructure"}
TRIAGE = f"/api/insights/failures/{CAUSE}/triage"


@pytest.fixture
def failing(client: TestClient, engine: Engine) -> TestClient:
    """Three failed runs of one cause, and one of another."""
    store_runs(engine, *(run(number, minutes=-number, conclusion="failure") for number in range(1, 5)))
    for number in range(1, 4):
        name_cause(engine, number, CAUSE, LINE)
    name_cause(engine, 4, fingerprint("npm ERR! code E404") or "", "npm ERR! code E404")
    return client


def wrong(answer: Any) -> str:
    assert answer.status_code == 422, answer.text
    assert "\n" not in answer.json()["detail"]
    return str(answer.json()["errors"][0]["parameter"])


def test_a_rule_is_previewed_added_changed_and_deleted(failing: TestClient, engine: Engine) -> None:
    preview = failing.post("/api/cause-rules/preview", json=RULE).json()
    assert (preview["jobs"], preview["runs"], preview["searched"], preview["without_log"]) == (3, 3, 4, 0)
    assert [(cause["cause_id"], cause["line"], cause["jobs"]) for cause in preview["causes"]] == [(CAUSE, LINE, 3)]
    assert {change["after"] for change in preview["classes"]} == {"infrastructure"}
    assert (preview["lines"][0]["line"], preview["lines"][0]["run_id"], preview["partial"]) == (LINE, 1, False)
    assert failing.get("/api/cause-rules").json() == {"items": []}

    made = failing.post("/api/cause-rules", json=RULE | {"author": "ann", "repos": ["acme/*"]})
    assert made.status_code == 201
    rule = made.json()
    assert (rule["class"], rule["created_by"], rule["applied_at"], rule["repos"]) == (
        "infrastructure", "ann", None, ["acme/*"]
    )  # fmt: skip
    assert rule["cause_id"] == rule_fingerprint(rule["id"])
    assert failing.get("/api/cause-rules").json() == {"items": [rule]}
    with write_scope(engine) as session:
        stored_rules.mark_applied(session, stored_rules.list_rules(session)[0], NOW)
    path = f"/api/cause-rules/{rule['id']}"
    changed = failing.put(path, json=RULE | {"class": "dependency", "enabled": False}).json()
    assert (changed["class"], changed["enabled"], changed["applied_at"], changed["repos"]) == (
        "dependency", False, None, []
    )  # fmt: skip
    # A younger rule would not change what the older one names.
    failing.put(path, json=RULE)
    assert failing.post("/api/cause-rules/preview", json=RULE).json()["older_rules"] == 3
    same = failing.post(f"/api/cause-rules/preview?rule_id={rule['id']}", json=RULE).json()
    assert (same["jobs"], same["older_rules"]) == (3, 0)
    absent = failing.post("/api/cause-rules/preview?rule_id=987654", json=RULE)
    assert (absent.status_code, absent.json()["detail"]) == (404, "There is no rule 987654.")
    assert failing.delete(path).json()["name"] == "Registry down"
    assert failing.get("/api/cause-rules").json() == {"items": []}
    assert failing.delete(path).status_code == 404
    assert failing.put(path, json=RULE).status_code == 404
    assert failing.put("/api/cause-rules/99999999999999999999", json=RULE).status_code == 404


@SQLITE
def test_a_class_of_another_version_is_unknown(failing: TestClient, engine: Engine) -> None:
    with write_scope(engine) as session:
        at = session.scalars(select(Run.created_at).where(Run.id == 1)).one()
        add_cause(session, 10, 1, kind="weather", fingerprint=CAUSE, line=LINE, at=at)
        add_cause(session, 40, 4, kind="weather", fingerprint=None, line=LINE, at=at)
        stored_rules.add_rule(session, CauseRule("New", "x", CauseClass.TEST), NOW, by=None, actor=ACTOR)
        session.execute(update(StoredCauseRule).values(kind="weather"))
    failures = failing.get("/api/insights/failures").json()
    assert {item["cause_id"]: item["class"] for item in failures["items"]}[CAUSE] == "unknown"
    assert [count["class"] for count in failures["classes"]].count("unknown") == 1
    assert failing.get(f"/api/insights/failures/{CAUSE}").json()["cause"]["class"] == "unknown"
    assert failing.get("/api/logs/1").json()["jobs"][0]["cause"]["class"] == "unknown"
    assert failing.get("/api/cause-rules").json()["items"][0]["class"] == "unknown"
    assert failing.post("/api/cause-rules/preview", json=RULE).json()["lines"][0]["before"] == "unknown"


@SQLITE
@pytest.mark.parametrize(
    ("field", "changed"),
    [
        ("name", {"name": ""}),
        ("pattern", {"pattern": "("}),
        ("pattern", {"pattern": ".*"}),
        ("pattern", {"pattern": "a" * 501}),
        ("class", {"class": "weather"}),
        ("repos", {"repos": ["a\u0000b"]}),
        ("jobs", {"jobs": ["x"] * 51}),
        ("steps", {"steps": [""]}),
        ("patern", {"patern": "x"}),
    ],
)
def test_an_invalid_rule_is_refused_by_name(client: TestClient, field: str, changed: dict[str, Any]) -> None:
    for path in ("", "/preview"):
        assert wrong(client.post(f"/api/cause-rules{path}", json=RULE | changed)) == field
    assert wrong(client.post("/api/cause-rules/preview?days=0", json=RULE)) == "days"


@SQLITE
def test_writes_are_protected(make_client: MakeClient, engine: Engine) -> None:
    client = make_client(api_keys="a-long-key-of-the-test")
    assert client.post("/api/cause-rules", json=RULE).status_code == 401
    assert client.put(TRIAGE, json={}).status_code == 401
    foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    without = make_client()
    for answer in (
        without.post("/api/cause-rules", json=RULE, headers=foreign),
        without.put("/api/cause-rules/1", json=RULE, headers=foreign),
        without.delete("/api/cause-rules/1", headers=foreign),
        without.put(TRIAGE, json={}, headers=foreign),
        without.delete(TRIAGE, headers=foreign),
    ):
        assert answer.status_code == 403
    with session_scope(engine) as session:
        assert stored_rules.list_rules(session) == []


@SQLITE
def test_the_number_of_rules_is_limited(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_rules, "MAX_RULES", 1)
    assert client.post("/api/cause-rules", json=RULE).status_code == 201
    refused = client.post("/api/cause-rules", json=RULE)
    assert (refused.status_code, "delete one first" in refused.json()["detail"]) == (409, True)


def test_a_cause_is_marked_as_known(failing: TestClient) -> None:
    body = {"ticket": "OPS-123", "owner": "platform team", "comment": "moved in week 49", "author": "ann"}
    answer = failing.put(TRIAGE, json=body | {"until": (NOW + timedelta(days=2)).isoformat()})
    assert answer.status_code == 200
    mark = answer.json()
    assert (mark["ticket"], mark["owner"], mark["until"], mark["created_by"], mark["cause_id"]) == (
        "OPS-123", "platform team", "2026-11-20T18:00:00Z", "ann", CAUSE
    )  # fmt: skip
    listed = {
        name: [(item["line"], (item["known"] or {}).get("ticket")) for item in page["items"]]
        for name in ("", "?triage=known", "?triage=untriaged", "?triage=known&class=lint")
        if (page := failing.get(f"/api/insights/failures{name}").json())["total"] == len(page["items"])
    }
    other = ("npm ERR! code E404", None)
    assert listed == {
        "": [(LINE, "OPS-123"), other], "?triage=known": [(LINE, "OPS-123")], "?triage=untriaged": [other],
        "?triage=known&class=lint": [],
    }  # fmt: skip
    assert wrong(failing.get("/api/insights/failures?triage=maybe")) == "triage"
    assert failing.get(f"/api/insights/failures/{CAUSE}").json()["cause"]["known"]["owner"] == "platform team"
    changed = failing.put(TRIAGE, json={"ticket": "https://x.example/OPS-4", "until": None}).json()
    assert (changed["owner"], changed["until"], changed["created_by"]) == (None, None, "ann")
    assert failing.get("/api/insights/failures?triage=known").json()["items"][0]["known"]["ticket"].endswith("OPS-4")
    assert failing.delete(TRIAGE).json()["ticket"] == "https://x.example/OPS-4"
    assert failing.get("/api/insights/failures?triage=known").json()["items"] == []
    assert failing.delete(TRIAGE).status_code == 404
    assert failing.put("/api/insights/failures/ffffffffffffffffffffffff/triage", json=body).status_code == 404


def test_a_mark_of_another_line_of_the_cause_is_removed_under_its_own_fingerprint(
    failing: TestClient, engine: Engine
) -> None:
    lines = [f"Error: could not reach the artifact store of {team} after three attempts" for team in ("blue", "green")]
    marks = [fingerprint(line) or "" for line in lines]
    store_runs(engine, *(run(number, minutes=-number, conclusion="failure") for number in (11, 12, 13)))
    for number, index in ((11, 0), (12, 0), (13, 1)):
        name_cause(engine, number, marks[index], lines[index])
    assert failing.put(f"/api/insights/failures/{marks[1]}/triage", json={"ticket": "OPS-9"}).status_code == 200
    (item,) = failing.get("/api/insights/failures?triage=known").json()["items"]
    assert (item["cause_id"], item["jobs"], item["known"]["cause_id"]) == (marks[0], 3, marks[1])
    assert failing.get(f"/api/insights/failures/{marks[0]}").json()["cause"]["known"] == item["known"]
    assert failing.delete(f"/api/insights/failures/{item['known']['cause_id']}/triage").status_code == 200
    assert failing.get("/api/insights/failures?triage=known").json()["items"] == []


def test_a_fingerprint_that_cannot_be_stored_is_unknown(failing: TestClient) -> None:
    for name in ("%00", f"{CAUSE}%00"):
        path = f"/api/insights/failures/{name}/triage"
        assert failing.put(path, json={"ticket": "OPS-1"}).status_code == 404
        assert failing.delete(path).status_code == 404


def test_an_ended_mark_is_untriaged_again(failing: TestClient, make_client: MakeClient) -> None:
    failing.put(TRIAGE, json={"ticket": "OPS-1", "until": (NOW + timedelta(hours=1)).isoformat()})
    later = make_client(NOW + timedelta(hours=1))
    assert [item["known"] for item in later.get("/api/insights/failures").json()["items"]] == [None, None]
    assert later.get("/api/insights/failures?triage=untriaged").json()["total"] == 2
    assert later.delete(TRIAGE).json()["ticket"] == "OPS-1"


@SQLITE
@pytest.mark.parametrize(
    ("field", "changed"),
    [
        ("ticket", {"ticket": "javascript:alert(1)"}),
        ("owner", {"owner": "x" * 201}),
        ("comment", {"comment": "a\u0000b"}),
        ("until", {"until": "2020-01-01T00:00:00Z"}),
        ("until", {"until": "9999-12-31T23:59:59-23:59"}),
        ("until", {"until": "tomorrow"}),
        ("tickets", {"tickets": "OPS-1"}),
    ],
)
def test_an_invalid_mark_is_refused_by_name(failing: TestClient, field: str, changed: dict[str, Any]) -> None:
    assert wrong(failing.put(TRIAGE, json=changed)) == field


@SQLITE
def test_an_invalid_time_and_malformed_json_are_named(failing: TestClient) -> None:
    for text in ("yesterday", "2026-13-01T00:00:00Z"):
        answer = failing.put(TRIAGE, json={"until": text})
        assert answer.json()["detail"] == "until: not a time; write 2026-01-31T08:00:00Z"
    answer = failing.put(TRIAGE, content=b'{"ticket": OPS}', headers={"Content-Type": "application/json"})
    assert wrong(answer) == "body"
    assert answer.json()["detail"] == "body: invalid JSON at character 11: Expecting value"
