"""Which file of an archive is whose."""

import pytest

from collector.logs.archive import match, name_in_log
from tests.collector.recordings import FOLDER, MISSING

LONG = "build and test everything on a very large machine with a very long name, that of the"


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("1_build.txt", "build"),
        ("0_test (3.12, py).txt", "test (3.12, py)"),
        ("-9223372036854775808_lint.txt", "lint"),
        ("3_call  test.txt", "call / test"),
        ("3_call _ test.txt", "call / test"),
        ("4_deploy production.txt", "deploy: production"),
        ("5_is it up_.txt", "is it up?"),
        ("6_🐍 python.txt", "🐍 python"),
        (f"7_{LONG} x.txt", f"{LONG} x86 and arm"),
        (f"7_{LONG}\ufffd.txt", f"{LONG}🐍 and more"),
    ],
)
def test_a_file_is_known_by_its_jobs_name(file: str, name: str) -> None:
    found = match([file, "system.txt", f"{name}/system.txt", "other/1_Set up job.txt"], [(1, name), (2, "another job")])
    assert found.exact == {1: file}
    assert found.ambiguous == {}


@pytest.mark.parametrize(
    "file",
    ["../1_build.txt", "/1_build.txt", "a/1_build.txt", "..\\1_build.txt", "1_build.txt/..", "build.txt", "1_.txt"],
)
def test_what_is_not_a_jobs_file_is_nobodys(file: str) -> None:
    found = match([file], [(1, "build")])
    assert (found.exact, found.ambiguous) == ({}, {})


def test_names_that_were_cut_to_the_same_are_doubtful() -> None:
    files = [f"0_{LONG} x.txt", f"1_{LONG} x.txt"]
    found = match(files, [(1, f"{LONG} x86"), (2, f"{LONG} xenon"), (3, "lint")])
    assert found.exact == {}
    assert found.ambiguous == {1: tuple(files), 2: tuple(files)}


def test_jobs_of_one_name_cannot_be_told_apart() -> None:
    found = match(["0_test.txt", "1_test.txt", "2_lint.txt"], [(1, "test"), (2, "test"), (3, "lint")])
    assert found.exact == {3: "2_lint.txt"}
    assert found.ambiguous == {}


def test_names_alike_but_for_signs_are_doubtful() -> None:
    found = match(["0_C__.txt"], [(1, "C++"), (2, "C#")])
    assert found.exact == {}
    assert found.ambiguous == {1: ("0_C__.txt",), 2: ("0_C__.txt",)}


def test_the_preparation_of_a_matrix_is_no_job() -> None:
    found = match(["1_test.txt", "1_test (3.8).txt", "2_test (3.9).txt"], [(1, "test (3.8)"), (2, "test (3.9)")])
    assert found.exact == {1: "1_test (3.8).txt", 2: "2_test (3.9).txt"}


def test_a_log_says_whose_it_is() -> None:
    line = "2026-11-18T12:00:00.1234567Z Complete job name: test (3.12,  py)\r\n"
    assert name_in_log(f"\ufeffa\n{line}b".encode()) == "test (3.12, py)"
    assert name_in_log(b"2026 echo says: Incomplete job names: none") is None


@pytest.mark.skipif(not FOLDER.exists(), reason=MISSING)
def test_in_real_archives_of_six_years_every_job_is_found() -> None:
    archives = {
        path.parent for path in (FOLDER / "job_logs").rglob("[0-9]_*(*).txt") if (path.parent / path.stem[2:]).exists()
    }
    jobs_found = 0
    for archive in sorted(archives):
        files = [str(path.relative_to(archive)) for path in sorted(archive.rglob("*.txt"))]
        jobs = list(enumerate(sorted(path.name for path in archive.iterdir() if path.is_dir())))
        found = match(files, jobs)
        assert {job: file.partition("_")[2] for job, file in found.exact.items()} == {
            job: f"{name}.txt" for job, name in jobs
        }
        for job, file in found.exact.items():
            assert name_in_log((archive / file).read_bytes()) in (None, dict(jobs)[job])
        jobs_found += len(jobs)
    assert len(archives) > 10
    assert jobs_found > 60
