"""Edge cases of GitHub that tests switch on."""

from datetime import timedelta

import pytest

from tests.demo.conftest import MONDAY, REPO, Clock, Serve, Site
from tests.demo.test_limits import one_repository
from tests.simulator.truth import truth

RUNS = f"/repos/{REPO}/actions/runs"
AGO = MONDAY - timedelta(hours=2)


def test_jobs_of_a_big_run_need_small_pages(site: Site) -> None:
    run = site.world.add_run(REPO, "CI", jobs=120, created_at=AGO)
    other = site.world.add_run(REPO, "CI", jobs=2, created_at=AGO)
    site.world.edge_cases.big_runs.add(run)
    assert [site.get(f"{RUNS}/{run}/jobs?per_page={size}").status_code for size in (100, 51, 50)] == [502, 502, 200]
    assert len(site.json(f"{RUNS}/{run}/jobs?per_page=50&page=3")["jobs"]) == 20
    assert site.get(f"{RUNS}/{other}/jobs?per_page=100").status_code == 200


def test_filter_latest_can_leave_out_copied_jobs(site: Site) -> None:
    run = site.world.add_run(REPO, "CI", jobs=3, conclusion="failure", created_at=AGO)
    site.world.rerun(run, at=MONDAY - timedelta(hours=1))
    site.world.edge_cases.latest_without_copies = True
    names = {
        query: [job["name"] for job in site.json(f"{RUNS}/{run}{query}")["jobs"]]
        for query in ("/jobs", "/jobs?filter=all", "/attempts/2/jobs")
    }
    assert names["/jobs"] == ["job 3"]
    assert len(names["/jobs?filter=all"]) == 6
    assert len(names["/attempts/2/jobs"]) == 3


def test_a_job_can_be_listed_twice_once_with_fewer_steps(site: Site) -> None:
    run = site.world.add_run(REPO, "CI", jobs=2, created_at=AGO)
    site.world.edge_cases.doubled_jobs.add(run)
    found = site.json(f"{RUNS}/{run}/jobs")
    first, again, other = found["jobs"]
    assert found["total_count"] == 3
    assert first["id"] == again["id"] != other["id"]
    assert again["steps"] == first["steps"][:1] != first["steps"]
    assert len(truth(site.world).jobs) == 2


def test_null_fields(site: Site) -> None:
    nulls = ("head_branch", "head_repository", "actor", "triggering_actor", "name", "head_commit")
    shown = site.json(f"{RUNS}/{site.world.add_run(REPO, 'CI', nulls=nulls)}")
    assert {name for name in nulls if shown[name] is None} == set(nulls)
    row = next(iter(truth(site.world).runs.values()))
    assert (row.branch, row.actor, row.name) == (None, None, None)


def test_a_deleted_run_and_its_jobs_are_404(site: Site) -> None:
    run = site.world.add_run(REPO, "CI", created_at=AGO)
    job = site.json(f"{RUNS}/{run}/jobs")["jobs"][0]["id"]
    site.world.delete_run(run)
    for path in (
        f"{RUNS}/{run}",
        f"{RUNS}/{run}/jobs",
        f"{RUNS}/{run}/attempts/1",
        f"/repos/{REPO}/actions/jobs/{job}",
    ):
        assert site.get(path).status_code == 404


@pytest.mark.parametrize("status", [403, 451])
def test_a_blocked_repository_does_not_affect_others(site: Site, status: int) -> None:
    other = site.world.add_repository("acme/api")
    blocked = site.world.find(REPO)
    assert blocked
    site.world.edge_cases.blocked[blocked.id] = status
    answer = site.get(RUNS)
    assert (answer.status_code, answer.json()["message"]) == (status, "Repository access blocked")
    assert "retry-after" not in answer.headers
    assert site.get("/repos/acme/api/actions/runs").status_code == 200
    assert list(truth(site.world).repositories) == [other.id]


def test_a_broken_workflow_does_not_affect_the_repository(site: Site) -> None:
    flow = site.world.add_workflow(REPO, "Deploy")
    run = site.world.add_run(REPO, "Deploy")
    site.world.edge_cases.broken_workflows.add(flow.id)
    for name in (flow.id, flow.file):
        assert site.get(f"/repos/{REPO}/actions/workflows/{name}/runs").status_code == 500
    assert site.json(RUNS)["workflow_runs"][0]["id"] == run


def test_large_totals_are_wrong_but_pages_are_right(site: Site) -> None:
    for minutes in range(60):
        site.world.add_run(REPO, "CI", created_at=MONDAY - timedelta(minutes=minutes))
    site.world.edge_cases.wrong_totals_above = 50
    answers = [site.json(f"{RUNS}?per_page=20&page={page}") for page in (1, 2, 3)]
    assert {each["total_count"] for each in answers} == {59}
    assert len({run["id"] for each in answers for run in each["workflow_runs"]}) == 60


def test_an_enterprise_server_has_its_api_under_a_path(clock: Clock, serve: Serve) -> None:
    site = serve(one_repository(clock), base_path="/api/v3")
    runs = f"/api/v3{RUNS}"
    answer = site.get(f"{runs}?per_page=1")
    run = answer.json()["workflow_runs"][0]
    assert run["jobs_url"] == f"{site.url}{runs}/{run['id']}/jobs"
    place = site.get(run["logs_url"]).headers["location"]
    assert place.startswith(f"{site.url}/_logs/")
    assert site.get(place).status_code == 200
    assert site.get(RUNS).status_code == 404
    assert [each.path for each in site.app.state.requests][-1] == RUNS
    assert site.app.state.requests[0].path == runs


def test_links_and_redirects_of_an_enterprise_server_have_its_path(clock: Clock, serve: Serve) -> None:
    site = serve(one_repository(clock), base_path="/api/v3")
    site.world.add_run(REPO, "CI")
    following = site.get(f"/api/v3{RUNS}?per_page=1").links["next"]["url"]
    assert following.startswith(f"{site.url}/api/v3/repositories/")
    assert site.get(following).status_code == 200
    site.world.rename(REPO, "acme/home")
    moved = site.get(f"/api/v3{RUNS}").headers["location"]
    assert moved.startswith(f"{site.url}/api/v3/repositories/")
    assert site.get(moved).status_code == 200
