import pytest
from sqlalchemy import Engine

from tests.api.conftest import MakeClient, TestClient
from tests.builders import add_repository, run, store_runs

# Which database it is makes no difference here.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
OPEN = ["/health", "/health/live", "/health/ready", "/metrics", "/docs", "/openapi.json"]
CLOSED = ["/api/runs", "/api/runs/1", "/api/metrics", "/api/metrics/series", "/api/metrics/groups?by=repo",
          "/api/logs/1", "/api/repositories", "/api/workflows", "/api/alerts", "/api/insights/flaky",
          "/api/insights/failures", "/api/insights/failures/f", "/api/insights/regressions",
          "/api/insights/attention", "/api/insights/flaky/runs"]  # fmt: skip


@pytest.fixture
def locked(make_client: MakeClient, engine: Engine) -> TestClient:
    add_repository(engine)
    return make_client(api_keys="first-key, second-key")


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer wrong", "Basic first-key", "Bearer first-key,second-key", "Bearer f\u00fc"]
)
def test_with_keys_set_every_api_route_wants_one(locked: TestClient, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header.encode("latin-1")}
    for path in CLOSED:
        answer = locked.get(path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"] == "application/problem+json"
        assert "first-key" not in answer.text
    assert locked.post("/api/alerts/test", headers=headers).status_code == 401


@pytest.mark.parametrize("header", ["Bearer first-key", "bearer second-key"])
def test_any_of_the_keys_opens(locked: TestClient, header: str) -> None:
    assert locked.get("/api/runs", headers={"Authorization": header}).status_code == 200


def test_health_metrics_and_docs_want_no_key(locked: TestClient) -> None:
    for path in OPEN:
        assert locked.get(path).status_code == 200


def test_every_answer_carries_an_id_and_security_headers(client: TestClient) -> None:
    for path in ("/api/runs", "/api/nope", "/health", "/docs"):
        headers = client.get(path).headers
        assert len(headers["x-request-id"]) == 32
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in headers
    assert client.get("/api/alerts").headers["cache-control"] == "private, no-cache"
    assert client.get("/api/nope").headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("given", "kept"), [("deploy-17", True), ("x" * 65, False), ("a\u00e9", False), ("a b", False)]
)
def test_a_request_id_is_kept_only_when_it_is_harmless(client: TestClient, given: str, kept: bool) -> None:
    answer = client.get("/health", headers={"X-Request-ID": given.encode("latin-1")})
    assert (answer.headers["x-request-id"] == given) is kept


def test_long_answers_are_compressed(client: TestClient, engine: Engine) -> None:
    store_runs(engine, *(run(number) for number in range(1, 20)))
    assert client.get("/api/runs", headers={"Accept-Encoding": "gzip"}).headers["content-encoding"] == "gzip"
    assert "content-encoding" not in client.get("/api/runs", headers={"Accept-Encoding": "identity"}).headers


def test_a_path_that_does_not_exist_is_a_problem(client: TestClient) -> None:
    answer = client.get("/api/nope")
    assert answer.status_code == 404
    assert answer.json()["detail"] == "There is no /api/nope; /docs lists all routes."


def test_a_method_that_does_not_exist_is_a_problem(client: TestClient) -> None:
    answer = client.delete("/api/runs")
    assert answer.status_code == 405
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_root_leads_to_the_docs(client: TestClient) -> None:
    assert client.get("/", follow_redirects=False).headers["location"] == "/docs"
