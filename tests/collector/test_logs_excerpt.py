"""The line to see first: rules by example, and how they do on real logs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.logs.excerpt import (
    LINES_AFTER,
    LINES_BEFORE,
    excerpt_text,
)
from health.insights.causes.identity import fingerprint
from health.insights.causes.identity import line_identity as normalize
from health.insights.causes.job_causes import FailedJob, is_closing
from health.insights.causes.lines import MAX_LINE_LENGTH, plain_line
from tests.collector.recordings import FOLDER, MISSING
from tests.failed_logs import cause_line, excerpt_of
from tests.growth import SUBQUADRATIC, growth

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
    assert cause_line(excerpt_of(lines)) == expected


def test_a_line_is_plain_without_time_and_colour() -> None:
    assert plain_line("\ufeff2026-11-18T12:00:00.1234567Z \x1b[31mred\x1b[0m \x1b]8;;http://x\x07link") == "red link"


def test_the_same_cause_has_the_same_fingerprint_in_every_run() -> None:
    first = "Failed to connect to 10.0.0.7 port 443 after 129 ms at 2026-11-18T12:00:00Z (req 7f3a9c01de)"
    second = "Failed to connect to 10.0.0.9 port 443 after 7 ms at 2026-11-19T01:10:59Z (req a91b22c0ff)"
    assert normalize(first) == normalize(second)
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
        (["all is well", END, "##[group]Run again", "##[endgroup]", "Error: of a later step", END], "all is well"),
    ],
)  # fmt: skip
def test_words_of_failure_that_tell_of_none_are_passed_over(lines: list[str], expected: str | None) -> None:
    assert cause_line(excerpt_of(lines)) == expected


TRIES = ["Fetch of the index: attempt 2 of 5 failed, trying again", "14 images pulled, 0 failed", "cache restored"]


@pytest.mark.parametrize(
    ("said", "place"),
    [
        (["# acme.dev/tool", "./cmd/tool.go:41:9: undefined: parseFlags"], 1),
        (["vet.go:12:3: fmt.Sprintf format %d has arg name of wrong type string", "exit status 1"], 0),
        (["pkg/store.go:8:2: SA4006: this value of err is never used (staticcheck)", "1 issues:"], 0),
        (["app/views.py:3:1: F811 redefinition of unused `index`", "Found 1 error."], 0),
        (["would reformat app/models.py", "Oh no!", "2 files would be reformatted."], 0),
        (["Checking formatting...", "[warn] web/main.css", "[warn] Code style issues found in the above file."], 1),
        (["Diff in /home/runner/work/a/a/src/lib.rs:88:", "-  let a=1;", "+    let a = 1;"], 0),
        (["ERR_PNPM_FETCH_404  GET https://registry.npmjs.org/nope: Not Found - 404"], 0),
        (["➤ YN0018: │ left-pad@npm:1.3.0: The remote archive differs", "➤ YN0000: · Failed with errors in 1s"], 0),
        (["E: Package 'libssl1.0-dev' has no installation candidate"], 0),
        (["curl: (6) Could not resolve host: mirror.acme.dev"], 0),
        (["An error occurred (ExpiredToken) when calling the ListBuckets operation: The token has expired"], 0),
        (["✘ [ERROR] No matching export in \"src/a.ts\" for import \"b\"", "1 error"], 0),
        (["Failed to compile.", "./pages/a.tsx:4:2", "Type error: Cannot find name 'Props'."], 2),
        (["1 tests failed out of 31", "The following tests FAILED:", "\t  9 - queue_order (Timeout)",
          "Errors while running CTest"], 2),
        (["There was 1 error:", "1) Acme\\CartTest::testEmpty", "TypeError: null given", "ERRORS!"], 1),
        (["Could not find gem 'raiils' in locally installed gems."], 0),
        ([".github/workflows/test.yml:9:3: label \"ubuntu-10\" is unknown [runner-label]"], 0),
        (["ruff.....................................................................Failed", "- hook id: ruff"], 0),
        (["  Failed Subtracts [1 s]", "  Error Message:", "Failed!  - Failed:     1, Passed:     8"], 0),
        (["00:03 +7 -1: cart counts twice [E]", "00:04 +7 -1: Some tests failed."], 0),
        (["│ Error: Reference to undeclared resource", "Terraform exited with code 1."], 0),
        (["In deploy.sh line 14:", "  rm $1", "SC2086: Double quote to prevent globbing"], 0),
        (["F401 [*] `os` imported but unused", "  --> shop/cart.py:3:8", "   |", " 3 | import os",
          "   |        ^^", "Found 1 error."], 0),
        (["Dockerfile:7 DL3008 warning: Pin versions in apt get install"], 0),
        (["  2 failing", "  1) Cart", "       is empty at first:"], 1),
        (["test_1  | FAIL ./cart.test.js", "test_1  |   Cannot find module 'x'", "stack_test_1 exited with code 1"], 0),
        (["#12 4.201 [ERROR] Failed to execute goal on project a: Could not resolve dependencies for b:jar:1",
          'ERROR: failed to solve: process "/bin/sh -c mvn package" did not complete successfully: exit code: 1'], 0),
        (["checkout: pathspec 'relase' did not match", "make: *** [Makefile:4: ship] Error 1"], 0),
        (["[check] 3 of 40 signatures differ from the golden ones", "Done in 3.1s"], 0),
        (["[  FAILED  ] Cart.Total (2 ms)", " 1 FAILED TEST"], 0),
        (["CONFLICT (content): Merge conflict in a.txt", "Automatic merge failed; fix conflicts"], 0),
        (["npm error code EUSAGE", "npm error", "npm error `npm ci` can only install with a lock file",
          "npm error A complete log of this run can be found in: /root/a.log"], 2),
        (["##[error]Exception in thread \"main\" java.lang.IllegalStateException: no port"], 0),
    ],
)  # fmt: skip
def test_the_line_of_a_tool_is_the_cause_and_no_try_before_it_that_was_repeated(said: list[str], place: int) -> None:
    found = excerpt_of(["##[group]Run ./ci.sh", "./ci.sh", "##[endgroup]", *TRIES, *said, END])
    assert cause_line(found) == said[place].removeprefix("##[error]").strip()


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["curl: (56) reset", "Retrying in 5 s", "ok", "3 of 4 shards answered", END], "3 of 4 shards answered"),
        (["curl: (56) reset", "Retrying in 5 s", "curl: (56) reset", END], "curl: (56) reset"),
        (["upload failed, attempt 3 of 3", END], "upload failed, attempt 3 of 3"),
        (["  ✓ an error is thrown", "the badge is stale", END], "the badge is stale"),
        (["make: *** [Makefile:4: ship] Error 1", END], "make: *** [Makefile:4: ship] Error 1"),
        (["Found 1 error.", END], "Found 1 error."),
        (["A badge is stale", "  12 | badge: old", "     | ^^^^^", END], "A badge is stale"),
        (["the badge is stale"], None),
    ],
)  # fmt: skip
def test_without_a_rule_the_last_word_of_the_step_is_the_cause(lines: list[str], expected: str | None) -> None:
    assert cause_line(excerpt_of(lines)) == expected


def test_the_time_to_read_lines_grows_with_their_number_and_their_length() -> None:
    def lines(count: int, times: int) -> list[str]:
        return [*(f"{k} " + "at some.package.name.Error of a-b/c.d:12 (x) " * times for k in range(count)), END]

    assert excerpt_of(lines(4_000, 4)).is_fallback
    assert growth(excerpt_of, lambda size: lines(size, 10), 100) < SUBQUADRATIC
    assert growth(excerpt_of, lambda size: lines(100, size), 10) < SUBQUADRATIC


def test_a_line_that_no_rule_names_is_weak() -> None:
    assert excerpt_of(["the badge is stale", END]).is_fallback
    assert not excerpt_of(["error: the badge is stale", END]).is_fallback
    assert excerpt_of(["error: one try", "##[error]The operation was canceled."]).is_fallback


def test_no_line_of_another_step_is_the_cause_of_a_step_that_said_something() -> None:
    before = ["##[group]Run audit", "audit", "##[endgroup]", "ERROR: audit level high exceeded", "audit: ignored"]
    lines = [*before, "##[group]Run badge", "badge", "##[endgroup]", "the badge is stale", END]
    assert cause_line(excerpt_of(lines)) == "the badge is stale"


def test_a_step_without_a_closing_error_ends_by_its_times() -> None:
    lines = [
        "2026-11-18T12:00:01.0000000Z ##[group]Run push",
        "2026-11-18T12:00:01.0000000Z ##[endgroup]",
        "2026-11-18T12:00:02.0000000Z fatal: unable to access the remote",
        "2026-11-18T12:00:03.0000000Z ##[error]Invalid exit code: 128",
        "2026-11-18T12:00:03.0000000Z     at ChildProcess.<anonymous> (start.js:29:21)",
        "2026-11-18T12:00:03.0000000Z ##[group]Run upload",
        "2026-11-18T12:00:04.0000000Z error: nothing to upload",
    ]
    step = ("2026-11-18T12:00:01", "2026-11-18T12:00:03")
    assert cause_line(excerpt_of(lines, step)) == "fatal: unable to access the remote"
    without = [line for line in lines if "##[error]" not in line]
    assert cause_line(excerpt_of(without, step)) == "fatal: unable to access the remote"


def test_what_a_carriage_return_overwrites_is_no_cause() -> None:
    assert cause_line(excerpt_of(["error: mirror 1\r               \rerror: mirror 2", END])) == "error: mirror 2"
    assert cause_line(excerpt_of(["error: mirror 1\rno mirror is left", END])) == "no mirror is left"
    assert cause_line(excerpt_of(["error: mirror 1\r\x1b[Kno mirror is left", END])) == "no mirror is left"


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
    assert cause_line(excerpt_of(lines)) == "error: a nightly compiler is missing"
    assert cause_line(excerpt_of(lines, failed)) == "error: no rule for this"
    assert cause_line(excerpt_text("\n".join(lines).encode(), FailedJob(step=failed))) == "error: no rule for this"
    assert cause_line(excerpt_of(lines, ("2020-01-01T00:00:00", "2020-01-01T00:00:09"))) == cause_line(
        excerpt_of(lines)
    )


@pytest.mark.parametrize("breaks", ["", "a form\x0cfeed", "a bar 1%\r2%\r3%"])
def test_an_excerpt_of_the_bytes_counts_lines_as_the_whole_text_does(breaks: str) -> None:
    lines = [f"line {number} ü🚀{breaks}" for number in range(30_000)]
    lines[20_000], lines[20_010] = "error: here", END
    text = "\n".join(lines)
    found = excerpt_text(text.encode())
    shown = text.splitlines()[found.first_line - 1 :]
    assert tuple(plain_line(line) for line in shown[: len(found.lines)]) == found.lines
    assert cause_line(found) == "error: here"
    assert "error: here" in found.lines


def test_an_excerpt_is_short_and_goes_on_to_the_end_of_the_step_where_that_is_near() -> None:
    far = ["error: here"] + ["noise"] * 1_000 + [END, "after"]
    near = ["before"] * 100 + ["error: here"] + ["noise"] * 20 + [END] + ["cleaning up"] * 100
    assert len(excerpt_of(far).lines) == 1 + LINES_AFTER
    assert END in excerpt_of(near).lines
    assert len(excerpt_of(near).lines) == LINES_BEFORE + 1 + 20 + 1 + LINES_AFTER
    assert excerpt_of(near).closing == "Process completed with exit code 1."


def test_lines_of_megabytes_are_cut_for_display() -> None:
    huge = "error: " + "x" * 5_000_000
    for found in (
        excerpt_of(["a", huge[:900_000], END]),
        excerpt_text("\n".join(["a", huge[:500_000], END]).encode()),
    ):
        assert max(len(line) for line in found.lines) == MAX_LINE_LENGTH
        line = cause_line(found)
        assert line is not None
        assert len(line) == 500


def test_a_cause_far_before_the_end_of_the_step_is_the_cause() -> None:
    found = excerpt_of(["--- FAIL: TestStore (0.1s)"] + ["fine"] * 10_770 + [END])
    assert cause_line(found) == "--- FAIL: TestStore (0.1s)"
    assert found.lines[0] == cause_line(found)


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
        found = excerpt_of(lines)
        logs += 1
        chosen = cause_line(found) == plain_line(lines[place]).removeprefix("##[error]").strip()[:500]
        exact += chosen
        shown += chosen or found.first_line <= place + 1 < found.first_line + len(found.lines)
    assert logs == 21
    assert exact >= 16
    assert shown >= 19


@pytest.mark.skipif(not FOLDER.exists(), reason=MISSING)
def test_no_cause_is_made_up_for_logs_that_just_end() -> None:
    (path,) = (FOLDER / "runner_died").glob("*.log")
    assert cause_line(excerpt_of(path.read_text("utf-8").splitlines())) is None
