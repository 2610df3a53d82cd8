"""Tokens, the primary rate limit, ETags, planned faults and the record of requests."""

from datetime import timedelta

import pytest
import requests

from tests.demo.conftest import REPO, Clock, Serve, Site
from tests.simulator.world import EditableWorld

RUNS = f"/repos/{REPO}/actions/runs"


def one_repository(clock: Clock) -> EditableWorld:
    world = EditableWorld(clock)
    world.add_repository(REPO)
    world.add_workflow(REPO, "CI")
    world.add_run(REPO, "CI", created_at=clock() - timedelta(hours=1))
    return world


def test_304_does_not_count_against_the_rate_limit(site: Site) -> None:
    first = site.get(RUNS)
    again = site.get(RUNS, headers={"If-None-Match": first.headers["etag"]})
    assert first.headers["etag"].startswith('W/"')
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["x-ratelimit-used"] == first.headers["x-ratelimit-used"] == "1"


def test_a_changed_response_has_another_etag(site: Site) -> None:
    first = site.get(RUNS)
    site.world.add_run(REPO, "CI")
    again = site.get(RUNS, headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 200
    assert again.headers["etag"] != first.headers["etag"]


def test_an_exceeded_rate_limit_is_403_until_the_reset(clock: Clock, serve: Serve) -> None:
    site = serve(one_repository(clock), rate_limit=2)
    assert [site.get(RUNS).headers["x-ratelimit-remaining"] for _ in range(2)] == ["1", "0"]
    refused = site.get(RUNS)
    assert refused.status_code == 403
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert refused.json()["message"].startswith("API rate limit exceeded")
    assert site.json("/rate_limit")["resources"]["core"]["remaining"] == 0
    clock.pass_(seconds=int(refused.headers["x-ratelimit-reset"]) - int(clock().timestamp()))
    assert site.get(RUNS).status_code == 200


def test_unknown_tokens_are_refused(clock: Clock, serve: Serve) -> None:
    site = serve(one_repository(clock), tokens={"good"})
    bad = site.get(RUNS, headers={"Authorization": "Bearer bad"})
    assert (bad.status_code, bad.json()["message"], bad.json()["status"]) == (401, "Bad credentials", "401")
    assert site.get(RUNS).status_code == 401
    assert site.json("/user", headers={"Authorization": "token good"})["login"] == "acme-bot"


def test_unknown_paths_are_404_with_githubs_message(site: Site) -> None:
    for path in (f"{RUNS}/9", f"/repos/{REPO}/actions/jobs/9", "/repos/acme/none", "/nothing", "/repositories/1"):
        answer = site.get(path)
        assert (answer.status_code, answer.json()["message"]) == (404, "Not Found")


def test_an_old_name_redirects_to_the_id(site: Site) -> None:
    repository = site.world.find(REPO)
    assert repository
    site.world.rename(REPO, "acme/home")
    moved = site.get(f"{RUNS}?per_page=5")
    assert moved.status_code == 301
    assert moved.headers["location"] == f"{site.url}/repositories/{repository.id}/actions/runs?per_page=5"
    assert site.get(moved.headers["location"]).status_code == 200
    assert site.json("/repos/acme/home")["full_name"] == "acme/home"


def test_a_planned_fault_occurs_the_given_number_of_times(site: Site) -> None:
    site.world.faults.add("actions/runs$", status=502, headers={"retry-after": "7"}, body="<html>", times=2)
    answers = [site.get(RUNS) for _ in range(3)]
    assert [each.status_code for each in answers] == [502, 502, 200]
    assert (answers[0].text, answers[0].headers["retry-after"]) == ("<html>", "7")


@pytest.mark.parametrize("sent", [None, b'{"total_count": 3, "workflow_'])
def test_a_connection_can_be_dropped_at_once_or_after_some_bytes(site: Site, sent: bytes | None) -> None:
    site.world.faults.drop_connection("actions/runs", sent=sent)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        site.get(RUNS)
    assert site.get(RUNS).status_code == 200


def test_requests_are_recorded_with_their_headers(site: Site) -> None:
    site.get(f"{RUNS}?page=2", headers={"Authorization": "Bearer secret"})
    asked = site.app.state.requests[-1]
    assert (asked.method, asked.path, asked.query, asked.status) == ("GET", RUNS, "page=2", 200)
    assert asked.headers["authorization"] == "Bearer secret"
    assert site.app.state.requests.maxlen == 20_000
