"""Why a job failed: what its log names, before what GitHub noted, before any guess at a line."""

import threading
from typing import Any

import pytest

from collector.github.client import GitHubClient
from collector.logs.annotations import Annotation
from collector.logs.fetch import FetchedLog, fetch_log
from db.logs.pending_logs import PendingLog
from health.insights.causes.extraction import CAUSE_VERSION, cause_of_line
from health.insights.causes.identity import fingerprint
from health.insights.causes.job_causes import MAX_JOB_CAUSES
from health.insights.causes.model import CauseClass
from tests.collector.servers import Asked, Reply, StandIn, as_json

STEP = "##[group]Run ./ci.sh\n##[endgroup]\n"
CLOSING = "Process completed with exit code 1."
CANCELED = "The operation was canceled."
LIMIT = "The job has exceeded the maximum execution time of 30m0s"
LOST = "The self-hosted runner: vm-46 lost communication with the server. Verify the machine is running."
NOT_TAKEN = "The job was not acquired by Runner of type hosted even after multiple attempts"


def noted_at(message: str) -> dict[str, Any]:
    """A failure annotation; of `src/a.py:12 message`, one with a file and a line."""
    place, _, text = message.partition(" ")
    path, colon, line = place.partition(":")
    if not (colon and line.isdecimal()):
        return {"annotation_level": "failure", "message": message, "path": ".github", "start_line": 1}
    return {"annotation_level": "failure", "message": text, "path": path, "start_line": int(line)}


def fetched(log: str | None, *messages: str, tries: int = 0, requests: list[str] | None = None) -> FetchedLog:
    """The log of a job with these failure annotations. `requests` gets the paths other than the log's."""

    def respond(asked: Asked) -> Reply:
        if asked.path.endswith("/logs"):
            return Reply(404) if log is None else Reply(body=log.encode())
        if requests is not None:
            requests.append(asked.path)
        noted = [noted_at(each) for each in messages]
        return as_json([*noted, {"annotation_level": "warning", "message": "Node.js 16 is deprecated"}])

    with StandIn(respond).serve() as url:
        client = GitHubClient(url, "good", sleep=lambda _: None)
        return fetch_log(client, "acme/web", PendingLog(7, 1, 1, "test", failed=True, tries=tries), threading.Event())


@pytest.mark.parametrize(
    ("log", "messages", "cause"),
    [
        (f"{STEP}waits for a port\n##[error]{CANCELED}\n", (CANCELED, LIMIT), LIMIT),
        (f"{STEP}error: one try\n##[error]{CANCELED}\n", (LIMIT,), LIMIT),
        (None, (NOT_TAKEN,), NOT_TAKEN),
        (f"{STEP}error: no port\n##[error]{CLOSING}\n", ("another one",), "error: no port"),
        (f"{STEP}the badge is stale\n##[error]{CLOSING}\n", (CLOSING, "Signatures differ"), "Signatures differ"),
        (f"{STEP}the badge is stale\n##[error]{CLOSING}\n", (CLOSING,), "the badge is stale"),
        (f"{STEP}##[error]{CANCELED}\n", ('The job was canceled because "unit (3.12)" failed.',), CANCELED),
        (f"{STEP}error: no port\n", (LOST,), LOST),
        (f"{STEP}error: no port\n", ("Node 16 is too old",), "error: no port"),
        (f"{STEP}error: no port\n##[error]{CLOSING}\n", (LOST,), "error: no port"),
        (f"{STEP}the badge is stale\n", ("Signatures differ", CLOSING, LOST), LOST),
        ("", ("\x1b[31mno\x1b(B  space\x1b[0m\r\nleft",), "no space left"),
    ],
)
def test_the_cause_of_a_job(log: str | None, messages: tuple[str, ...], cause: str) -> None:
    assert fetched(log, *messages).record.error_line == cause


def test_what_only_says_that_something_ended_is_no_cause_to_share() -> None:
    assert fetched(f"{STEP}##[error]{CANCELED}\n").record.fingerprint is None
    assert fetched(f"{STEP}##[error]{CLOSING}\n").record.fingerprint is None
    assert fetched(None, LIMIT).record.fingerprint == fingerprint(LIMIT)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (LOST, CauseClass.INFRASTRUCTURE),
        (NOT_TAKEN, CauseClass.INFRASTRUCTURE),
        ("The job was not started because recent account payments have failed.", CauseClass.INFRASTRUCTURE),
        (LIMIT, CauseClass.TIMEOUT),
    ],
)
def test_annotations_of_the_runner_have_a_class(message: str, kind: CauseClass) -> None:
    assert Annotation(message).is_of_runner
    assert cause_of_line(message).kind == kind
    assert not Annotation(message, "src/a.py:12").is_of_runner


@pytest.mark.parametrize(
    ("log", "tries", "requests"),
    [
        (f"{STEP}error: no port\n##[error]{CLOSING}\n", 0, 0),
        (f"{STEP}the badge is stale\n##[error]{CLOSING}\n", 0, 1),
        (f"{STEP}error: no port\n", 0, 1),
        (None, 0, 1),
        (None, 1, 0),
        (None, 4, 1),
    ],
)
def test_annotations_are_one_request_and_none_if_the_log_names_the_cause(
    log: str | None, tries: int, requests: int
) -> None:
    sent: list[str] = []
    fetched(log, *(f"note {number}" for number in range(99)), tries=tries, requests=sent)
    assert len(sent) == requests


def test_every_failed_test_is_a_cause_and_the_commonest_message_comes_first() -> None:
    summary = [f"FAILED tests/test_cart.py::test_{name} - AssertionError: total" for name in "ab"]
    other = "FAILED tests/test_shop.py::test_open - ConnectionError: no shop"
    log = "\n".join([other, *summary, f"##[error]{CLOSING}"])
    record = fetched(f"{STEP}{log}\n").record
    assert [(cause.kind, cause.tool, cause.subject, cause.line_number) for cause in record.causes] == [
        ("test", "pytest", "tests/test_cart.py::test_a", 4),
        ("test", "pytest", "tests/test_cart.py::test_b", 5),
        ("test", "pytest", "tests/test_shop.py::test_open", 3),
    ]
    first = record.causes[0]
    assert (record.error_line, record.fingerprint, record.cause_version) == (
        first.line, first.fingerprint, CAUSE_VERSION,
    )  # fmt: skip
    assert {cause.source for cause in record.causes} == {"log"}


def test_a_job_has_twenty_causes_at_most_and_no_cause_twice() -> None:
    summary = [f"FAILED tests/test_cart.py::test_{k % 30}_items - assert False" for k in range(60)]
    log = "\n".join([*summary, f"##[error]{CLOSING}"])
    causes = fetched(f"{STEP}{log}\n").record.causes
    assert len(causes) == len({cause.fingerprint for cause in causes}) == MAX_JOB_CAUSES


def test_the_source_of_a_cause_is_known_and_a_cancellation_has_a_class() -> None:
    (noted,) = fetched(None, NOT_TAKEN).record.causes
    assert (noted.kind, noted.tool, noted.source, noted.line_number) == ("infrastructure", "runner", "annotation", None)
    (canceled,) = fetched(f"{STEP}##[error]{CANCELED}\n").record.causes
    assert (canceled.kind, canceled.fingerprint, canceled.line) == ("cancelled", None, CANCELED)
    (canceled,) = fetched(None, CANCELED).record.causes
    assert (canceled.kind, canceled.source, canceled.fingerprint) == ("cancelled", "annotation", None)


@pytest.mark.parametrize(
    ("log", "messages", "causes"),
    [
        # beside a line that no rule recognises
        ("the badge is stale\n##[error]Process completed with exit code 1.", ("src/a.py:12 Badge differs", CLOSING),
         [("annotation", "Badge differs", "src/a.py:12")]),
        ("##[error]The operation was canceled.", ("src/a.py:12 Badge differs", LIMIT, "src/b.py:3 Text differs"),
         [("annotation", LIMIT, None), ("annotation", "Badge differs", "src/a.py:12"),
          ("annotation", "Text differs", "src/b.py:3")]),
        # beside a recognised line of a step that did not end
        ("error: no port", ("src/a.py:12 Badge differs",),
         [("log", "error: no port", None), ("annotation", "Badge differs", "src/a.py:12")]),
        ("error: no port", ("src/a.py:12 Badge differs", LOST),
         [("annotation", LOST, None), ("log", "error: no port", None), ("annotation", "Badge differs", "src/a.py:12")]),
        # without a log
        (None, (CLOSING, "src/a.py:12 Badge differs", NOT_TAKEN),
         [("annotation", NOT_TAKEN, None), ("annotation", "Badge differs", "src/a.py:12")]),
        (None, (CLOSING,), [("annotation", CLOSING, None)]),
    ],
)  # fmt: skip
def test_annotations_in_files_are_further_causes(
    log: str | None, messages: tuple[str, ...], causes: list[tuple[str, str, str | None]]
) -> None:
    record = fetched(None if log is None else f"{STEP}{log}\n", *messages).record
    assert [(cause.source, cause.line, cause.subject) for cause in record.causes] == causes


def test_an_annotation_is_the_same_cause_when_its_file_was_edited() -> None:
    one, moved, other, elsewhere = (
        fetched(None, message).record.fingerprint
        for message in (
            "a.py:12 Badge differs",
            "a.py:14 Badge differs",
            "a.py:12 Text differs",
            "b.py:12 Text differs",
        )
    )
    assert one == moved
    assert len({one, other, elsewhere}) == 3


@pytest.mark.parametrize(
    ("lines", "subjects"),
    [
        (
            ["FAIL src/a.test.ts", "  ● cart › total", "FAIL src/b.test.ts", "  ● shop › opens"],
            ["cart › total", "shop › opens"],
        ),
        (["npm error ERESOLVE unable to resolve dependency tree", "npm error Could not resolve dependency:"], [None]),
        (
            ["A.swift:1: error: -[T a] : XCTAssertEqual failed: no", "Test Case '-[T a]' failed (0.1 seconds)."],
            ["T a A.swift"],
        ),
        (["FAILED a.py::test_a - no", "FAILED a.py::test_ab - no"], ["a.py::test_a", "a.py::test_ab"]),
    ],
)
def test_lines_about_one_failure_are_one_cause(lines: list[str], subjects: list[str | None]) -> None:
    text = "\n".join(lines)
    record = fetched(f"{STEP}{text}\n##[error]{CLOSING}\n").record
    assert [cause.subject for cause in record.causes] == subjects
