"""The line to see first: rules by example, and how they do on real logs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.logs.excerpt import AFTER, BEFORE, LONGEST_LINE, SEARCHED, excerpt, excerpt_of, is_closing, plain
from db.insights.fingerprint import fingerprint, normalised
from tests.collector.recordings import FOLDER, MISSING

END = "##[error]Process completed with exit code 1."


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["ok", "##[error]src/a.ts(4,1): error TS2339: no such thing", "##[error]Process completed with exit code 2."],
         "src/a.ts(4,1): error TS2339: no such thing"),
        (["npm error code ERESOLVE", "##[error]Process completed with exit code 1."], "npm error code ERESOLVE"),
        (["a", "--- FAIL: TestX (0.1s)", "FAIL", "##[error]Process completed with exit code 1."],
         "--- FAIL: TestX (0.1s)"),
        (["##[group]Run grep error: x", "grep error: x", "##[endgroup]", "No space left on device",
          "##[error]Process completed with exit code 1."], "No space left on device"),
        (["nothing to see"], None),
        ([], None),
    ],
)  # fmt: skip
def test_the_line_to_see_first(lines: list[str], expected: str | None) -> None:
    assert excerpt(lines).error_line == expected


def test_a_line_is_plain_without_time_and_colour() -> None:
    assert plain("\ufeff2026-11-18T12:00:00.1234567Z \x1b[31mred\x1b[0m \x1b]8;;http://x\x07link") == "red link"


def test_the_same_cause_has_the_same_fingerprint_in_every_run() -> None:
    first = "Failed to connect to 10.0.0.7 port 443 after 129 ms at 2026-11-18T12:00:00Z (req 7f3a9c01de)"
    second = "Failed to connect to 10.0.0.9 port 443 after 7 ms at 2026-11-19T01:10:59Z (req a91b22c0ff)"
    assert normalised(first) == normalised(second)
    assert fingerprint(first) == fingerprint(second)
    assert fingerprint("another cause") != fingerprint(first)
    assert fingerprint(None) is None


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["Compile failures     0", "Cache timeouts 0", "0 failed, 12 passed", "disk: No space left on device", END],
         "disk: No space left on device"),
        (["Failed to upload a metric", "+ echo 'Files were left behind'", "Files were left behind", "+ exit 1",
          "+ echo 'error statistics'", "error statistics", END], "Files were left behind"),
        (["Command took too long, returning 124", "Traceback (most recent call last):",
          "RuntimeError: suite 4/10 failed!", END], "Command took too long, returning 124"),
        (["subprocess.CalledProcessError: Command 'x' returned non-zero exit status 2.", END],
         "subprocess.CalledProcessError: Command 'x' returned non-zero exit status 2."),
        (["=== FAILURES ===", "________ TestSum.test_three ________", "E   assert 3 == 4", END],
         "________ TestSum.test_three ________"),
        (["________ test_three ________", "FAILED tests/test_sum.py::test_three - assert 3 == 4", END],
         "FAILED tests/test_sum.py::test_three - assert 3 == 4"),
        (["thread 'main' panicked at src/main.rs:3:5:", "make: *** [Makefile:2: all] Error 101", END],
         "thread 'main' panicked at src/main.rs:3:5:"),
        (["working, no error here", "##[error]The operation was canceled."], "The operation was canceled."),
        (["##[error]The job has exceeded the maximum execution time of 1h0m0s", "##[error]The operation was canceled."],
         "The job has exceeded the maximum execution time of 1h0m0s"),
        (["all is well", END, "##[group]Run again", "##[endgroup]", "Error: of a later step", END], None),
    ],
)  # fmt: skip
def test_words_of_failure_that_tell_of_none_are_passed_over(lines: list[str], expected: str | None) -> None:
    assert excerpt(lines).error_line == expected


def test_the_step_that_failed_is_found_by_its_times_where_an_earlier_one_was_allowed_to_fail() -> None:
    lines = [
        "2026-11-18T12:00:01.0000000Z error: a nightly compiler is missing",
        f"2026-11-18T12:00:02.0000000Z {END}",
        "2026-11-18T12:05:01.0000000Z ##[group]Run make",
        "2026-11-18T12:05:02.0000000Z ##[endgroup]",
        "2026-11-18T12:05:03.0000000Z error: no rule for this",
        f"2026-11-18T12:05:04.0000000Z {END}",
    ]
    failed = ("2026-11-18T12:05:01", "2026-11-18T12:05:04")
    assert excerpt(lines).error_line == "error: a nightly compiler is missing"
    assert excerpt(lines, failed).error_line == "error: no rule for this"
    assert excerpt_of("\n".join(lines).encode(), failed).error_line == "error: no rule for this"
    assert excerpt(lines, ("2020-01-01T00:00:00", "2020-01-01T00:00:09")).error_line == excerpt(lines).error_line


@pytest.mark.parametrize("breaks", ["", "a form\x0cfeed", "a bar 1%\r2%\r3%"])
def test_an_excerpt_of_the_bytes_counts_lines_as_the_whole_text_does(breaks: str) -> None:
    lines = [f"line {number} ü🚀{breaks}" for number in range(30_000)]
    lines[20_000], lines[20_010] = "error: here", END
    text = "\n".join(lines)
    found = excerpt_of(text.encode())
    shown = text.splitlines()[found.first_line - 1 :]
    assert tuple(plain(line) for line in shown[: len(found.lines)]) == found.lines
    assert found.error_line == "error: here"
    assert "error: here" in found.lines


def test_an_excerpt_is_short_and_goes_on_to_the_end_of_the_step_where_that_is_near() -> None:
    far = ["error: here"] + ["noise"] * 1_000 + [END, "after"]
    near = ["before"] * 100 + ["error: here"] + ["noise"] * 20 + [END] + ["cleaning up"] * 100
    assert len(excerpt(far).lines) == 1 + AFTER
    assert END in excerpt(near).lines
    assert len(excerpt(near).lines) == BEFORE + 1 + 20 + 1 + AFTER
    assert excerpt(near).closing == "Process completed with exit code 1."


def test_lines_of_megabytes_are_cut_for_display() -> None:
    huge = "error: " + "x" * 5_000_000
    for found in (excerpt(["a", huge, END]), excerpt_of("\n".join(["a", huge[:500_000], END]).encode())):
        assert max(len(line) for line in found.lines) == LONGEST_LINE
        assert found.error_line is not None
        assert len(found.error_line) == 500


def test_what_lies_far_before_the_end_is_not_searched() -> None:
    assert excerpt(["error: long ago"] + ["fine"] * SEARCHED + [END]).error_line is None
    assert excerpt(["error: long ago"] + ["fine"] * (SEARCHED - 2) + [END]).error_line == "error: long ago"


def test_only_words_that_give_no_reason_are_called_closing() -> None:
    assert is_closing("Process completed with exit code 2.")
    assert not is_closing("The operation was canceled.")
    assert not is_closing("The self-hosted runner lost communication with the server.")


def marked(path: Path) -> tuple[list[str], int | None]:
    """Lines of a real log, and where the one stands that a person marked."""
    lines, place = [], None
    for line in path.read_text("utf-8", "replace").splitlines():
        if line.startswith("#=SOURCE=#"):
            continue
        if line.startswith("#=MATCH=# "):
            place = len(lines)
            line = line.removeprefix("#=MATCH=# ").replace("‹", "").replace("›", "")  # noqa: PLW2901
        lines.append(line)
    return lines, place


def marked_logs() -> Iterator[tuple[list[str], int]]:
    for path in sorted((FOLDER / "failure_lines").glob("*.txt")):
        lines, place = marked(path)
        if place is not None:
            yield lines, place


@pytest.mark.skipif(not FOLDER.exists(), reason=MISSING)
def test_in_real_logs_the_marked_line_is_chosen_or_at_least_shown() -> None:
    logs = exact = shown = 0
    for lines, place in marked_logs():
        found = excerpt(lines)
        logs += 1
        chosen = found.error_line == plain(lines[place]).removeprefix("##[error]").strip()[:500]
        exact += chosen
        shown += chosen or found.first_line <= place + 1 < found.first_line + len(found.lines)
    assert logs == 21
    assert exact >= 14
    assert shown >= 19


@pytest.mark.skipif(not FOLDER.exists(), reason=MISSING)
def test_no_cause_is_made_up_for_logs_that_just_end() -> None:
    (path,) = (FOLDER / "runner_died").glob("*.log")
    assert excerpt(path.read_text("utf-8").splitlines()).error_line is None
