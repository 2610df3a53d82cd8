import time

import pytest

from tests.api.conftest import MakeClient
from tests.notify.servers import free_port

KEY = {"Authorization": "Bearer one"}


@pytest.fixture(autouse=True)
def _within_one_minute() -> None:
    """The window slides: a test must not see a minute end."""
    if time.time() % 60 > 50:
        time.sleep(60 - time.time() % 60)


@pytest.fixture(params=["memory", "redis", "no redis"])
def redis_setting(request: pytest.FixtureRequest) -> str | None:
    if request.param == "redis":
        url: str = request.getfixturevalue("redis_url")
        return url
    return f"redis://127.0.0.1:{free_port()}/0" if request.param == "no redis" else None


@pytest.mark.usefixtures("engine")
def test_a_client_that_asks_too_often_is_told_when_to_come_back(
    make_client: MakeClient, redis_setting: str | None
) -> None:
    client = make_client(api_rate_limit="3/minute", redis_url=redis_setting)
    left = [client.get("/api/workflows").headers["x-ratelimit-remaining"] for _ in range(3)]
    assert left == ["2", "1", "0"]
    refused = client.get("/api/metrics")
    assert refused.status_code == 429
    assert refused.headers["content-type"] == "application/problem+json"
    assert 1 <= int(refused.headers["retry-after"]) <= 120
    assert refused.headers["x-ratelimit-limit"] == "3"
    assert "API_RATE_LIMIT" in refused.json()["detail"]


@pytest.mark.usefixtures("engine")
def test_every_key_has_its_own_count_and_a_wrong_one_counts_for_its_address(make_client: MakeClient) -> None:
    client = make_client(api_rate_limit="2/minute", api_keys="one,two")
    guesses = [client.get("/api/metrics", headers={"Authorization": f"Bearer {n}"}).status_code for n in range(4)]
    assert guesses == [401, 401, 429, 429]
    assert [client.get("/api/metrics", headers=KEY).status_code for _ in range(3)] == [200, 200, 429]
    assert client.get("/api/metrics", headers={"Authorization": "Bearer two"}).status_code == 200


@pytest.mark.usefixtures("engine")
def test_what_is_kept_counts_too_and_health_and_deliveries_do_not(make_client: MakeClient) -> None:
    client = make_client(api_rate_limit="2/minute", github_webhook_secret="secret")
    assert [client.get("/api/metrics").status_code for _ in range(3)] == [200, 200, 429]
    assert client.get("/health").status_code != 429
    assert client.get("/metrics").status_code == 200
    assert client.post("/api/webhooks/github", content=b"{}").status_code == 401


@pytest.mark.usefixtures("engine")
def test_none_lets_everybody_ask(make_client: MakeClient) -> None:
    client = make_client(api_rate_limit="none")
    answers = [client.get("/api/workflows") for _ in range(5)]
    assert {each.status_code for each in answers} == {200}
    assert "x-ratelimit-limit" not in answers[0].headers


@pytest.mark.usefixtures("engine")
def test_other_origins_read_nothing_unless_they_are_named(make_client: MakeClient) -> None:
    origin = {"Origin": "https://portal.example.com"}
    assert "access-control-allow-origin" not in make_client().get("/api/metrics", headers=origin).headers
    client = make_client(api_cors_origins="https://portal.example.com, https://other.example.com")
    for _ in range(2):
        allowed = client.get("/api/metrics", headers=origin)
        assert allowed.headers["access-control-allow-origin"] == "https://portal.example.com"
    assert (
        "access-control-allow-origin" not in client.get("/api/metrics", headers={"Origin": "https://evil.com"}).headers
    )
    ahead = {**origin, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    assert client.options("/api/metrics", headers=ahead).status_code == 200
    assert (
        client.options("/api/alerts/test", headers={**ahead, "Access-Control-Request-Method": "POST"}).status_code
        == 400
    )
