"""Lines that a successful log, or a passed step, also has: they lose to new lines, and are causes without those."""

import random

import pytest

from health.insights.causes import novelty
from health.insights.causes.extraction import extract
from health.insights.causes.novelty import NONE_KNOWN, KnownLines, decode, encode, sketch
from tests.growth import SUBQUADRATIC, growth

HEADER = ["##[group]Run ./ci.sh", "./ci.sh", "##[endgroup]"]
END = "##[error]Process completed with exit code 1."
NOISE = "ERROR: could not connect to 10.0.0.7:5432, waiting"


def at(second: int, line: str) -> str:
    return f"2026-11-18T12:00:{second:02d}.0000000Z {line}"


def sketched(*lines: str) -> KnownLines:
    return sketch([f"{line}\n" for line in (*HEADER, *lines)])


def causes(*lines: str, known: KnownLines = NONE_KNOWN) -> list[str]:
    extraction = extract([f"{line}\n" for line in (*HEADER, *lines, END)], known=known)
    return [cause.line for cause in extraction.causes]


@pytest.mark.parametrize(
    ("output", "expected", "before"),
    [
        # of a lower rank
        ([NOISE, "the table orders could not be locked"], "the table orders could not be locked", NOISE),
        # of the same rank: the last error would be shown
        (["ERROR: the index is corrupt", NOISE], "ERROR: the index is corrupt", "ERROR: the index is corrupt"),
        # that no rule recognises
        ([NOISE, "2 of 31 checks: failure"], "2 of 31 checks: failure", NOISE),
        # that the script printed before it exited
        ([NOISE, "+ echo 'left behind'", "left behind", "+ exit 1"], "left behind", NOISE),
    ],
)
def test_the_noise_of_an_application_loses_to_a_new_line(output: list[str], expected: str, before: str) -> None:
    known = sketched("ERROR: could not connect to 10.0.0.31:5432, waiting", "31 of 31 checks passed")
    assert causes(*output)[0] == before
    assert causes(*output, known=known)[0] == expected


@pytest.mark.parametrize("last", ["done", "make: *** [Makefile:7: it] Error 1", "Process exited"])
def test_if_all_lines_are_known_the_cause_is_the_same(last: str) -> None:
    assert causes(NOISE, last, known=sketched(NOISE)) == causes(NOISE, last) == [NOISE]


@pytest.mark.parametrize(
    ("failure", "last", "kind"),
    [
        ("curl: (35) Recv failure: Connection reset by peer", "deploy: failed to publish", "infrastructure"),
        ("toomanyrequests: You have reached your pull rate limit", "Cleanup failed", "infrastructure"),
        ("npm error network read ECONNRESET", "Error: failed step install", "infrastructure"),
        ("E: Failed to fetch http://a.example/x  Bad response", "Cleanup failed", "dependency"),
        ("Killed", "Cleanup failed", "resources"),
    ],
)
def test_a_transient_failure_that_a_successful_run_survived_is_still_the_cause(
    failure: str, last: str, kind: str
) -> None:
    extraction = extract([f"{line}\n" for line in (*HEADER, failure, last, END)], known=sketched(failure))
    assert (extraction.causes[0].line, extraction.causes[0].kind) == (failure, kind)


def test_a_script_that_waits_for_its_own_service_logs_noise() -> None:
    waits = "curl: (7) Failed to connect to localhost port 8080 after 0 ms"
    assert causes(waits, "2 of 31 checks: failure", known=sketched(waits)) == ["2 of 31 checks: failure", waits]


def test_the_known_cause_remains_behind_the_new_line_that_may_be_none() -> None:
    assert causes(NOISE, "Cleanup failed", known=sketched(NOISE)) == ["Cleanup failed", NOISE]


def test_known_lines_of_the_same_rank_come_last_and_do_not_vanish() -> None:
    output = ["ERROR: one", "ERROR: two", "ERROR: three"]
    assert causes(*output) == output
    assert causes(*output, known=sketched("ERROR: one")) == ["ERROR: two", "ERROR: three", "ERROR: one"]


def test_a_failed_test_that_another_run_repeated_with_success_is_still_the_cause() -> None:
    flaky = "FAILED tests/test_a.py::test_login - TimeoutError"
    known = sketched(flaky, "tests/test_a.py::test_login PASSED", "1 passed, 1 rerun")
    assert causes(flaky, "ERROR: the report has errors", known=known) == [flaky]
    both = ["FAILED tests/test_b.py::test_cart - assert 1 == 2", flaky]
    assert causes(*both, known=known) == both
    assert causes(*reversed(both), known=known) == both


def test_a_step_that_passed_counts_as_a_successful_log() -> None:
    lines = [
        *(at(1, line) for line in (*HEADER, NOISE, "migrated")),
        *(at(3, line) for line in (*HEADER, NOISE, "the ledger: failure", END)),
    ]
    step = ("2026-11-18T12:00:03", "2026-11-18T12:00:04")
    assert extract([f"{line}\n" for line in lines], step).causes[0].line == "the ledger: failure"
    lines.insert(4, at(1, "##[error]Process completed with exit code 2."))
    assert extract([f"{line}\n" for line in lines], step).causes[0].line == NOISE


def test_the_script_that_a_header_quotes_is_not_sketched() -> None:
    known = sketch(["##[group]Run echo\n", "error: no port\n", "##[endgroup]\n", "error: no host\n"])
    assert "error: no port" not in known
    assert "error: no host" in known


def test_items_of_a_list_that_a_heading_announces_are_sketched() -> None:
    output = ["* What went wrong:", "> A problem with the lock file"]
    assert output[1] in sketched(*output)
    assert output[1] not in sketched(output[1])


def test_a_sketch_is_bounded_and_almost_never_knows_another_line() -> None:
    generator = random.Random(7)
    words = ["".join(generator.choices("abcdefghijklmnopqrstuvwxyz", k=12)) for _ in range(60_000)]
    known = sketch(f"error: {word}\n" for word in words)
    content = encode(known)
    assert len(known.hashes) >= novelty.MAX_LINES - 1
    assert len(content) <= novelty.MAX_BYTES
    assert decode(content) == known
    assert sum(f"error: {word}" in known for word in words[-30_000:]) <= 1
    assert f"error: {words[0]}" in known


@pytest.mark.parametrize("content", [b"", b"\0\1", encode(NONE_KNOWN) + b"x", encode(sketched(NOISE))[:-6]])
def test_a_damaged_sketch_is_no_error(content: bytes) -> None:
    assert isinstance(decode(content), KnownLines)


def test_sketching_takes_time_linear_in_the_lines() -> None:
    def made(size: int) -> list[str]:
        return [f"Error {number}: FAILED a::b{number}\n" for number in range(size)]

    assert growth(sketch, made, 1_000) < SUBQUADRATIC
