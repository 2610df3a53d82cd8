"""Failure causes of the output of tools: the line, its class, tool and subject; and which causes are one."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from health.insights.causes import scan
from health.insights.causes.extraction import Extraction, extract
from health.insights.causes.identity import fingerprint, fingerprint_of, line_identity
from health.insights.causes.model import CauseClass
from health.insights.fingerprints import clusters
from tests.failed_logs import excerpt_of
from tests.growth import SUBQUADRATIC, growth

HEADER = ["##[group]Run ./ci.sh", "./ci.sh", "##[endgroup]"]
END = "##[error]Process completed with exit code 1."
CASES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "cause_cases.json").read_text("utf-8"))


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_the_cause_in_the_output_of_a_tool(case: dict[str, Any]) -> None:
    excerpt = excerpt_of([*HEADER, *case["output"], END])
    cause = excerpt.cause
    assert cause is not None
    assert cause.line.startswith(case["line"])
    assert (cause.kind, cause.tool, cause.subject) == (case["kind"], case["tool"], case["subject"])
    assert cause.line in excerpt.lines[cause.line_number - excerpt.first_line]


def extracted(*lines: str, step: tuple[str, str] | None = None) -> Extraction:
    return extract([f"{line}\n" for line in lines], step)


def test_several_failed_tests_are_several_causes_and_the_commonest_message_is_first() -> None:
    causes = extracted(
        *HEADER,
        "FAILED tests/test_a.py::test_a - AssertionError: assert 1 == 2",
        "FAILED tests/test_a.py::test_b - ConnectionError: refused",
        "FAILED tests/test_a.py::test_c - ConnectionError: refused",
        "3 failed in 0.12s",
        END,
    ).causes
    assert [cause.subject for cause in causes] == [f"tests/test_a.py::test_{name}" for name in "bca"]
    assert {cause.kind for cause in causes} == {CauseClass.TEST}
    assert len({fingerprint_of(cause) for cause in causes}) == 3


def test_the_last_error_of_the_runner_closes_the_step() -> None:
    causes = extracted(
        *HEADER, "##[error]issues found", "main.go:12:2: undefined: parse", "exit status 1", "##[error]exit 1", END
    )
    assert causes.end_number == 8
    assert causes.causes[0].line == "main.go:12:2: undefined: parse"


def test_only_the_last_part_of_a_composite_step_is_searched() -> None:
    found = extracted(*HEADER, "error: of the first part", *HEADER, "--- FAIL: TestA (0.1s)", END)
    assert [cause.line for cause in found.causes] == ["--- FAIL: TestA (0.1s)"]


def test_a_group_of_the_script_itself_is_part_of_its_output() -> None:
    group = ["##[group]Run tests", "a", "b", "c", "--- FAIL: TestA (0.1s)", "##[endgroup]"]
    assert extracted(*HEADER, *group, "done", END).causes[0].line == "--- FAIL: TestA (0.1s)"


def test_the_times_of_the_step_bound_it_on_both_sides() -> None:
    def at(second: int, line: str) -> str:
        return f"2026-11-18T12:00:{second:02d}.0000000Z {line}"

    lines = [at(1, "error: before"), at(3, "the badge is stale"), at(4, END), at(6, "FAIL: after (a.B)")]
    found = extracted(*lines, step=("2026-11-18T12:00:02", "2026-11-18T12:00:04"))
    assert (found.causes[0].line, found.causes[0].line_number) == ("the badge is stale", 2)


def test_a_cancelled_step_has_the_class_cancelled() -> None:
    cause = extracted(*HEADER, "working on errors", "##[error]The operation was canceled.").causes[0]
    assert (cause.kind, cause.line, cause.is_fallback) == (CauseClass.CANCELLED, "The operation was canceled.", True)


def one_cause(first: str, second: str) -> bool:
    """As the Failures page groups lines."""
    return len(clusters([(line, line_identity(line)) for line in (first, second)])) == 1


LONG = "acme_platform_integration_services_storage_backends_relational_postgresql_extensions"
NEAR_MISSES = (
    ("FAIL packages/cart/index.test.ts", "FAIL packages/user/index.test.ts"),
    ("FAIL src/a.test.js", "FAIL src/b.test.js"),
    ("● Cart › adds one", "● Cart › adds two"),
    ("[ERROR] a.b.StoreTest.testGet  Time elapsed: 0.1 s  <<< FAILURE!",
     "[ERROR] a.b.StoreTest.testPut  Time elapsed: 0.1 s  <<< FAILURE!"),
    ("[ERROR] a.b.StoreTest.testGet  Time elapsed: 0.1 s  <<< FAILURE!",
     "[ERROR] a.c.StoreTest.testGet  Time elapsed: 0.1 s  <<< FAILURE!"),
    ("a.b.StoreTest > testGet1() FAILED", "a.b.StoreTest > testGet2() FAILED"),
    ("Error: the process exited with code 137", "Error: the process exited with code 139"),
    ("make: the command ended with exit status 134", "make: the command ended with exit status 137"),
    ("curl: (22) The requested URL returned error: 404", "curl: (22) The requested URL returned error: 503"),
    ("npm error 404 Not Found - GET https://registry.npmjs.org/left-pad - Not found",
     "npm error 404 Not Found - GET https://registry.npmjs.org/right-pad - Not found"),
    (f"ModuleNotFoundError: No module named '{LONG}_a'", f"ModuleNotFoundError: No module named '{LONG}_b'"),
    (f"E   ImportError: cannot import 'x' from '{LONG}.a'", f"E   ImportError: cannot import 'x' from '{LONG}.b'"),
    ("src/a.ts(3,5): error TS2339: Property 'x' does not exist on type 'A'.",
     "src/a.ts(3,5): error TS2339: Property 'y' does not exist on type 'A'."),
    ("app/a.py:3:1: F401 'os' imported but unused", "app/a.py:3:1: F841 local variable 'os' is never used"),
    ("src/x.c:3:4: error: 'n' undeclared", "src/x.c:3:4: error: 'm' undeclared"),
    ("ERROR: No matching distribution found for numpy==1.2", "ERROR: No matching distribution found for scipy==1.2"),
    ("E: Unable to locate package libfoo1", "E: Unable to locate package libfoo2"),
    ("E: Package 'a-dev' has no installation candidate", "E: Package 'b-dev' has no installation candidate"),
    ("java.lang.NullPointerException: a", "java.lang.IllegalStateException: a"),
    ("The self-hosted runner: a lost communication with the server.",
     "The self-hosted runner: a encountered an error while running your job."),
    ("The self-hosted runner: a lost communication with the server.",
     "The runner has received a shutdown signal."),
    ("Error: The runner pool a lost communication with the server",
     "Error: The cache a lost communication with the server"),
    ("dial tcp: lookup a.acme.dev: no such host", "dial tcp: lookup b.acme.dev: no such host"),
)  # fmt: skip


@pytest.mark.parametrize(("first", "second"), NEAR_MISSES)
def test_different_subjects_are_different_causes(first: str, second: str) -> None:
    assert not one_cause(first, second)
    assert fingerprint(first) != fingerprint(second)


VARIANTS = (
    tuple(f"FAILED {root}tests/test_a.py::test_x - assert {k} == {k + 1}" for k, root in enumerate(
        ("", "", "./", "/home/runner/work/a/a/", "/__w/a/a/", ""))),
    tuple(f"[ERROR] a.b.StoreTest.testGet  Time elapsed: {seconds} s  <<< FAILURE!"
          for seconds in ("0.1", "0.12", "12", "1,229.111", "3.4", "0")),
    tuple(f"Failed to connect to 10.0.0.{k} port {4000 + k} after {k * 31} ms" for k in range(2, 8)),
    tuple(f"{root}src/lib/x.c:{k}:{k + 2}: error: 'n' undeclared (first use in this function)" for k, root in enumerate(
        ("", "./", "/home/runner/work/a/a/", "/__w/a/a/", "/github/workspace/", "/opt/runner/_work/a/a/"), 1)),
    tuple(f"cp: cannot create '/tmp/build-{token}/out.bin': No space left on device"
          for token in ("a81f3", "77c0d", "x9k2p", "0f3aa", "b1b2c", "9d8e7")),
    tuple(f"upload of {digest} failed at 2026-11-{day}T12:0{day % 7}:00Z" for day, digest in enumerate(
        ("7f3a9c01de", "a91b22c0ff", "0011aabbcc", "deadbeef01", "c0ffee1234", "1234567abc"), 11)),
    tuple(f"pod web-{name} was evicted" for name in
          ("5d8f9c-xk2p9", "7c9d4b-m4z8q", "6b7f8d-q9w8e", "5f6g7h-a1s2d", "9c8b7d-z1x2c", "4d5e6f-p0o9i")),
    tuple(f"app/models.py:{k}:1: F401 'os' imported but unused" for k in (1, 3, 12, 99, 120, 1_204)),
    tuple(f"The {name} lost communication with the server. {advice} in your workflow that ends" for name, advice in (
        ("self-hosted runner: acme-runner-11", "Verify the machine is running. Anything"),
        ("self-hosted runner: gpu", "Verify the machine is running. Anything"),
        ("hosted runner: GitHub Actions 1000009536", "Anything"), ("hosted runner: GitHub Actions 7", "Anything"),
        ("self-hosted runner", "Anything"), ("hosted runner", "Anything"))),
)  # fmt: skip


def test_variants_of_one_cause_are_one_and_no_two_causes_are_merged() -> None:
    """Pairwise precision and recall of 9 causes in 6 variants each."""
    labelled = [
        (f"{cause}.{variant}", line) for cause, lines in enumerate(VARIANTS) for variant, line in enumerate(lines)
    ]
    assert len(labelled) == 54
    groups = clusters([(key, line_identity(line)) for key, line in labelled])
    cluster_of = {key: number for number, group in enumerate(groups) for key in group.fingerprints}
    pairs = list(itertools.combinations(cluster_of, 2))
    merged = [pair for pair in pairs if cluster_of[pair[0]] == cluster_of[pair[1]]]
    right = [pair for pair in merged if pair[0].split(".")[0] == pair[1].split(".")[0]]
    assert len(right) / len(merged) >= 0.98
    assert len(right) / (9 * 15) >= 0.9


def test_the_name_of_a_runner_is_no_part_of_the_cause() -> None:
    lost = [line for line in VARIANTS[-1] if "runner:" in line]
    assert len({fingerprint(line) for line in lost}) == 1
    failed = (f"The hosted runner: GitHub Actions {n} encountered an error while running your job." for n in (3, 41))
    assert len({fingerprint(line) for line in failed}) == 1


def test_the_message_of_npm_is_complete() -> None:
    (cause,) = extracted(*HEADER, "npm error ERESOLVE unable to resolve dependency tree", END).causes
    assert cause.message == "ERESOLVE unable to resolve dependency tree"


def test_a_fingerprint_does_not_change_over_time() -> None:
    assert fingerprint("FAILED tests/test_a.py::test_x - assert 1 == 2") == "a0fecf4a43f363a9eec21611"


HOSTILE: dict[str, Callable[[int], list[str]]] = {
    "one line": lambda size: [STAMP + "error: at a.b.C:12: (x) [y] 'z' FAILED " * size],
    "many lines": lambda size: [f"{STAMP}Error: at a.b:1 failed\n"] * size,
    "different lines": lambda size: [f"{STAMP}Error {k}: FAILED a::b{k}\n" for k in range(size)],
    "nested brackets": lambda size: [STAMP + "([{<" * 400 + "error\n"] * (size // 16),
    "escape sequences": lambda size: [STAMP + "\x1b[31mE\x1b[0m" * 100 + "\n"] * (size // 16),
    "groups": lambda size: [f"{STAMP}##[group]Run error:\n"] * size,
}
STAMP = "2026-11-18T12:00:00.0000000Z "


@pytest.mark.parametrize("name", HOSTILE)
def test_effort_is_linear_whatever_the_log_contains(name: str) -> None:
    assert growth(extract, HOSTILE[name], 400) < SUBQUADRATIC


def test_few_lines_of_an_endless_log_are_retained() -> None:
    lines = (f"Error {k}: FAILED a::b{k}\n" for k in range(200_000))
    scanned = scan.scan(lines, None, lambda: None)
    assert scanned is not None
    retained = list(scanned.region.candidates(scanned.end_number))
    assert len(retained) <= 20_000
    assert (retained[0][0], retained[-1][0]) == (1, 200_000)
