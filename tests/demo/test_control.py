"""Control of the simulator by another process."""

from datetime import timedelta
from typing import Any

import pytest
import requests

from tests.demo.conftest import MONDAY, Serve, Site
from tests.demo.test_program import start
from tests.simulator.control import MovableClock
from tests.simulator.limits import Limits
from tests.simulator.scale import build
from tests.simulator.truth import from_json, truth


@pytest.fixture
def steered(serve: Serve) -> Site:
    world = build(MovableClock(lambda: MONDAY), repositories=1, runs=40, unfinished=0.05)
    return serve(world, control=True, limits=Limits())


def post(site: Site, path: str, body: object) -> Any:
    answer = requests.post(f"{site.url}/_control/{path}", json=body, timeout=10)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_stats_count_requests_without_control_requests(steered: Site) -> None:
    base = "/repos/scale/service-01/actions/runs"
    run = steered.json(base)["workflow_runs"][0]["id"]
    steered.json(f"{base}/{run}")
    steered.json(f"{base}/{run}/jobs")
    steered.get(f"{base}/1")
    stats = steered.json("/_control/stats")
    assert stats["requests"]["by_kind"] == {"jobs": {"200": 1}, "runs": {"200": 1}, "runs/{id}": {"200": 1, "404": 1}}
    assert (stats["requests"]["total"], stats["limiter"]["accepted"], stats["budget"]["used"]) == (4, 4, 3)
    post(steered, "reset", {})
    assert steered.json("/_control/stats")["requests"]["total"] == 0


def test_truth_endpoint_returns_the_ground_truth(steered: Site) -> None:
    assert from_json(steered.json("/_control/truth")) == truth(steered.world)


def test_changes_move_the_clock_first(steered: Site) -> None:
    made = post(steered, "changes", {"hours": 2, "new": 3, "reruns": 1})
    assert steered.world.clock() == MONDAY + timedelta(hours=2)
    assert (len(made["new"]), len(made["finished"]), len(made["reruns"])) == (3, 2, 1)
    post(steered, "changes", {"new": 1, "move_clock": False})
    assert steered.world.clock() == MONDAY + timedelta(hours=2)


def test_the_clock_can_be_moved_alone(steered: Site) -> None:
    assert post(steered, "clock", {"seconds": 90})["offset_seconds"] == 90
    assert steered.world.clock() == MONDAY + timedelta(seconds=90)


def test_invalid_arguments_are_400_with_the_reason(steered: Site) -> None:
    wrong = requests.post(f"{steered.url}/_control/changes", json={"old": 3}, timeout=10)
    assert (wrong.status_code, "old" in wrong.json()["message"]) == (400, True)
    assert requests.post(f"{steered.url}/_control/clock", data=b"{", timeout=10).status_code == 400
    assert steered.get("/_control/nothing").status_code == 404


def test_without_control_its_endpoints_are_404(site: Site) -> None:
    assert site.get("/_control/truth").status_code == 404
    assert [each.path for each in site.app.state.requests] == ["/_control/truth"]


def test_the_program_serves_a_generated_account() -> None:
    options = ("--port", "0", "--scale", "2x30", "--limits", "published", "--control", "--seed", "s")
    with start(*options, module="tests.simulator") as process:
        assert process.stdout
        url = process.stdout.readline().split()[-1]
        found = from_json(requests.get(f"{url}/_control/truth", timeout=10).json())
        listed = requests.get(f"{url}/orgs/scale/repos", timeout=10).json()
        process.terminate()
        process.communicate(timeout=10)
    assert (len(found.runs), len(found.repositories), len(listed)) == (60, 2, 2)


def test_chaos_is_started_and_stopped(steered: Site) -> None:
    path = "/repos/scale/service-01/actions/runs"
    post(steered, "faults", {"seed": "x", "rates": {"bad_gateway": 1}, "stall_seconds": 1})
    assert steered.get(path).status_code == 502
    assert post(steered, "faults", {"stop": True}) == {"counts": {"bad_gateway": 1}}
    assert steered.get(path).status_code == 200
    assert steered.json("/_control/stats")["chaos"] == {"bad_gateway": 1}
