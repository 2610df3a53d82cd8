"""GITHUB_REPOS against accounts of all kinds: what it names is found once, and what it does not name never."""

from collections.abc import Callable

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from collector.github.auth import AppAuth
from collector.github.client import GitHubClient
from collector.sync.targets import is_configured, resolve_targets
from db.enums import ErrorCode
from db.repositories.repository_queries import list_repositories, resolved_target_names
from tests.collector.conftest import Clock, GitHub
from tests.collector.keys import app_key, public_pem
from tests.collector.servers import Asked, Reply, StandIn, as_json, limit_headers
from tests.collector.syncing import make_client, sync
from tests.simulator.app import create_app, running
from tests.simulator.github_app import GitHubApp
from tests.simulator.world import EditableWorld

NOT_FOUND = as_json({"message": "Not Found"}, 404)


def repository(number: int, name: str, **more: object) -> dict[str, object]:
    return {"id": number, "full_name": name, "archived": False, **more}


def account(answers: dict[str, Reply]) -> Callable[[Asked], Reply]:
    """Answers by path; ETags as GitHub gives them."""

    def respond(asked: Asked) -> Reply:
        reply = answers.get(asked.path.partition("?")[0], NOT_FOUND)
        etag = f'W/"{hash(reply.body)}"'
        if reply.status == 200 and asked.headers.get("if-none-match") == etag:
            return Reply(304, {"ETag": etag}, b"")
        return Reply(reply.status, {**reply.headers, "ETag": etag}, reply.body)

    return respond


def names(answers: dict[str, Reply], *entries: str, token: str | None = "good") -> list[str]:
    with StandIn(account(answers)).serve() as url:
        targets = resolve_targets(GitHubClient(url, token), entries)
    assert targets.failures == {}
    return targets.names


def test_wildcards_names_and_exclusions_meet_whatever_their_case() -> None:
    listed = [repository(number, f"Acme/{name}") for number, name in enumerate(("web", "API", "docs", "site"))]
    answers = {"/orgs/ACME/repos": as_json(listed)}
    assert names(answers, "ACME/*", "acme/WEB", "!acme/api", "!ACME/Docs", "other/one") == [
        "Acme/web", "Acme/site", "other/one",
    ]  # fmt: skip


def test_a_name_that_is_given_twice_or_left_out_again_is_read_once_or_never() -> None:
    assert names({}, "acme/web", "Acme/Web", "acme/web", "acme/x", "!acme/X") == ["acme/web"]
    assert names({}, "acme/web", "beta/x", "!acme/*") == ["beta/x"]


def test_archived_repositories_are_left_out_of_wildcards_and_can_be_named() -> None:
    listed = [repository(1, "acme/web"), repository(2, "acme/old", archived=True)]
    answers = {"/orgs/acme/repos": as_json(listed)}
    assert names(answers, "acme/*") == ["acme/web"]
    assert names(answers, "acme/*", "acme/old") == ["acme/web", "acme/old"]


def test_two_owners_whose_lists_are_the_same_since_one_was_renamed_are_read_once() -> None:
    answers = {
        "/orgs/acme/repos": Reply(301, {"Location": "/organizations/7/repos"}),
        "/orgs/acme-inc/repos": as_json([repository(1, "acme-inc/web")]),
        "/organizations/7/repos": as_json([repository(1, "acme-inc/web"), repository(2, "acme-inc/api")]),
    }
    assert names(answers, "acme/*", "acme-inc/*") == ["acme-inc/web", "acme-inc/api"]


def test_a_repository_that_two_lists_call_by_two_names_is_read_once() -> None:
    """It moved between the two answers."""
    answers = {
        "/orgs/acme/repos": as_json([repository(1, "acme/web")]),
        "/orgs/beta/repos": as_json([repository(1, "beta/web"), repository(2, "beta/api")]),
    }
    assert names(answers, "acme/*", "beta/*") == ["acme/web", "beta/api"]


def test_what_is_no_organisation_is_a_user() -> None:
    answers = {"/users/ann/repos": as_json([repository(1, "ann/dots")]), "/user": as_json({"login": "bob"})}
    assert names(answers, "ann/*") == ["ann/dots"]
    assert names(answers, "ann/*", token=None) == ["ann/dots"]


def test_the_private_repositories_of_the_user_whose_token_it_is_are_found() -> None:
    answers = {
        "/user": as_json({"login": "Ann"}),
        "/user/repos": as_json([repository(1, "ann/dots"), repository(2, "ann/secret", private=True)]),
        "/users/ann/repos": as_json([repository(1, "ann/dots")]),
    }
    assert names(answers, "ann/*") == ["ann/dots", "ann/secret"]


def test_an_owner_that_does_not_exist_is_one_line_and_stops_nobody() -> None:
    with StandIn(account({"/orgs/acme/repos": as_json([repository(1, "acme/web")])})).serve() as url:
        targets = resolve_targets(GitHubClient(url, "good"), ("ghost/*", "acme/*"))
    assert targets.names == ["acme/web"]
    error = targets.failures["ghost/*"]
    assert (str(error), error.code) == (
        "organisation or user ghost not found, or the token has no access",
        ErrorCode.OWNER_NOT_FOUND,
    )
    assert len(targets.failures) == 1


def test_an_organisation_that_refuses_is_told_in_its_own_words() -> None:
    closed = as_json({"message": "Resource protected by organization SAML enforcement."}, 403)
    with StandIn(account({"/orgs/acme/repos": closed})).serve() as url:
        targets = resolve_targets(GitHubClient(url, "good"), ("acme/*",))
    assert "SAML enforcement" in str(targets.failures["acme/*"])


@pytest.mark.parametrize("kind", ["orgs", "users"])
def test_a_list_that_did_not_change_is_free_and_a_new_repository_is_found(kind: str) -> None:
    listed = [repository(1, "acme/web")]
    answers = {f"/{kind}/acme/repos": as_json(listed, **limit_headers())}
    server = StandIn(account(answers))
    with server.serve() as url:
        client = GitHubClient(url, "good")
        assert resolve_targets(client, ("acme/*",)).names == ["acme/web"]
        server.asked.clear()
        assert resolve_targets(client, ("acme/*",)).names == ["acme/web"]
        assert [bool(each.headers.get("if-none-match")) for each in server.asked] == [True]
        answers[f"/{kind}/acme/repos"] = as_json([*listed, repository(2, "acme/new")])
        assert resolve_targets(client, ("acme/*",)).names == ["acme/web", "acme/new"]


def test_each_page_of_a_long_list_is_remembered(github: GitHub) -> None:
    for number in range(230):
        github.world.add_repository(f"acme/r{number:03}")
    client = make_client(github.url, github.clock)
    first = resolve_targets(client, ("acme/*",)).names
    assert len(first) == 231
    used = github.app.state.budget.used
    assert resolve_targets(client, ("acme/*",)).names == first
    assert github.app.state.budget.used == used
    github.world.add_repository("acme/r500")
    assert set(resolve_targets(client, ("acme/*",)).names) - set(first) == {"acme/r500"}


def test_an_app_finds_what_its_installation_may_see_of_that_owner() -> None:
    public = [repository(1, "acme/web")]
    installed = [repository(1, "acme/web"), repository(2, "Acme/secret"), repository(3, "beta/other")]
    answers = {
        "/app/installations/77/access_tokens": as_json({"token": "t", "expires_at": "2999-01-01T00:00:00Z"}, 201),
        "/orgs/acme/repos": as_json(public),
        "/installation/repositories": as_json({"total_count": 3, "repositories": installed}),
    }
    with StandIn(account(answers)).serve() as url:
        client = GitHubClient(url, auth=AppAuth("12", app_key(), 77, Clock()))
        assert resolve_targets(client, ("acme/*",)).names == ["acme/web", "Acme/secret"]
        assert resolve_targets(client, ("beta/*",)).names == ["beta/other"]
        assert list(resolve_targets(client, ("ghost/*",)).failures) == ["ghost/*"]


def test_an_app_on_a_simulated_github_finds_every_page_of_its_installation(clock: Clock) -> None:
    world = EditableWorld(clock)
    for number in range(120):
        world.add_repository(f"acme/r{number}")
    app = create_app(world, tokens=set(), app=GitHubApp(12, public_pem(), 77))
    with running(app) as url:
        client = GitHubClient(url, auth=AppAuth("12", app_key(), None, clock), clock=clock)
        assert len(resolve_targets(client, ("acme/*", "!acme/r7")).names) == 119


@pytest.mark.parametrize(
    ("entries", "name", "wanted"),
    [
        (("acme/web",), "Acme/Web", True),
        (("acme/web",), "acme/api", False),
        (("Acme/*",), "acme/api", True),
        (("acme/*", "!acme/api"), "acme/api", False),
        (("acme/api", "!acme/*"), "acme/api", False),
        (("acme/*",), "acme/*", True),
        (("octo/*",), "acme/*", False),
        ((), "acme/web", False),
    ],
)
def test_what_the_setting_can_stand_for_is_known_without_asking(
    entries: tuple[str, ...], name: str, wanted: bool
) -> None:
    assert is_configured(entries, name) is wanted


def test_what_is_not_named_any_more_is_forgotten_though_github_cannot_be_reached(
    engine: Engine, github: GitHub
) -> None:
    """A renamed repository is still the one that is named."""
    github.world.add_repository("acme/old-name")
    github.world.add_repository("demo/api")
    names = ("acme/web", "acme/old-name", "demo/api")
    assert sync(engine, github.url, names, clock=github.clock).is_complete
    github.world.rename("acme/old-name", "acme/new-name")
    github.clock.forward(hours=2)
    assert sync(engine, github.url, names, clock=github.clock).is_complete
    sync(engine, "http://127.0.0.1:1", ("acme/web", "acme/old-name"), clock=github.clock)
    with Session(engine) as session:
        assert {row.repo for row in list_repositories(session)} == {"acme/web", "acme/new-name"}
        assert resolved_target_names(session) == ["acme/old-name", "acme/web"]
