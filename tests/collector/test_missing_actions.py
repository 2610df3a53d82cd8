"""Repositories that GitHub shows and that have no Actions."""

import logging

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from db.definitions.scope import Scope
from db.enums import CompletenessState
from db.models import SyncState
from db.repositories.repository_queries import list_repositories
from health.completeness.descriptions import completeness_status
from health.completeness.service import list_completeness, read_completeness
from tests.collector.conftest import Clock
from tests.collector.servers import Asked, Reply, StandIn, as_json
from tests.collector.syncing import make_client, sync

WEB, FORK = "acme/web", "acme/web-ghsa-4444-5555-6666"
NOT_FOUND = as_json({"message": "Not Found"}, 404)
EMPTY = as_json({"total_count": 0, "workflows": [], "workflow_runs": []})
SWITCHED_OFF = as_json({"message": "GitHub Actions has been disabled for this repository."}, 403)
REFUSED = as_json({"message": "Resource not accessible by personal access token"}, 403)


class Owner:
    """An organisation with two repositories; `actions` is what questions about the fork's Actions get."""

    def __init__(self, actions: Reply) -> None:
        self.actions, self.fork = actions, as_json({"id": 2, "full_name": FORK, "default_branch": "main"})
        self.server = StandIn(self.respond)

    def respond(self, asked: Asked) -> Reply:
        path = asked.path.partition("?")[0]
        if path == f"/repos/{WEB}":
            return as_json({"id": 1, "full_name": WEB, "default_branch": "main"})
        if path == f"/repos/{FORK}":
            return self.fork
        return self.actions if path.startswith(f"/repos/{FORK}/actions/") else EMPTY

    def fork_requests(self) -> int:
        count = sum(path.startswith(f"/repos/{FORK}") for path in self.server.paths)
        self.server.asked.clear()
        return count


def missing_since(engine: Engine) -> object:
    with Session(engine) as session:
        return session.get_one(SyncState, 2).actions_missing_since


@pytest.mark.parametrize("answer", [NOT_FOUND, SWITCHED_OFF], ids=["404", "403"])
def test_a_repository_without_actions_is_no_failure_and_said_once(
    engine: Engine, clock: Clock, caplog: pytest.LogCaptureFixture, answer: Reply
) -> None:
    caplog.set_level(logging.INFO)
    owner, began = Owner(answer), clock.now
    with owner.server.serve() as url:
        client = make_client(url, clock)
        for _ in range(3):
            outcome = sync(engine, url, (WEB, FORK), clock=clock, client=client)
            assert (outcome.failures, outcome.is_complete) == ({}, True)
            clock.forward(minutes=5)
    said = [record for record in caplog.records if "has no GitHub Actions" in record.getMessage()]
    assert [(record.levelno, FORK in record.getMessage()) for record in said] == [(logging.INFO, True)]
    assert missing_since(engine) == began
    with Session(engine) as session:
        states = {each.repo: each.state for each in list_completeness(session)}
        assert states == {WEB: CompletenessState.COMPLETE, FORK: CompletenessState.NO_ACTIONS}
        assert [row.error for row in list_repositories(session)] == [None, None]
        # What the repository does not have makes no figure of the others incomplete.
        assert read_completeness(session, Scope()).complete_since is not None
        assert completeness_status(list_completeness(session), 0, clock.now).headline.startswith("Data is complete")


def test_once_there_are_actions_they_are_collected(engine: Engine, clock: Clock) -> None:
    owner = Owner(NOT_FOUND)
    with owner.server.serve() as url:
        sync(engine, url, (FORK,), clock=clock)
        owner.actions = EMPTY
        clock.forward(minutes=5)
        assert sync(engine, url, (FORK,), clock=clock).is_complete
    assert missing_since(engine) is None
    with Session(engine) as session:
        (ledger,) = list_completeness(session)
    assert (ledger.state, ledger.complete_since is not None) == (CompletenessState.COMPLETE, True)


def test_looks_at_a_repository_known_to_have_no_actions_cost_one_request(engine: Engine, clock: Clock) -> None:
    owner = Owner(NOT_FOUND)
    with owner.server.serve() as url:
        sync(engine, url, (FORK,), clock=clock)
        owner.fork_requests()
        clock.forward(minutes=5)
        sync(engine, url, (FORK,), clock=clock)
    assert owner.fork_requests() == 1


def test_a_missing_right_and_a_lost_repository_stay_failures(engine: Engine, clock: Clock) -> None:
    owner = Owner(REFUSED)
    with owner.server.serve() as url:
        assert list(sync(engine, url, (FORK,), clock=clock).failures) == [FORK]
        owner.actions = owner.fork = NOT_FOUND
        clock.forward(hours=2)
        assert list(sync(engine, url, (FORK,), clock=clock).failures) == [FORK]
    assert missing_since(engine) is None


def test_a_repository_that_is_lost_after_its_actions_were_missing_is_a_failure(engine: Engine, clock: Clock) -> None:
    owner = Owner(NOT_FOUND)
    with owner.server.serve() as url:
        assert sync(engine, url, (FORK,), clock=clock).is_complete
        owner.fork = NOT_FOUND
        clock.forward(hours=2)
        assert list(sync(engine, url, (FORK,), clock=clock).failures) == [FORK]
