"""Layouts of log archives over the years, and damaged or missing logs."""

import io
import re
import zipfile
from datetime import timedelta

import pytest

from demo.github.logs import file_name
from tests.demo.conftest import MONDAY, REPO, Clock, Site
from tests.simulator.edge_cases import huge_log

RUNS = f"/repos/{REPO}/actions/runs"
AGO = MONDAY - timedelta(hours=2)


def packed(site: Site, run: int) -> zipfile.ZipFile:
    place = site.get(f"{RUNS}/{run}/logs").headers["location"]
    return zipfile.ZipFile(io.BytesIO(site.get(place).content))


def job_text(site: Site, run: int) -> bytes:
    job = site.json(f"{RUNS}/{run}/jobs")["jobs"][0]["id"]
    return site.get(site.get(f"/repos/{REPO}/actions/jobs/{job}/logs").headers["location"]).content


@pytest.mark.parametrize(
    ("layout", "first", "mark", "crlf", "steps", "system"),
    [
        ("2021", "1_lint.txt", False, True, True, False),
        ("2023", "-2147483648_prepare.txt", False, False, True, False),
        ("2025", "0_lint.txt", True, False, True, True),
        ("2026", "0_lint.txt", True, False, False, True),
    ],
)
def test_layouts_by_year(
    site: Site, layout: str, first: str, mark: bool, crlf: bool, steps: bool, system: bool
) -> None:
    run = site.world.add_run(REPO, "CI", jobs=["lint", "test"], conclusion="failure", created_at=AGO)
    site.world.edge_cases.log_layouts[run] = layout
    with packed(site, run) as archive:
        names = archive.namelist()
        job = archive.read(next(name for name in names if name.endswith("_lint.txt")))
    assert names[0] == first
    assert (job.startswith(b"\xef\xbb\xbf"), b"\r\n" in job) == (mark, crlf)
    assert any(re.fullmatch(r"test/\d+_Run tests\.txt", name) for name in names) is steps
    assert ("test/system.txt" in names) is system
    assert job_text(site, run) == job


def test_step_files_contain_the_log_and_have_the_numbers_of_the_steps(site: Site) -> None:
    run = site.world.add_run(REPO, "CI", jobs=["test"], conclusion="failure", created_at=AGO)
    site.world.edge_cases.log_layout = "2023"
    steps = site.json(f"{RUNS}/{run}/jobs")["jobs"][0]["steps"]
    with packed(site, run) as archive:
        whole = archive.read("0_test.txt")
        names = [f"test/{step['number']}_{file_name(step['name'], '')}.txt" for step in steps]
        parts = [archive.read(name) for name in names if name in archive.namelist()]
    assert len(parts) == len([step for step in steps if step["conclusion"] != "skipped"])
    assert b"".join(parts) == whole


@pytest.mark.parametrize(
    ("layout", "name", "file"),
    [
        ("2026", "build / linux: arm", "0_build _ linux arm.txt"),
        ("2023", "build / linux: arm", "0_build  linux arm.txt"),
        ("2026", "🚀 launch", "0_🚀 launch.txt"),
        ("2026", "x" * 120, f"0_{'x' * 90}.txt"),
        ("2026", "x" * 89 + "🚀🚀", f"0_{'x' * 89}\ufffd.txt"),
    ],
)
def test_file_names_are_derived_from_job_names(site: Site, layout: str, name: str, file: str) -> None:
    run = site.world.add_run(REPO, "CI", jobs=[name], created_at=AGO)
    site.world.edge_cases.log_layout = layout
    with packed(site, run) as archive:
        assert file in archive.namelist()


def test_a_huge_log_has_its_error_in_the_middle(site: Site) -> None:
    run = site.world.add_run(REPO, "CI", conclusion="failure", created_at=AGO)
    site.world.set_log(site.json(f"{RUNS}/{run}/jobs")["jobs"][0]["id"], huge_log(3))
    text = job_text(site, run)
    assert len(text) >= 3_000_000
    assert 0.4 < text.index(b"##[error]") / len(text) < 0.6


def test_a_zip_bomb_is_small_until_it_is_unpacked(site: Site) -> None:
    run = site.world.add_run(REPO, "CI", jobs=2, created_at=AGO)
    site.world.edge_cases.zip_bombs[run] = 5
    place = site.get(f"{RUNS}/{run}/logs").headers["location"]
    body = site.get(place).content
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        sizes = {each.filename: each.file_size for each in archive.infolist()}
    assert sizes == {"0_job 1.txt": 5_000_000, "1_job 2.txt": 5_000_000}
    assert len(body) < 50_000


def test_lost_logs_are_404(site: Site, clock: Clock) -> None:
    run, other = (site.world.add_run(REPO, "CI", created_at=AGO) for _ in range(2))
    job = site.json(f"{RUNS}/{other}/jobs")["jobs"][0]["id"]
    site.world.edge_cases.lost_logs |= {run, job}
    clock.pass_(days=1)
    paths = (f"runs/{run}/logs", f"jobs/{job}/logs", f"runs/{other}/logs")
    assert [site.get(f"/repos/{REPO}/actions/{path}").status_code for path in paths] == [404, 404, 302]


def test_the_url_of_a_log_can_expire_before_it_is_used(site: Site, clock: Clock) -> None:
    run = site.world.add_run(REPO, "CI", created_at=AGO)
    site.world.edge_cases.log_url_seconds = 0
    place = site.get(f"{RUNS}/{run}/logs").headers["location"]
    clock.pass_(seconds=1)
    assert site.get(place).status_code == 403
