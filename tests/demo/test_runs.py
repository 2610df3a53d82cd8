"""One run: its states over time, its attempts, its jobs and its logs."""

import io
import zipfile
from datetime import timedelta

from tests.demo.conftest import MONDAY, REPO, Clock, Site
from tests.simulator.factories import JobPlan

RUNS = f"/repos/{REPO}/actions/runs"
JOBS = f"/repos/{REPO}/actions/jobs"


def failed_run(site: Site) -> int:
    return site.world.add_run(
        REPO, "CI", conclusion="failure", jobs=["lint", "test"], created_at=MONDAY - timedelta(hours=2)
    )


def test_a_run_is_queued_then_in_progress_then_completed(site: Site, clock: Clock) -> None:
    run = site.world.add_run(REPO, "CI", conclusion="failure", queue=10, duration=60)
    seen = []
    for seconds in (0, 15, 70):
        clock.now = MONDAY + timedelta(seconds=seconds)
        shown = site.json(f"{RUNS}/{run}")
        job = site.json(f"{RUNS}/{run}/jobs")["jobs"][0]
        seen.append((shown["status"], shown["conclusion"], job["status"], job["conclusion"], bool(job["completed_at"])))
    assert seen == [
        ("queued", None, "queued", None, False),
        ("in_progress", None, "in_progress", None, False),
        ("in_progress", None, "completed", "failure", True),
    ]
    clock.pass_(seconds=5)
    assert site.json(f"{RUNS}/{run}")["conclusion"] == "failure"


def test_a_run_without_a_conclusion_is_in_progress_until_it_is_finished(site: Site, clock: Clock) -> None:
    run = site.world.add_run(REPO, "CI", conclusion=None, jobs=2)
    clock.pass_(days=3)
    assert site.json(f"{RUNS}/{run}")["status"] == "in_progress"
    site.world.finish(run, "failure")
    clock.pass_(seconds=3)
    assert site.json(f"{RUNS}/{run}")["conclusion"] == "failure"
    assert [job["conclusion"] for job in site.json(f"{RUNS}/{run}/jobs")["jobs"]] == ["success", "failure"]


def test_rerunning_failed_jobs_lists_the_others_as_copies(site: Site) -> None:
    run = failed_run(site)
    site.world.rerun(run, at=MONDAY - timedelta(hours=1))
    every = site.json(f"{RUNS}/{run}/jobs?filter=all")["jobs"]
    first, second = ([job for job in every if job["run_attempt"] == number] for number in (1, 2))
    copied = {job["name"]: job for job in second}["lint"]
    original = {job["name"]: job for job in first}["lint"]
    assert copied["id"] != original["id"]
    assert [copied[key] for key in ("started_at", "completed_at")] == [
        original[key] for key in ("started_at", "completed_at")
    ]
    assert {job["name"]: job["conclusion"] for job in second} == {"lint": "success", "test": "success"}
    assert site.json(f"{RUNS}/{run}/jobs")["jobs"] == second


def test_a_new_attempt_keeps_the_runs_creation_and_resets_its_start(site: Site) -> None:
    run = failed_run(site)
    before = site.json(f"{RUNS}/{run}")
    site.world.rerun(run, at=MONDAY - timedelta(hours=1), failed_only=False)
    after, first = site.json(f"{RUNS}/{run}"), site.json(f"{RUNS}/{run}/attempts/1")
    assert (after["created_at"], after["run_number"]) == (before["created_at"], before["run_number"])
    assert (after["run_attempt"], after["conclusion"]) == (2, "success")
    assert after["run_started_at"] > before["run_started_at"]
    assert after["previous_attempt_url"].endswith("/attempts/1")
    assert (first["run_attempt"], first["conclusion"]) == (1, "failure")
    assert site.get(f"{RUNS}/{run}/attempts/3").status_code == 404
    assert len(site.json(f"{RUNS}/{run}/attempts/2/jobs")["jobs"]) == 2


def test_jobs_are_paginated(site: Site) -> None:
    run = site.world.add_run(REPO, "CI", jobs=130, created_at=MONDAY - timedelta(hours=1))
    answer = site.get(f"{RUNS}/{run}/jobs?per_page=100")
    assert answer.json()["total_count"] == 130
    assert len(site.json(answer.links["next"]["url"])["jobs"]) == 30


def test_a_check_run_of_a_reporter_is_a_job_without_a_runner(site: Site) -> None:
    plans = [JobPlan("test"), JobPlan("Test results", phantom=True)]
    run = site.world.add_run(REPO, "CI", jobs=plans, created_at=MONDAY - timedelta(hours=1))
    posted = site.json(f"{RUNS}/{run}/jobs")["jobs"][1]
    assert (posted["runner_name"], posted["labels"], posted["steps"]) == (None, [], [])
    assert posted["started_at"] == posted["completed_at"]


def test_a_log_redirects_to_a_storage_that_accepts_no_token(site: Site) -> None:
    run = failed_run(site)
    job = site.json(f"{RUNS}/{run}/jobs")["jobs"][1]["id"]
    answer = site.get(f"{JOBS}/{job}/logs")
    place = answer.headers["location"]
    assert answer.status_code == 302
    assert site.get(place, headers={"Authorization": "Bearer x"}).status_code == 400
    text = site.get(place).content.decode("utf-8")
    assert text.startswith("\ufeff2026-11-23T12:30:")
    assert "##[error]Process completed with exit code" in text
    assert len(text.splitlines()) > 150


def test_the_url_of_a_log_is_valid_for_a_minute(site: Site, clock: Clock) -> None:
    run = failed_run(site)
    job = site.json(f"{RUNS}/{run}/jobs")["jobs"][0]["id"]
    place = site.get(f"{JOBS}/{job}/logs").headers["location"]
    clock.pass_(seconds=60)
    assert site.get(place).status_code == 200
    clock.pass_(seconds=1)
    assert site.get(place).status_code == 403


def test_logs_are_404_before_completion_and_410_after_expiry(site: Site, clock: Clock) -> None:
    run = site.world.add_run(REPO, "CI")
    job = site.json(f"{RUNS}/{run}/jobs")["jobs"][0]["id"]
    assert site.get(f"{JOBS}/{job}/logs").status_code == 404
    clock.pass_(hours=1)
    assert site.get(f"{JOBS}/{job}/logs").status_code == 302
    clock.pass_(days=61)
    assert site.get(f"{JOBS}/{job}/logs").status_code == 410


def test_logs_can_be_set_and_expired(site: Site) -> None:
    run = failed_run(site)
    job = site.json(f"{RUNS}/{run}/jobs")["jobs"][1]["id"]
    site.world.set_log(job, "just this")
    assert site.get(site.get(f"{JOBS}/{job}/logs").headers["location"]).text == "just this"
    site.world.expire_logs(run)
    assert site.get(f"{JOBS}/{job}/logs").status_code == 410
    assert site.get(f"{RUNS}/{run}/logs").status_code == 410


def test_the_logs_of_a_run_are_a_zip_with_a_file_per_job(site: Site) -> None:
    run = failed_run(site)
    packed = site.get(site.get(f"{RUNS}/{run}/attempts/1/logs").headers["location"]).content
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert archive.namelist() == ["0_lint.txt", "lint/system.txt", "1_test.txt", "test/system.txt"]
        assert archive.read("1_test.txt").startswith(b"\xef\xbb\xbf")


def test_a_lost_runner_is_visible_only_in_the_annotation(site: Site) -> None:
    run = failed_run(site)
    site.world.runs[run].attempts[-1].cause = "runner_lost"
    passed, failed = site.json(f"{RUNS}/{run}/jobs")["jobs"]
    text = site.get(site.get(f"{JOBS}/{failed['id']}/logs").headers["location"]).text
    notes = site.json(f"/repos/{REPO}/check-runs/{failed['id']}/annotations")
    assert "##[error]" not in text
    assert "lost communication with the server" in notes[0]["message"]
    assert site.json(f"/repos/{REPO}/check-runs/{passed['id']}/annotations") == []
