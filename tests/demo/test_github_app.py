"""Authentication of a GitHub App: its own tokens, its installation's, and what they give access to."""

import base64
import json
from datetime import timedelta

import pytest
import requests

from tests.demo import signing
from tests.demo.conftest import MONDAY, REPO, Clock, Serve, Site
from tests.simulator.github_app import GitHubApp
from tests.simulator.world import EditableWorld

NOW = int(MONDAY.timestamp())
TOKENS = "/app/installations/77/access_tokens"
GOOD: dict[str, object] = {"iss": "12", "iat": NOW - 60, "exp": NOW + 540}


@pytest.fixture
def site(clock: Clock, serve: Serve) -> Site:
    world = EditableWorld(clock)
    for name in (REPO, "acme/api", "acme/secret"):
        world.add_repository(name)
    return serve(world, app=GitHubApp(12, signing.key().public_pem(), 77))


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def ask_token(site: Site, jwt: str, path: str = TOKENS) -> requests.Response:
    return requests.post(site.url + path, headers=bearing(jwt), timeout=10)


def test_an_app_gets_an_installation_token_for_an_hour(site: Site, clock: Clock) -> None:
    answer = ask_token(site, signing.key().signed(GOOD))
    assert (answer.status_code, answer.json()["expires_at"]) == (201, "2026-11-23T15:30:00Z")
    token = bearing(answer.json()["token"])
    assert site.json(f"/repos/{REPO}", headers=token)["full_name"] == REPO
    clock.pass_(minutes=59, seconds=59)
    assert site.get(f"/repos/{REPO}", headers=token).status_code == 200
    clock.pass_(seconds=1)
    over = site.get(f"/repos/{REPO}", headers=token)
    assert (over.status_code, over.json()["message"]) == (401, "Bad credentials")


@pytest.mark.parametrize(
    ("changed", "status", "message"),
    [
        ({"iat": NOW + 5}, 401, "'Issued at' claim ('iat') must be an Integer"),
        ({"iat": None}, 401, "'Issued at' claim ('iat') must be an Integer"),
        ({"exp": NOW + 601}, 401, "'Expiration time' claim ('exp') is too far in the future"),
        ({"exp": NOW}, 401, "'Expiration time' claim ('exp') must be a numeric value representing the future"),
        ({"iss": 13}, 404, "Integration not found"),
    ],
)
def test_invalid_claims_are_refused_with_githubs_messages(
    site: Site, changed: dict[str, object], status: int, message: str
) -> None:
    answer = ask_token(site, signing.key().signed({**GOOD, **changed}))
    assert answer.status_code == status
    assert answer.json()["message"].startswith(message)


def forged() -> list[str]:
    head, body, signature = signing.key().signed(GOOD).split(".")
    later = base64.urlsafe_b64encode(json.dumps({**GOOD, "iss": 99}).encode()).rstrip(b"=").decode()
    return [
        signing.key(2).signed(GOOD), signing.key().signed(GOOD, "HS256"), f"{head}.{later}.{signature}",
        f"{head}.{body}.", f"{head}.{body}", "ghp_token", "",
    ]  # fmt: skip


@pytest.mark.parametrize("jwt", forged())
def test_tokens_with_a_wrong_signature_are_refused(site: Site, jwt: str) -> None:
    answer = ask_token(site, jwt)
    assert (answer.status_code, answer.json()["message"]) == (401, "A JSON web token could not be decoded")


def test_another_installation_is_not_found(site: Site) -> None:
    jwt = signing.key().signed(GOOD)
    assert ask_token(site, jwt, "/app/installations/78/access_tokens").status_code == 404
    assert site.json("/app", headers=bearing(jwt))["id"] == 12
    assert [each["id"] for each in site.json("/app/installations", headers=bearing(jwt))] == [77]
    assert site.json("/app/installations/77", headers=bearing(jwt))["account"]["login"] == "acme"


def test_the_installations_repositories_are_paginated(clock: Clock, serve: Serve) -> None:
    world = EditableWorld(clock)
    for name in (REPO, "acme/api", "acme/secret"):
        world.add_repository(name)
    access = GitHubApp(12, signing.key().public_pem(), 77, repositories={REPO, "acme/api"})
    site = serve(world, app=access)
    token = bearing(ask_token(site, signing.key().signed(GOOD)).json()["token"])
    first = site.get("/installation/repositories?per_page=1", headers=token)
    second = site.json(first.links["next"]["url"], headers=token)
    assert first.json()["total_count"] == 2
    assert [each["repositories"][0]["full_name"] for each in (first.json(), second)] == ["acme/api", REPO]


def test_app_tokens_and_installation_tokens_are_not_interchangeable(site: Site) -> None:
    jwt = signing.key().signed(GOOD)
    token = ask_token(site, jwt).json()["token"]
    assert site.get(f"/repos/{REPO}", headers=bearing(jwt)).status_code == 401
    assert site.get(f"/repos/{REPO}").status_code == 401
    assert ask_token(site, token).status_code == 401
    assert site.get("/user", headers=bearing(token)).status_code == 403


def test_a_personal_token_cannot_list_the_installations_repositories(clock: Clock, serve: Serve) -> None:
    world = EditableWorld(clock)
    world.add_repository(REPO)
    site = serve(world, tokens={"ghp_own"}, app=GitHubApp(12, signing.key().public_pem(), 77))
    assert site.get(f"/repos/{REPO}", headers=bearing("ghp_own")).status_code == 200
    assert site.get("/installation/repositories", headers=bearing("ghp_own")).status_code == 403


def test_etags_differ_between_tokens(site: Site, clock: Clock) -> None:
    first, second = (bearing(ask_token(site, signing.key().signed(GOOD)).json()["token"]) for _ in range(2))
    etag = site.get(f"/repos/{REPO}", headers=first).headers["etag"]
    known = {"If-None-Match": etag}
    assert site.get(f"/repos/{REPO}", headers={**first, **known}).status_code == 304
    assert site.get(f"/repos/{REPO}", headers={**second, **known}).status_code == 200


def test_app_tokens_can_be_checked_by_another_clock(clock: Clock, serve: Serve) -> None:
    world = EditableWorld(clock)
    world.add_repository(REPO)
    access = GitHubApp(12, signing.key().public_pem(), 77, jwt_clock=lambda: MONDAY + timedelta(days=9))
    assert ask_token(serve(world, app=access), signing.key().signed(GOOD)).status_code == 401
