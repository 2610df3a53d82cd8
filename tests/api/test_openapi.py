import inspect
import re
from typing import Any

import pytest
from pydantic import BaseModel
from sqlalchemy import Engine

import api.schemas.alerts
import api.schemas.base
import api.schemas.causes
import api.schemas.health
import api.schemas.insights
import api.schemas.metrics
import api.schemas.repositories
import api.schemas.rules
import api.schemas.runs
from tests.api.conftest import MakeClient, TestClient

MODULES = (
    api.schemas.alerts, api.schemas.base, api.schemas.insights, api.schemas.runs, api.schemas.metrics,
    api.schemas.health, api.schemas.repositories, api.schemas.rules, api.schemas.runs, api.schemas.rules,
    api.schemas.health, api.schemas.causes,
)  # fmt: skip
SCHEMAS = {
    each.__name__: each
    for module in MODULES
    for _, each in inspect.getmembers(module, inspect.isclass)
    if issubclass(each, BaseModel)
}


def _example(schema: type[BaseModel]) -> Any:
    extra = schema.model_config.get("json_schema_extra")
    return extra.get("example") if isinstance(extra, dict) else None


@pytest.mark.parametrize("name", sorted(name for name, each in SCHEMAS.items() if _example(each)))
def test_every_example_has_the_true_form_of_its_answer(name: str) -> None:
    example = _example(SCHEMAS[name])
    assert SCHEMAS[name].model_validate(example).model_dump(exclude_unset=True) == example


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_every_endpoint_is_described_with_tag_summary_and_example(client: TestClient, engine: Engine) -> None:
    described = client.get("/openapi.json").json()
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            place = f"{method} {path}"
            assert operation["tags"], place
            assert operation["summary"], place
            answer = next(
                operation["responses"][code] for code in ("200", "201", "202") if code in operation["responses"]
            )
            answer = answer["content"]
            for kind, content in answer.items():
                reference = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
                shown = described["components"]["schemas"].get(reference, {}).get("example")
                assert shown or content.get("example"), f"{place} {kind}"
            if path.startswith("/api/"):
                assert {"422", "503"} <= set(operation["responses"]), place
                # GitHub signs its deliveries and knows no key; badges are shown to everybody.
                locked = not path.startswith(("/api/webhooks/", "/api/badge/"))
                assert operation.get("security") == ([{"HTTPBearer": []}] if locked else None), place
                assert ("401" in operation["responses"]) == (locked or "webhooks" in path), place


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_endpoints_are_those_of_the_contract(client: TestClient, engine: Engine) -> None:
    paths = set(client.get("/openapi.json").json()["paths"])
    assert paths >= {
        "/api/runs", "/api/runs/{run_id}", "/api/runs/{run_id}/jobs",
        "/api/metrics", "/api/metrics/series", "/api/metrics/groups",
        "/api/logs/{run_id}", "/api/logs/search", "/api/export/runs", "/api/badge/{owner}/{name}.svg",
        "/api/repositories", "/api/workflows", "/api/alerts", "/api/alerts/test", "/health",
        "/api/alerts/{alert_id}", "/api/alerts/{alert_id}/acknowledge", "/api/alerts/silences", "/api/alerts/rules",
        "/api/alerts/silences/{silence_id}", "/api/alerts/rules/{rule_id}", "/api/alerts/rules/replay",
        "/api/insights/flaky", "/api/insights/flaky/runs", "/api/insights/failures",
        "/api/insights/failures/{fingerprint}", "/api/insights/regressions", "/api/insights/attention",
        "/api/insights/failures/{fingerprint}/triage", "/api/cause-rules", "/api/cause-rules/{rule_id}",
        "/api/cause-rules/preview", "/api/webhooks/github", "/health/live", "/health/ready", "/metrics",
    }  # fmt: skip


@pytest.mark.parametrize(
    "name", sorted(name for name, each in SCHEMAS.items() if each.__module__ == api.schemas.insights.__name__)
)
def test_every_field_of_a_finding_is_described(name: str) -> None:
    for field, told in SCHEMAS[name].model_fields.items():
        assert told.description or field in api.schemas.runs.Run.model_fields, field


def test_what_is_monitored_is_listed_with_its_state(client: TestClient, engine: Engine) -> None:
    (repository,) = client.get("/api/repositories").json()["items"]
    assert repository["repo"] == "acme/web"
    assert {"complete_since", "synced_at", "error", "gaps"} <= set(repository)
    (workflow,) = client.get("/api/workflows?repo=acme/web").json()["items"]
    assert workflow == {
        "id": 5,
        "repo": "acme/web",
        "name": "CI",
        "path": ".github/workflows/ci.yml",
        "state": "active",
    }
    assert client.get("/api/workflows?repo=acme/nope").status_code == 422
    assert client.get("/api/repositories?repo=acme/web").json()["errors"][0]["parameter"] == "repo"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_can_happen_to_any_request_is_described(make_client: MakeClient, engine: Engine) -> None:
    """Hosts, bodies and limits are looked at before a route is: each operation is asked in ways that are refused."""
    client = make_client()
    described = client.get("/openapi.json").json()
    problem = {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            place, responses = f"{method} {path}", operation["responses"]
            address = re.sub(r"\{[^}]*\}", "1", path)
            wrong = client.request(method, address, headers={"Host": "evil.example"})
            assert wrong.status_code == 421
            refused = [wrong]
            if method != "get":
                # Of a delivery the signature is looked at first.
                if "webhooks" not in path:
                    for status, body, kind in (
                        (413, b"[" + b" " * 2**20, "json"),
                        (415, b"a=b", "x-www-form-urlencoded"),
                    ):
                        headers = {"Content-Type": f"application/{kind}"}
                        refused.append(client.request(method, address, content=body, headers=headers))
                        assert refused[-1].status_code == status, place
                refused.append(client.request(method, address, headers={"Sec-Fetch-Site": "cross-site"}))
                assert refused[-1].status_code == 403, place
                assert {"408", "413"} <= set(responses), place
            for answer in refused:
                assert responses[str(answer.status_code)]["content"] == {"application/problem+json": problem}, place
                assert answer.headers["content-type"] == "application/problem+json"
            if path.startswith("/api/"):
                assert "503" in responses, place
                assert ("429" in responses) == ("webhooks" not in path), place
