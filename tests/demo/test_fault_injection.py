"""Random faults, one kind at a time and several together."""

import json
from datetime import timedelta

import pytest
import requests

from tests.demo.conftest import MONDAY, REPO, Clock, Site
from tests.simulator.fault_injection import Chaos, Fault, Rates
from tests.simulator.truth import truth

RUNS = f"/repos/{REPO}/actions/runs"
RECENT = "created=>=2026-11-01"


def start_chaos(site: Site, **options: float) -> Chaos:
    """Inject faults at these rates; options of Chaos are passed on."""
    own = {name: options.pop(name) for name in ("stall_seconds", "retry_after", "stale_minutes") if name in options}
    site.world.chaos = Chaos(rates=Rates.only(**options), **own)  # type: ignore[arg-type]
    return site.world.chaos


@pytest.fixture
def filled(site: Site) -> Site:
    for minutes in range(40):
        site.world.add_run(REPO, "CI", created_at=MONDAY - timedelta(minutes=minutes))
    return site


def test_a_bad_gateway_and_pages_in_html(filled: Site) -> None:
    seen = []
    for name in ("bad_gateway", "html", "html_503"):
        start_chaos(filled, **{name: 1})
        answer = filled.get(RUNS)
        seen.append((answer.status_code, answer.headers["content-type"].partition(";")[0]))
    assert seen == [(502, "application/json"), (200, "text/html"), (503, "text/html")]


def test_a_reset_and_a_cut_connection_are_errors_of_the_connection(filled: Site) -> None:
    for name in ("reset", "cut_off"):
        start_chaos(filled, **{name: 1})
        with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
            filled.get(RUNS)
    assert [each.status for each in filled.app.state.requests] == [0, 0]


def test_json_can_be_cut_with_a_matching_content_length(filled: Site) -> None:
    start_chaos(filled, cut_short=1)
    answer = filled.get(RUNS)
    assert int(answer.headers["content-length"]) == len(answer.content)
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def test_a_stalled_response_is_late(filled: Site) -> None:
    start_chaos(filled, stall=1, stall_seconds=0.2)
    with pytest.raises(requests.ReadTimeout):
        requests.get(filled.url + RUNS, timeout=0.05)
    assert filled.get(RUNS).json()["total_count"] == 40


@pytest.mark.parametrize(("name", "wait"), [("secondary", "3"), ("secondary_bare", None)])
def test_a_secondary_rate_limit_with_and_without_retry_after(filled: Site, name: str, wait: str | None) -> None:
    start_chaos(filled, **{name: 1}, retry_after=3)
    answer = filled.get(RUNS)
    assert (answer.status_code, answer.headers.get("retry-after")) == (403, wait)
    assert "secondary rate limit" in answer.json()["message"]
    assert int(answer.headers["x-ratelimit-remaining"]) > 0


def test_storage_has_no_secondary_rate_limit(filled: Site) -> None:
    run = filled.json(RUNS)["workflow_runs"][-1]["id"]
    job = filled.json(f"{RUNS}/{run}/jobs")["jobs"][0]["id"]
    place = filled.get(f"/repos/{REPO}/actions/jobs/{job}/logs").headers["location"]
    start_chaos(filled, secondary=1)
    assert filled.get(place).status_code == 200


def test_pages_shift_while_they_are_listed(filled: Site) -> None:
    start_chaos(filled, new_run=1)
    first = filled.json(f"{RUNS}?per_page=10")["workflow_runs"]
    second = filled.json(f"{RUNS}?per_page=10&page=2")["workflow_runs"]
    assert first[-1]["id"] == second[0]["id"]
    assert len(truth(filled.world).runs) == 41


def test_a_run_deleted_while_pages_are_listed(filled: Site) -> None:
    before = truth(filled.world)
    start_chaos(filled, deleted_run=1)
    filled.json(f"{RUNS}?per_page=10&page=2")
    after = truth(filled.world)
    gone = before.runs.keys() - after.runs.keys()
    assert len(gone) == 1
    assert after.deleted == {
        number: (before.runs[number].workflow_id, before.runs[number].run_number) for number in gone
    }


def test_filtered_lists_can_be_stale_and_unfiltered_lists_are_right(filled: Site) -> None:
    chaos = start_chaos(filled, stale_list=1, stale_minutes=20)
    counts, newest = set(), set()
    for _ in range(30):
        found = filled.json(f"{RUNS}?{RECENT}&per_page=100")
        assert found["total_count"] == len(found["workflow_runs"])
        counts.add(found["total_count"])
        newest |= {run["created_at"] for run in found["workflow_runs"][:1]}
        assert filled.json(f"{RUNS}?per_page=100")["total_count"] == 40
    assert 0 in counts
    assert len(counts) > 4
    assert max(counts) < 40
    assert min(newest) < "2026-11-23T14:27:00Z"
    assert chaos.counts[Fault.STALE_LIST] == 30


def test_a_stale_list_shows_earlier_states(filled: Site, clock: Clock) -> None:
    run = filled.world.add_run(REPO, "CI", branch="slow", duration=3600, created_at=MONDAY)
    clock.pass_(seconds=3610)
    start_chaos(filled, stale_list=1, stale_minutes=30)
    states = {each["status"] for _ in range(20) for each in filled.json(f"{RUNS}?branch=slow")["workflow_runs"]}
    assert filled.json(f"{RUNS}/{run}")["status"] == "completed"
    assert "in_progress" in states


def test_a_stopped_chaos_injects_no_faults(filled: Site) -> None:
    chaos = start_chaos(filled, bad_gateway=1)
    assert filled.get(RUNS).status_code == 502
    chaos.stop()
    assert filled.get(RUNS).status_code == 200
    assert chaos.counts == {Fault.BAD_GATEWAY: 1}


def test_the_same_seed_brings_the_same_faults(filled: Site) -> None:
    seen = []
    for _ in range(2):
        filled.world.chaos = Chaos("twice", Rates.only(bad_gateway=0.3, html=0.3))
        answers = [filled.get(RUNS) for _ in range(20)]
        seen.append([(each.status_code, each.headers["content-type"]) for each in answers])
    assert seen[0] == seen[1]
    assert len(set(seen[0])) == 3
