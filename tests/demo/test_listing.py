"""Lists of runs: pages, Link headers, filters and their caps."""

import re
from datetime import timedelta

import pytest
import requests

from tests.demo.conftest import MONDAY, REPO, Clock, Site

RUNS = f"/repos/{REPO}/actions/runs"


def ids(answer: dict[str, list[dict[str, int]]]) -> list[int]:
    return [run["id"] for run in answer["workflow_runs"]]


def filled(site: Site, count: int, **more: object) -> list[int]:
    """Runs a minute apart, newest first."""
    return [
        site.world.add_run(REPO, "CI", created_at=MONDAY - timedelta(minutes=number), **more)  # type: ignore[arg-type]
        for number in range(1, count + 1)
    ]


def test_runs_are_listed_newest_first_thirty_per_page(site: Site) -> None:
    made = filled(site, 40)
    answer = site.json(RUNS)
    assert answer["total_count"] == 40
    assert ids(answer) == made[:30]


def test_following_the_links_lists_every_run_once(site: Site) -> None:
    made = filled(site, 25)
    found: list[int] = []
    url: str | None = f"{site.url}{RUNS}?per_page=10"
    while url:
        answer = site.get(url)
        found += ids(answer.json())
        url = answer.links.get("next", {}).get("url")
    assert found == made


def test_links_name_the_repository_by_id_and_keep_the_filters(site: Site) -> None:
    filled(site, 25)
    links = site.get(f"{RUNS}?per_page=10&page=2&branch=main").links
    repository = site.world.find(REPO)
    assert repository
    assert set(links) == {"prev", "next", "last", "first"}
    base = f"{site.url}/repositories/{repository.id}/actions/runs"
    assert links["next"]["url"] == f"{base}?per_page=10&branch=main&page=3"
    assert "link" not in site.get(f"{RUNS}?per_page=100").headers


def test_pages_have_at_most_100_runs_and_invalid_sizes_mean_the_default(site: Site) -> None:
    filled(site, 120)
    assert len(ids(site.json(f"{RUNS}?per_page=500"))) == 100
    assert len(ids(site.json(f"{RUNS}?per_page=many&page=-4"))) == 30


def test_a_page_past_the_last_one_is_empty(site: Site) -> None:
    filled(site, 3)
    assert site.json(f"{RUNS}?page=9")["workflow_runs"] == []


def test_a_filtered_list_has_at_most_1000_runs(site: Site) -> None:
    for number in range(1005):
        site.world.add_run(REPO, "CI", created_at=MONDAY - timedelta(seconds=number))
    filtered = f"{RUNS}?branch=main&per_page=100"
    assert site.json(filtered)["total_count"] == 1000
    assert len(ids(site.json(f"{filtered}&page=10"))) == 100
    assert ids(site.json(f"{filtered}&page=11")) == []
    assert site.json(RUNS)["total_count"] == 1005


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("branch=dev", {"dev"}),
        ("event=schedule", {"night"}),
        ("actor=bob", {"bob"}),
        ("status=failure", {"red"}),
        ("status=completed", {"dev", "night", "bob", "red"}),
        ("status=in_progress", {"now"}),
        ("head_sha=" + "c" * 40, {"bob"}),
        ("branch=nowhere", set()),
    ],
)
def test_filters_select_by_field(site: Site, query: str, expected: set[str]) -> None:
    before = MONDAY - timedelta(hours=1)
    site.world.add_run(REPO, "CI", title="dev", branch="dev", created_at=before)
    site.world.add_run(REPO, "CI", title="night", event="schedule", created_at=before)
    site.world.add_run(REPO, "CI", title="bob", actor="bob", head_sha="c" * 40, created_at=before)
    site.world.add_run(REPO, "CI", title="red", conclusion="failure", created_at=before)
    site.world.add_run(REPO, "CI", title="now", conclusion=None, created_at=before)
    found = site.json(f"{RUNS}?{query}")["workflow_runs"]
    assert {run["display_title"] for run in found} == expected


@pytest.mark.parametrize(
    ("created", "expected"),
    [
        ("2026-11-23T14:27:00Z..2026-11-23T14:28:00Z", [2, 3]),
        (">=2026-11-23T14:28:00Z", [1, 2]),
        ("<=2026-11-23T14:27:00Z", [3, 4]),
        (">2026-11-23T14:28:00Z", [1]),
        ("<2026-11-23T14:27:00Z", [4]),
        ("2026-11-23", [1, 2, 3, 4]),
        ("2026-11-22", []),
        ("*..2026-11-23T14:26:00Z", [4]),
        ("2026-11-23T14:27:00+02:00..2026-11-23T18:28:00+02:00", []),
    ],
)
def test_created_is_inclusive_and_understands_utc_only(site: Site, created: str, expected: list[int]) -> None:
    made = filled(site, 4)
    answer = site.get(RUNS, params={"created": created}).json()
    assert [made.index(number) + 1 for number in ids(answer)] == expected


def test_an_invalid_date_and_a_page_past_the_cap_are_422(site: Site) -> None:
    assert site.get(RUNS, params={"created": "yesterday"}).status_code == 422
    assert site.get(f"{RUNS}?per_page=100&page=401").status_code == 422
    assert site.get(f"{RUNS}?per_page=100&page=400").status_code == 200


def test_the_list_of_a_workflow_has_only_its_runs(site: Site) -> None:
    other = site.world.add_workflow(REPO, "Deploy", "deploy.yml")
    filled(site, 3)
    deployed = site.world.add_run(REPO, "Deploy")
    for name in (other.id, "deploy.yml"):
        answer = site.json(f"/repos/{REPO}/actions/workflows/{name}/runs")
        assert (ids(answer), answer["total_count"]) == ([deployed], 1)
    assert site.get(f"/repos/{REPO}/actions/workflows/none.yml/runs").status_code == 404
    assert site.json(f"/repos/{REPO}/actions/workflows")["total_count"] == 2


def test_a_deleted_run_leaves_a_gap_in_the_numbers(site: Site) -> None:
    made = filled(site, 3)
    site.world.delete_run(made[1])
    assert [run["run_number"] for run in site.json(RUNS)["workflow_runs"]] == [1, 3]
    assert site.get(f"{RUNS}/{made[1]}").status_code == 404


def test_an_owners_repositories_are_paginated(site: Site) -> None:
    site.world.add_repository("acme/api", archived=True)
    found = site.json("/orgs/acme/repos?per_page=1&page=2")
    assert [each["full_name"] for each in found] == [REPO]
    assert site.json("/users/acme/repos")[0]["archived"] is True
    assert site.get("/orgs/nobody/repos").status_code == 404


def test_times_are_whole_seconds_in_utc(site: Site, clock: Clock) -> None:
    run = site.world.add_run(REPO, "CI", created_at=MONDAY - timedelta(minutes=3, microseconds=7))
    shown = site.json(f"{RUNS}/{run}")
    for name in ("created_at", "updated_at", "run_started_at"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", shown[name])


def test_a_persistent_connection_serves_many_requests(site: Site) -> None:
    with requests.Session() as session:
        codes = [session.get(site.url + RUNS, timeout=5).elapsed.total_seconds() for _ in range(20)]
    assert sorted(codes)[10] < 0.03
