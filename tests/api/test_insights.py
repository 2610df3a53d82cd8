import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import pytest
from sqlalchemy import Engine, insert, update
from sqlalchemy.orm import Session

from api import schemas
from api.response_cache_middleware import CACHED_PATHS, VERSION_TTL_SECONDS
from db.collection.sync_state import bump_data_version
from db.definitions.scope import DEFAULT_SPAN, Scope, Window
from db.engine import session_scope, write_scope
from db.models import Job, JobLog, Run, SyncState
from health.alerts import attention as attention_list
from health.insights import flaky as flaky_workflows
from health.insights import regressions as regression_detector
from health.insights.causes import queries as failure_causes
from health.insights.causes.queries import MAX_JOBS
from health.insights.flaky import MAX_RUNS_FOR_JOBS
from tests.api.conftest import NOW, MakeClient, TestClient
from tests.builders import run, store_runs
from tests.causes import add_cause
from tests.findings import (
    BEFORE,
    CAUSE,
    FLAKY,
    HOSTILE,
    LATEST,
    LINE,
    ON_A_BRANCH,
    OTHER_CAUSE,
    STUCK,
    ago,
    failed_job,
    fill,
    name_cause,
)
from tests.kept import Kept

LISTS = ["/api/insights/flaky", "/api/insights/failures", "/api/insights/regressions", "/api/insights/attention"]
SCHEMAS = dict(zip(LISTS, (schemas.Flaky, schemas.Failures, schemas.Regressions, schemas.AttentionList), strict=True))
ONE = f"/api/insights/failures/{CAUSE}"
T = TypeVar("T")
WINDOW = Window(NOW - DEFAULT_SPAN, NOW)


@pytest.fixture
def filled(make_client: MakeClient, engine: Engine, kept: Kept) -> TestClient:
    kept.fill(engine, fill)
    return make_client()


def asked(client: TestClient, path: str, **parameters: Any) -> dict[str, Any]:
    answer = client.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def told(engine: Engine, facade: Callable[[Session], T]) -> T:
    with session_scope(engine) as session:
        return facade(session)


def told_at(answered: str) -> datetime:
    return datetime.fromisoformat(answered)


@pytest.mark.parametrize("path", LISTS)
def test_without_runs_there_is_nothing_to_tell(client: TestClient, path: str) -> None:
    body = asked(client, path)
    assert (body["items"], body["total"], body["note"]) == ([], 0, None)
    assert SCHEMAS[path].model_validate(body)


def test_without_runs_there_is_no_cause(client: TestClient) -> None:
    answer = client.get(ONE)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == "No failed run that matches the window and the filters has this cause."


def test_flaky_workflows_are_those_of_the_facade(filled: TestClient, engine: Engine) -> None:
    body = asked(filled, LISTS[0])
    (expected,) = told(engine, lambda session: flaky_workflows.flaky(session, Scope(), WINDOW))
    (item,) = body["items"]
    fields = vars(expected) | {"last_at": ago(3), "jobs": [{"name": HOSTILE, "runs": 1}]}
    assert item == {"called" if name == "is_flaky" else name: value for name, value in fields.items()}
    assert (item["flaky_runs"], item["last_run_id"], item["called"]) == (1, FLAKY, False)
    assert item["wasted_seconds"] == 60.0
    assert len(item["by_day"]) == 31
    assert body["window"] == {"since": "2026-10-19T18:00:00Z", "until": "2026-11-18T18:00:00Z"}


def test_causes_are_those_of_the_facade_with_the_one_of_most_runs_first(filled: TestClient, engine: Engine) -> None:
    body = asked(filled, LISTS[1])
    expected = told(engine, lambda session: failure_causes.causes(session, Scope(), WINDOW, NOW))
    assert [item["fingerprint"] for item in body["items"]] == [CAUSE, OTHER_CAUSE]
    for item, each in zip(body["items"], expected.items, strict=True):
        fields = {("class" if name == "kind" else name): value for name, value in vars(each).items()}
        fields["cause_id"] = each.fingerprint
        assert {**item, "workflows": [tuple(place.values()) for place in item["workflows"]]} == {
            **fields, "first_at": item["first_at"], "last_at": item["last_at"],
        }  # fmt: skip
        assert (told_at(item["first_at"]), told_at(item["last_at"])) == (each.first_at, each.last_at)
    first = body["items"][0]
    assert (first["runs"], first["open"], first["last_run_id"], first["last_job_id"]) == (2, True, LATEST, LATEST * 10)
    assert (first["first_at"], first["last_at"]) == (ago(60), ago(1))
    assert (body["looked_at"], body["unnamed"], body["total"]) == (3, expected.unnamed, 2)


def test_one_cause_has_its_runs_of_the_window_newest_first(filled: TestClient) -> None:
    body = asked(filled, ONE)
    assert [(item["id"], item["job_id"], item["line"]) for item in body["items"]] == [
        (LATEST, LATEST * 10, LINE),
        (BEFORE, BEFORE * 10, LINE),
    ]
    assert body["cause"] == asked(filled, LISTS[1])["items"][0]
    assert (body["total"], body["note"]) == (2, None)
    assert schemas.Failure.model_validate(body).model_dump(mode="json") == body
    run_itself = asked(filled, f"/api/runs/{LATEST}")
    assert {name: run_itself[name] for name in body["items"][0] if name in run_itself} == {
        name: value for name, value in body["items"][0].items() if name in run_itself
    }


def test_any_line_of_a_cause_leads_to_it(filled: TestClient, engine: Engine) -> None:
    store_runs(engine, run(30, minutes=-60, branch="feature", conclusion="failure"))
    name_cause(engine, 30, "e" * 16, LINE.replace("line", "linie"))
    by_other = asked(filled, f"/api/insights/failures/{'e' * 16}")
    assert by_other["cause"]["fingerprint"] == CAUSE
    assert [item["id"] for item in by_other["items"]] == [30, LATEST, BEFORE]


def test_regressions_are_those_of_the_facade_over_their_own_days(filled: TestClient, engine: Engine) -> None:
    body = asked(filled, LISTS[2])
    expected = told(engine, lambda session: regression_detector.regressions(session, Scope(), NOW))
    assert [(item["kind"], item["repo"], item["workflow"]) for item in body["items"]] == [
        ("success", "acme/api", "E2E"),
        ("duration", "acme/api", HOSTILE),
    ]
    for item, each in zip(body["items"], expected, strict=True):
        assert (item["before"], item["after"], item["text"]) == (each.before, each.after, each.text)
        assert (item["p_value"], item["t"]) == (each.p_value, each.t)
        assert (item["first_run"]["id"], told_at(item["since"])) == (each.first_run.id, each.since)
    assert body["window"] == {"since": "2026-10-12T18:00:00Z", "until": "2026-11-18T18:00:00Z"}


def test_regressions_of_one_ten_minutes_are_the_same(make_client: MakeClient, engine: Engine, kept: Kept) -> None:
    kept.fill(engine, fill)
    early, late = (asked(make_client(now=NOW + timedelta(minutes=each)), LISTS[2]) for each in (0, 9.9))
    assert early == late
    assert len(early["items"]) == 2


def test_what_needs_a_person_is_ranked_as_by_the_facade(filled: TestClient, engine: Engine) -> None:
    body = asked(filled, LISTS[3])
    expected = told(engine, lambda session: attention_list.attention(session, Scope(), NOW))
    assert [(item["kind"], item["headline"], item["why"]) for item in body["items"]] == [
        (each.kind, each.headline, each.why) for each in expected
    ]
    assert [item["kind"] for item in body["items"]] == ["broken", "success", "stuck", "duration"]
    broken, stuck = body["items"][0], body["items"][2]
    assert (broken["run_id"], broken["first"]["id"], broken["alert_id"]) == (LATEST, BEFORE, None)
    assert (stuck["run_id"], stuck["since"]) == (STUCK, ago(0))
    assert body["at"] == "2026-11-18T18:00:00Z"


def test_an_alert_of_what_is_not_broken_can_be_found_by_its_id(filled: TestClient, engine: Engine) -> None:
    store_runs(engine, run(40, minutes=60))
    (alert,) = [item for item in asked(filled, LISTS[3])["items"] if item["kind"] == "alert"]
    assert asked(filled, f"/api/alerts/{alert['alert_id']}")["headline"] == alert["headline"]


@pytest.mark.parametrize("narrowed", [{"workflow": "Deploy"}, {"branch": "feature"}, {"repo": "acme/api"}])
def test_an_alert_of_another_workflow_or_branch_is_not_told(
    filled: TestClient, engine: Engine, narrowed: dict[str, str]
) -> None:
    store_runs(engine, run(40, minutes=60))
    kinds = {item["kind"] for item in asked(filled, LISTS[3], **narrowed)["items"]}
    assert ("alert" in kinds) == ("branch" in narrowed), "an alert over all branches is about each"
    assert "alert" in {item["kind"] for item in asked(filled, LISTS[3], workflow="5", repo="acme/web")["items"]}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, [CAUSE, OTHER_CAUSE]),
        ({"repo": "acme/api"}, []),
        ({"repo": "ACME/web", "workflow": "CI"}, [CAUSE, OTHER_CAUSE]),
        ({"workflow": "Deploy"}, []),
        ({"branch": "main"}, [CAUSE]),
        ({"branch": ["main", "feature"]}, [CAUSE, OTHER_CAUSE]),
        ({"actor": "bob"}, [OTHER_CAUSE]),
        ({"event": "schedule"}, []),
        ({"conclusion": "success"}, []),
        ({"status": "completed"}, [CAUSE, OTHER_CAUSE]),
        ({"since": "36h"}, [OTHER_CAUSE, CAUSE]),
        ({"until": "2d"}, [CAUSE]),
        ({"since": "90d", "until": "40d"}, [CAUSE]),
    ],
)
def test_causes_can_be_narrowed(filled: TestClient, query: dict[str, Any], found: list[str]) -> None:
    assert [item["fingerprint"] for item in asked(filled, LISTS[1], **query)["items"]] == found


@pytest.mark.parametrize(
    ("path", "query", "found"),
    [
        (LISTS[0], {"branch": "main"}, 0),
        (LISTS[0], {"branch": "feature", "workflow": "5"}, 1),
        (LISTS[0], {"since": "24h"}, 0),
        (LISTS[2], {"repo": "acme/web"}, 0),
        (LISTS[2], {"workflow": "E2E"}, 1),
        (LISTS[2], {"workflow": HOSTILE, "event": "push", "actor": "alice"}, 1),
        (LISTS[2], {"event": "schedule"}, 0),
        (LISTS[3], {"repo": "acme/api"}, 2),
        (LISTS[3], {"repo": ["acme/api", "acme/web"]}, 4),
        (LISTS[3], {"workflow": "CI", "actor": "bob"}, 1),
    ],
)
def test_other_findings_can_be_narrowed(filled: TestClient, path: str, query: dict[str, Any], found: int) -> None:
    assert len(asked(filled, path, **query)["items"]) == found


def test_a_list_that_is_cut_says_so(filled: TestClient) -> None:
    for path in LISTS[1:]:
        whole, cut = asked(filled, path), asked(filled, path, limit=1)
        assert cut["items"] == whole["items"][:1]
        assert cut["total"] == whole["total"] == len(whole["items"]) > 1
        assert cut["note"].startswith(f"The first 1 of {whole['total']} ")
        assert whole["note"] is None
    one = asked(filled, ONE, limit=1)
    assert ([item["id"] for item in one["items"]], one["total"]) == ([LATEST], 2)
    assert one["note"] == "The first 1 of 2 runs; limit can be up to 500."


def test_jobs_that_were_not_looked_at_are_told(filled: TestClient, engine: Engine) -> None:
    rows = [
        {"repository_id": 1, "job_id": number, "run_id": LATEST, "state": "stored", "error_line": LINE,
         "fingerprint": CAUSE, "truncated": False, "tries": 1, "requested_at": NOW}
        for number in range(10_000, 10_000 + MAX_JOBS)
    ]  # fmt: skip
    with write_scope(engine) as session:
        session.execute(insert(Job), [failed_job(row["job_id"], LATEST) for row in rows])
        session.execute(insert(JobLog), rows)
    told = "Only the newest 20,000 failed jobs of the window were evaluated."
    body = asked(filled, LISTS[1])
    assert (body["looked_at"], body["note"]) == (MAX_JOBS, told)
    assert asked(filled, ONE)["note"] == told
    assert asked(filled, LISTS[1], until="20h", since="21h")["note"] is None


def test_flaky_runs_that_were_not_looked_at_are_told(filled: TestClient, engine: Engine) -> None:
    store_runs(engine, *(run(20_000 + k, minutes=-k, branch="feature", attempt=2) for k in range(MAX_RUNS_FOR_JOBS)))
    with write_scope(engine) as session:
        session.execute(update(Run).where(Run.id >= 20_000).values(flaky=True))
    body = asked(filled, LISTS[0], until="2d")
    assert body["items"][0]["flaky_runs"] == 1
    assert body["note"] is None
    body = asked(filled, LISTS[0])
    assert body["items"][0]["flaky_runs"] == MAX_RUNS_FOR_JOBS + 1
    assert body["note"] == (
        "The jobs are those of the newest 1,000 flaky runs. "
        "Runs from the last 24 hours may still be re-run, so their flaky count is provisional."
    )


def test_every_flaky_run_can_be_listed(filled: TestClient, engine: Engine) -> None:
    store_runs(engine, *(run(20_000 + k, minutes=-k, branch="feature", attempt=2) for k in range(9)))
    with write_scope(engine) as session:
        session.execute(update(Run).where(Run.id >= 20_000).values(flaky=True))
    path, cursor, found = "/api/insights/flaky/runs", {}, []
    for _ in range(3):
        page = asked(filled, path, limit=4, **cursor)
        found += [item["id"] for item in page["items"]]
        cursor = {"cursor": page["next"]}
    assert found == [*range(20_000, 20_009), FLAKY]
    assert page["next"] is None
    assert [item["id"] for item in asked(filled, path, workflow="CI", until="2d")["items"]] == [FLAKY]
    refused = filled.get(path, params={"cursor": "x"})
    assert (refused.status_code, refused.json()["errors"][0]["parameter"]) == (422, "cursor")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("path", [*LISTS, ONE])
@pytest.mark.parametrize("query", ["limit=0", "limit=501", "limit=x", "repo=acme/nope", "brunch=main", "branch="])
def test_what_cannot_be_used_is_named(client: TestClient, path: str, query: str) -> None:
    _refused(client, path, query)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("path", [*LISTS[:2], ONE])
@pytest.mark.parametrize("query", ["since=yesterday", "until=90d", "conclusion=red", "status=none", "limit=1&limit=2"])
def test_a_window_or_word_that_cannot_be_used_is_named(client: TestClient, path: str, query: str) -> None:
    _refused(client, path, query, parameter="since" if query == "until=90d" else None)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("path", LISTS[2:])
@pytest.mark.parametrize("query", ["since=7d", "until=1d", "conclusion=failure", "status=completed"])
def test_days_that_are_fixed_take_no_window_and_no_half_of_a_sequence(
    client: TestClient, path: str, query: str
) -> None:
    _refused(client, path, query)


def _refused(client: TestClient, path: str, query: str, parameter: str | None = None) -> None:
    if query == "until=90d":
        query = "since=1d&until=90d"
    answer = client.get(f"{path}?{query}")
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0]["parameter"] == (parameter or query.partition("=")[0])


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("path", ["", "/", "/slow", "/failures/a/b"])
def test_what_does_not_exist_is_a_404(client: TestClient, path: str) -> None:
    assert client.get(f"/api/insights{path}").status_code == 404


@pytest.mark.parametrize("name", ["%3Cscript%3E", "'%20OR%201=1", "%00", "%ED%A0%80", "x" * 64])
def test_a_hostile_fingerprint_is_an_unknown_one(filled: TestClient, name: str) -> None:
    answer = filled.get(f"/api/insights/failures/{name}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert filled.get(f"/api/insights/failures/{'x' * 65}").json()["errors"][0]["parameter"] == "fingerprint"


@pytest.mark.parametrize("path", LISTS)
def test_names_and_lines_are_plain_json(filled: TestClient, path: str) -> None:
    answer = filled.get(path)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert SCHEMAS[path].model_validate(answer.json()).model_dump(mode="json") == answer.json()
    if path == LISTS[1]:
        assert answer.json()["items"][0]["line"] == LINE
    else:
        assert HOSTILE in _texts(answer.json())


def _texts(found: Any) -> list[str]:
    if isinstance(found, dict):
        return [text for each in found.values() for text in _texts(each)]
    if isinstance(found, list):
        return [text for each in found for text in _texts(each)]
    return [found] if isinstance(found, str) else []


@pytest.mark.parametrize("path", [*LISTS, ONE])
def test_findings_are_kept_until_the_stored_data_changes(filled: TestClient, engine: Engine, path: str) -> None:
    # An answer is kept no longer than the minute it was made in; a test must not see that minute end.
    if time.time() % 60 > 55:
        time.sleep(60 - time.time() % 60)
    first = filled.get(path)
    store_runs(engine, run(41, minutes=61, conclusion="failure"))
    name_cause(engine, 41, CAUSE, LINE)
    kept = filled.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (kept.status_code, kept.content) == (304, b"")
    with write_scope(engine) as session:
        bump_data_version(session, NOW)
    time.sleep(VERSION_TTL_SECONDS)
    again = filled.get(path)
    # Also where no item changed: the new run has no jobs yet, and `data` names that gap.
    assert again.headers["etag"] != first.headers["etag"]
    assert {gap["kind"] for gap in again.json()["data"]["gaps"]} == {"jobs"}
    assert set(LISTS) <= set(CACHED_PATHS)


@pytest.mark.parametrize("path", [*LISTS, ONE])
def test_findings_say_how_complete_their_data_are(filled: TestClient, engine: Engine, path: str) -> None:
    assert filled.get(path).json()["data"]["complete_since"] is None
    with write_scope(engine) as session:
        moment = NOW - timedelta(days=90)
        session.execute(update(SyncState).values(complete_since=moment, synced_at=moment))
        bump_data_version(session, NOW)
    time.sleep(VERSION_TTL_SECONDS)
    assert filled.get(path).json()["data"]["complete_since"] == f"{NOW - timedelta(days=90):%Y-%m-%dT%H:%M:%SZ}"


def test_a_kept_finding_still_wants_a_key(make_client: MakeClient, engine: Engine, kept: Kept) -> None:
    kept.fill(engine, fill)
    client = make_client(api_keys="one")
    for path in [*LISTS, ONE]:
        assert client.get(path, headers={"Authorization": "Bearer one"}).status_code == 200
        for headers in ({}, {"Authorization": "Bearer two"}):
            answer = client.get(path, headers=headers)
            assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
            assert "acme" not in answer.text


def test_causes_are_filtered_by_class(filled: TestClient, engine: Engine) -> None:
    """The classes of the window do not depend on the filter."""
    with write_scope(engine) as session:
        values = {"kind": "dependency", "fingerprint": OTHER_CAUSE, "line": "npm ERR!"}
        add_cause(session, ON_A_BRANCH * 10, ON_A_BRANCH, **values)
    body = asked(filled, "/api/insights/failures")
    only = asked(filled, "/api/insights/failures", **{"class": "dependency"})
    assert [item["cause_id"] for item in only["items"]] == [OTHER_CAUSE]
    assert (only["total"], only["classes"]) == (1, body["classes"])
    assert {count["class"]: count["jobs"] for count in body["classes"]} == Counter(
        item["class"] for item in body["items"] for _ in range(item["jobs"])
    )
    keys = {"line", "line_number", "class", "tool", "subject", "message", "cause_id", "known"}
    assert keys <= body["items"][0].keys()
    both = filled.get("/api/insights/failures", params={"class": ["dependency", "unknown"]}).json()
    assert both["total"] == sum(item["class"] in ("dependency", "unknown") for item in body["items"])
    wrong = filled.get("/api/insights/failures", params={"class": "boom"})
    assert (wrong.status_code, wrong.json()["errors"][0]["parameter"]) == (422, "class")
