"""Failure causes: the log lines that precede the runner's closing error. `{n}`, `{d}`, `{sha}` and `{ms}` are filled with
another value in every run, so that two failures with the same cause differ in their text."""

CAUSES: dict[str, tuple[str, ...]] = {
    "python_assert": (
        "=================================== FAILURES ===================================",
        "____________________ test_backfill_is_idempotent[eu-west] ____________________",
        "    def test_backfill_is_idempotent(warehouse):",
        "        first = backfill(warehouse, day='2026-11-0{d}')",
        ">       assert backfill(warehouse, day='2026-11-0{d}') == first",
        "E       AssertionError: assert {{'rows': {n}}} == {{'rows': 0}}",
        "tests/test_backfill.py:8{d}: AssertionError",
        "=========================== short test summary info ============================",
        "FAILED tests/test_backfill.py::test_backfill_is_idempotent[eu-west] - AssertionError: assert {{'rows': {n}}} == {{'rows': 0}}",
        "================== 1 failed, {n} passed, 3 skipped in {ms}.41s ==================",
        "##[error]Process completed with exit code 1.",
    ),
    "jest": (
        "\x1b[0m\x1b[7m\x1b[1m\x1b[31m FAIL \x1b[39m\x1b[22m\x1b[27m\x1b[0m src/checkout/total.test.ts",
        "  ● cart total › rounds half to even",
        "",
        "    expect(received).toBe(expected) // Object.is equality",
        "",
        "    Expected: \x1b[32m10.0{d}\x1b[39m",
        "    Received: \x1b[31m10.0{d}5\x1b[39m",
        "",
        "      at Object.<anonymous> (src/checkout/total.test.ts:{d}1:23)",
        "Tests:       \x1b[1m\x1b[31m1 failed\x1b[39m\x1b[22m, {n} passed, {n} total",
        "##[error]Process completed with exit code 1.",
    ),
    "typescript": (
        "##[error]src/pages/Orders.tsx(4{d},17): error TS2339: Property 'currency' does not exist on type 'OrderLine'.",
        "Found 1 error in src/pages/Orders.tsx:4{d}",
        "##[error]Process completed with exit code 2.",
    ),
    "npm_resolve": (
        "npm error code ERESOLVE",
        "npm error ERESOLVE unable to resolve dependency tree",
        "npm error Found: react@19.2.0",
        "npm error Could not resolve dependency:",
        'npm error peer react@"^18.0.0" from @acme/charts@5.{d}.0',
        "npm error A complete log of this run can be found in: /home/runner/.npm/_logs/2026-11-{d}-debug-0.log",
        "##[error]Process completed with exit code 1.",
    ),
    "go_test": (
        "=== RUN   TestRouterKeepsOrder",
        "    router_test.go:1{d}4: routes out of order: got [b a], want [a b] (seed {n})",
        "--- FAIL: TestRouterKeepsOrder (0.{n}s)",
        "FAIL",
        "FAIL\tgithub.com/acme/api-gateway/internal/router\t{ms}.{n}s",
        "##[error]Process completed with exit code 1.",
    ),
    "jvm_test": (
        "> Task :ledger:test FAILED",
        "LedgerSplitTest > splitsAcrossCurrencies() FAILED",
        "    org.opentest4j.AssertionFailedError: expected: <{n}.10> but was: <{n}.11>",
        "        at com.acme.ledger.LedgerSplitTest.splitsAcrossCurrencies(LedgerSplitTest.java:1{d}2)",
        "{n} tests completed, 1 failed",
        "FAILURE: Build failed with an exception.",
        "* What went wrong:",
        "Execution failed for task ':ledger:test'.",
        "##[error]Process completed with exit code 1.",
    ),
    "gradle": (
        "> Task :app:compileReleaseKotlin FAILED",
        "e: file:///home/runner/work/app/src/main/Pay.kt:{d}7:13 Unresolved reference 'amountMinor'.",
        "FAILURE: Build failed with an exception.",
        "BUILD FAILED in {ms}s",
        "##[error]Process completed with exit code 1.",
    ),
    "terraform_plan": (
        "\x1b[31m╷\x1b[0m",
        "\x1b[31m│\x1b[0m \x1b[1m\x1b[31mError: \x1b[0m\x1b[1mUnsupported argument\x1b[0m",
        "\x1b[31m│\x1b[0m   on modules/network/main.tf line {d}8, in resource \"aws_vpc_endpoint\" \"s3\":",
        "\x1b[31m│\x1b[0m An argument named \"policy_document\" is not expected here.",
        "\x1b[31m╵\x1b[0m",
        "##[error]Terraform exited with code 1.",
        "##[error]Process completed with exit code 1.",
    ),
    "docker_limit": (
        "#5 [internal] load metadata for docker.io/library/golang:1.25",
        "#5 ERROR: failed to copy: httpReadSeeker: failed open: unexpected status code 429 Too Many Requests",
        "ERROR: failed to solve: golang:1.25: toomanyrequests: You have reached your unauthenticated pull rate limit.",
        "##[error]Process completed with exit code 1.",
    ),
    "registry_timeout": (
        "Downloading https://registry.acme.example/artifacts/{sha}.tar.gz",
        "curl: (28) Failed to connect to registry.acme.example port 443 after {n} ms: Connection timed out",
        "##[error]Process completed with exit code 28.",
    ),
    "playwright_timeout": (
        "Running {n} tests using 4 workers",
        "  1) [chromium] › tests/checkout.spec.ts:{d}2:7 › pays with a saved card",
        "    Error: expect(locator).toBeVisible() failed",
        "    Timeout:  5000ms",
        "    waiting for getByRole('heading', {{ name: 'Thank you' }})",
        "  1 failed",
        "    [chromium] › tests/checkout.spec.ts:{d}2:7 › pays with a saved card",
        "##[error]Process completed with exit code 1.",
    ),
    "out_of_memory": (
        "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
        " 1: 0x{sha} node::OOMErrorHandler(char const*, v8::OOMDetails const&) [node]",
        "Killed",
        "##[error]Process completed with exit code 137.",
    ),
    "disk_full": (
        "##[warning]You are running out of disk space. The runner will stop working when the machine runs out of disk space. Free space left: 9{d} MB",
        "cp: error writing 'build/cache.tar': No space left on device",
        "##[error]Process completed with exit code 1.",
    ),
    "flaky": (
        "  1) [webkit] › tests/search.spec.ts:{d}4:5 › finds by partial name",
        "    TimeoutError: page.waitForResponse: Timeout 30000ms exceeded while waiting for event \"response\"",
        "  1 flaky",
        "##[error]Process completed with exit code 1.",
    ),
    "ruff": (
        "F821 Undefined name `warehouse_region`",
        "  --> pipelines/load/region.py:{d}7:21",
        "   |",
        "{d}7 |     return Region(warehouse_region, rows={n})",
        "   |                   ^^^^^^^^^^^^^^^^",
        "Found 1 error.",
        "##[error]Process completed with exit code 1.",
    ),
    "go_vet": (
        "# github.com/acme/api-gateway/internal/limits",
        "internal/limits/bucket.go:{d}3:14: fmt.Sprintf format %d has arg key of wrong type string",
        "make: *** [Makefile:2{d}: vet] Error 1",
        "##[error]Process completed with exit code 2.",
    ),
    "xctest": (
        "Test Case '-[PayTests.ReceiptTests testSharesReceipt]' started.",
        "/Users/runner/work/mobile-app/mobile-app/Tests/ReceiptTests.swift:{d}1: error: -[PayTests.ReceiptTests testSharesReceipt] : XCTAssertEqual failed: (\"{n}\") is not equal to (\"0\")",
        "Test Case '-[PayTests.ReceiptTests testSharesReceipt]' failed (0.{n} seconds).",
        "** TEST FAILED **",
        "##[error]Process completed with exit code 65.",
    ),
    # The log ends without an error; only the annotations of the check run have the reason.
    "runner_lost": (),
    "shutdown": (
        "##[error]The runner has received a shutdown signal. This can happen when the runner service is stopped, or a manually started runner is canceled.",
        "##[error]Process completed with exit code 143.",
    ),
}  # fmt: skip

# What the same cause prints in a repository of another language.
_BY_TOOL: dict[tuple[str, str], tuple[str, ...]] = {
    ("npm_resolve", "swift"): (
        "Analyzing dependencies",
        "[!] CocoaPods could not find compatible versions for pod \"AcmeKit\":",
        "  In Podfile:",
        "    AcmeKit (~> 5.{d})",
        "##[error]Process completed with exit code 1.",
    ),
    ("playwright_timeout", "swift"): (
        "/Users/runner/work/mobile-app/mobile-app/UITests/CheckoutUITests.swift:{d}1: error: -[PayUITests.CheckoutUITests testPaysWithSavedCard] : XCTAssertTrue failed",
        "Test Case '-[PayUITests.CheckoutUITests testPaysWithSavedCard]' failed ({d}.{n} seconds).",
        "** TEST FAILED **",
        "##[error]Process completed with exit code 65.",
    ),
    ("out_of_memory", "go"): (
        "Killed",
        "##[error]Process completed with exit code 137.",
    ),
    ("out_of_memory", "jvm"): (
        "java.lang.OutOfMemoryError: Java heap space",
        "\tat java.base/java.util.Arrays.copyOf(Arrays.java:3{d}12)",
        "##[error]Process completed with exit code 1.",
    ),
    ("out_of_memory", "python"): (
        "Killed",
        "##[error]Process completed with exit code 137.",
    ),
    ("out_of_memory", "swift"): (
        "LLVM ERROR: out of memory",
        "** BUILD FAILED **",
        "##[error]Process completed with exit code 65.",
    ),
    ("out_of_memory", "terraform"): (
        "Killed",
        "##[error]Process completed with exit code 137.",
    ),
}  # fmt: skip
_CODE_SCANNING = (
    "Finalizing database at /home/runner/work/_temp/codeql_databases/{sha}",
    "A fatal error occurred: Could not process some files due to syntax errors",
    '##[error]Encountered a fatal error while running "codeql database finalize". Exit code was 32.',
)
# Causes that a job of code scanning cannot have.
_OF_LINTERS = frozenset({"typescript", "ruff", "go_vet", "npm_resolve"})
_BROWSERS = ("[chromium]", "[webkit]")
_RUNNER_LOST = (
    "The self-hosted runner: {runner} lost communication with the server. Verify the machine is running and has a "
    "healthy network connection. Anything in your workflow that terminates the runner process, starves it for "
    "CPU/Memory, or blocks its network access can cause this error."
)
_HOSTED_RUNNER_LOST = (
    "The hosted runner: {runner} lost communication with the server. Anything in your workflow that terminates the "
    "runner process, starves it for CPU/Memory, or blocks its network access can cause this error."
)
_SHUTDOWN = (
    "The runner has received a shutdown signal. This can happen when the runner service is stopped, or a manually "
    "started runner is canceled."
)
_ANY_LANGUAGE = {
    "lint": (),
    "build": ("disk_full",),
    "deploy": ("registry_timeout", "docker_limit"),
    "e2e": ("playwright_timeout",),
}
_BY_LANGUAGE: dict[str, dict[str, tuple[str, ...]]] = {
    "node": {"lint": ("typescript",), "build": ("npm_resolve", "out_of_memory"), "test": ("jest", "npm_resolve")},
    "go": {"lint": ("go_vet",), "build": ("docker_limit",), "test": ("go_test", "docker_limit")},
    "jvm": {"lint": ("gradle",), "build": ("gradle", "registry_timeout"), "test": ("jvm_test",)},
    "swift": {"lint": ("npm_resolve",), "build": ("gradle", "npm_resolve"), "test": ("xctest",)},
    "python": {"lint": ("ruff",), "build": ("docker_limit",), "test": ("python_assert", "registry_timeout")},
    "terraform": {"lint": ("terraform_plan",), "deploy": ("terraform_plan",)},
}


def causes_for(kind: str, language: str) -> tuple[str, ...]:
    """Return the usual causes of a job of this kind (lint, build, test, deploy, e2e) in this language."""
    return _BY_LANGUAGE.get(language, {}).get(kind, ()) + _ANY_LANGUAGE.get(kind, ())


def cause_lines(cause: str | None, language: str, job: str) -> tuple[str, ...]:
    """Return the lines of a cause as the tools of this job print them."""
    if job == "Analyze" and cause in _OF_LINTERS:
        return _CODE_SCANNING
    lines = _BY_TOOL.get((cause or "", language)) or CAUSES.get(cause or "", CAUSES["registry_timeout"])
    other, own = _BROWSERS if "webkit" in job else _BROWSERS[::-1]
    return tuple(line.replace(other, own) for line in lines)


def annotation(cause: str | None, conclusion: str | None, runner: str | None) -> str:
    """Return the message of the check run's annotation. It is the only text about a lost runner, which writes no log."""
    if conclusion == "timed_out":
        return f"The job running on runner {runner} has exceeded the maximum execution time of 60 minutes."
    if cause == "runner_lost":
        is_hosted = (runner or "").startswith("GitHub Actions ")
        return (_HOSTED_RUNNER_LOST if is_hosted else _RUNNER_LOST).format(runner=runner)
    if cause == "shutdown":
        return _SHUTDOWN
    closing = CAUSES.get(cause or "jest", CAUSES["jest"])[-1]
    return closing.removeprefix("##[error]")
