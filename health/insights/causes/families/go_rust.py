"""Recognisers of Go's and Rust's tools. Pure: data."""

from health.insights.causes.model import CauseClass, Heading, Rank, Rule, heading, rule

_TEST, _LINT, _COMPILE, _DEPENDENCY = CauseClass.TEST, CauseClass.LINT, CauseClass.COMPILE, CauseClass.DEPENDENCY

RULES: tuple[Rule, ...] = (
    # Go
    rule("ginkgo", _TEST, Rank.TEST, r"^\s{0,40}\[(?:FAIL|PANICKED!|TIMEDOUT)\] (?P<test>\S.*)", "[FAIL]",
        "[PANICKED!]", "[TIMEDOUT]"),
    rule("ginkgo", _TEST, Rank.LISTED, r"^• (?:Failure|\[FAILED\]|Panic)\b", "• "),
    rule("go", _TEST, Rank.TEST, r"^\s{0,40}(?:=== )?--- FAIL: (?P<test>\S+)", "--- FAIL: "),
    rule("gotestsum", _TEST, Rank.TEST, r"^=== (?:FAIL|Failed): (?P<package>\S+) (?P<test>Test\S*)", "=== FAIL"),
    rule("gotestsum", _TEST, Rank.LISTED, r"^(?:✖|FAIL) {1,2}(?P<test>\S++) \([\d.]+m?s\)", "✖", "FAIL"),
    rule("go", _TEST, Rank.LISTED, r"^FAIL\t(?P<package>\S+) \[(?:build|setup) failed\]", "FAIL\t"),
    rule("go", CauseClass.TIMEOUT, Rank.TEST, r"^panic: (?P<message>test timed out after \S+)", "panic: "),
    rule("go", _TEST, Rank.SOURCE, r"^WARNING: (?P<code>DATA RACE)", "DATA RACE"),
    rule("go", _LINT, Rank.SOURCE,
        r"^(?:vet: )?(?P<file>[^\s:]+\.go):\d+(?::\d+)?: (?P<message>.+?)(?: \((?P<code>[A-Z]{1,3}\d{3,4}|\w+)\))?$",
        ".go:",
        requires=r"golangci|staticcheck|\bvet\b|\bSA\d{4}\b|\((?:errcheck|govet|revive|gosec|unused|lll|gofmt|"
        r"ineffassign|staticcheck|deadcode|typecheck|gocritic)\)"),
    # Relayed by another program.
    rule("go", _COMPILE, Rank.SOURCE, r"^\s{1,8}(?P<file>\./[^\s:]+\.go):\d+:\d+: (?P<message>\S.*)", ".go:"),
    rule("go", _COMPILE, Rank.SOURCE, r"^(?:vet: )?(?P<file>[^\s:]+\.go):\d+(?::\d+)?: (?P<message>[^\s].*)", ".go:"),
    rule("golangci-lint", _LINT, Rank.TOOL,
        r"^(?P<message>\S.+) \((?P<code>errcheck|govet|revive|gosec|unused|lll|gofmt|goimports|ineffassign|"
        r"staticcheck|deadcode|typecheck|gocritic|misspell|gosimple|stylecheck|unparam|unconvert|structcheck|"
        r"varcheck|dupl|gocyclo|funlen|nakedret|wsl|whitespace|godot|goconst|golint|prealloc)\)$", ")"),
    rule("golangci-lint", CauseClass.CONFIGURATION, Rank.TOOL, r"^level=error msg=\"(?P<message>.+)\"",
        "level=error"),
    rule("golangci-lint", CauseClass.CONFIGURATION, Rank.TOOL,
        r"^(?:Error: |The command is terminated due to an error: )?can't load config: (?P<message>.+)",
        "can't load config"),
    rule("go", _DEPENDENCY, Rank.TOOL,
        r"^(?:go: )?(?P<package>[\w.-]+\.[\w-]+/[^\s@]+)@(?P<symbol>\S+?)(?::| requires)", "@"),
    rule("go", _DEPENDENCY, Rank.TOOL,
        r"^go: (?!downloading|finding|extracting|found |added |upgraded |creating |to add|warning|"
        r"no module dependencies|downgraded|removed|module )(?P<message>\S.*)", "go: "),
    rule("go", _DEPENDENCY, Rank.SOURCE,
        r"^(?P<file>\S+\.go):\d+:\d+: (?:no required module provides package|cannot find package|"
        r"package \S+ is not in) (?P<package>\S*)", ".go:"),
    rule("gofmt", _LINT, Rank.REPORT, r"^(?:diff -u )?(?P<file>[\w./-]+\.go)(?:\.orig.*)?$", ".go",
        requires=r"gofmt|goimports|gofumpt"),
    rule("go", CauseClass.TEST, Rank.EXCEPTION, r"^panic: (?P<message>.+)", "panic: "),
    rule("go", CauseClass.UNKNOWN, Rank.EXCEPTION, r"^fatal error: (?P<message>.+)", "fatal error: "),
    # Rust
    rule("cargo", _TEST, Rank.TEST, r"^test (?P<test>\S.*?) (?:- should panic )?\.\.\. FAILED", "... FAILED"),
    rule("nextest", _TEST, Rank.TEST,
        r"^\s{0,40}(?:FAIL|SIGSEGV|SIGABRT|TIMEOUT|ABORT) \[\s{0,40}[\d.]+s\] (?:\([\d/ ]+\) )?(?P<test>\S.*)", " ["),
    rule("cargo", _LINT, Rank.SOURCE, r"^Diff in (?P<file>\S+?)(?::\d+:?$| at line )", "Diff in "),
    rule("rustc", _COMPILE, Rank.SOURCE, r"^error\[(?P<code>E\d{4})\]: (?P<message>.+)", "error["),
    rule("cargo", CauseClass.RESOURCES, Rank.TEST,
        r"^\s{0,40}process didn't exit successfully: .* \(signal: 9, (?P<code>SIGKILL)", "SIGKILL"),
    rule("cargo", _TEST, Rank.EXCEPTION,
        r"^\s{0,40}process didn't exit successfully: .* \((?:signal: \d+, )?(?P<code>SIG\w+)", "(signal: "),
    rule("rustc", CauseClass.UNKNOWN, Rank.EXCEPTION,
        r"^thread 'main'(?: \(\d+\))? panicked at (?P<message>.*)", "thread 'main'"),
    rule("rustc", _TEST, Rank.EXCEPTION, r"^thread '(?P<test>[^']*)'(?: \(\d+\))? panicked at (?P<message>.*)",
        "panicked at"),
    rule("cargo-deny", _DEPENDENCY, Rank.SOURCE, r"^error\[(?P<code>[a-z-]+)\]: (?P<message>.+)", "error["),
    rule("cargo-audit", _DEPENDENCY, Rank.SOURCE, r"^ID:\s{1,40}(?P<code>RUSTSEC-[\d-]+)", "RUSTSEC-"),
    rule("cargo", _DEPENDENCY, Rank.TOOL,
        r"^error: (?P<message>(?:failed to (?:select a version|get|load source|download|fetch|parse (?:manifest|"
        r"lock))|no matching package|the lock file|package `[^`]+`.{0,80}(?:cannot be built|requires|specified|ID)|"
        r"toolchain|cannot install package|"
        r"no such (?:sub)?command|could not find `Cargo|component|crate).*)", "error: "),
    rule("pkg-config", _DEPENDENCY, Rank.TOOL,
        r"^\s{0,8}(?P<message>The system library `(?P<package>[^`]+)` required by crate .+)", "The system library"),
    rule("rustc", _COMPILE, Rank.SOURCE,
        r"^error: (?P<message>(?:linking with|cannot find|unused |expected|unexpected|this |use of|method|field|"
        r"variable|function|struct|unnecessary|redundant|the |no rules|mismatched|unresolved|missing|denied|borrow|"
        r"item|literal|called|useless|returning|redefinition|unneeded|needless|match|casting|very complex|large|"
        r"module|invalid|extern|can't|proc[ -]macro|macro|unreachable|empty|length|you ).*)", "error: ",
        requires=r"^\s{1,40}--> \S+:\d+:\d+|^error: aborting|could not compile"),
)  # fmt: skip

HEADINGS: tuple[Heading, ...] = (
    heading("ginkgo", _TEST, Rank.TEST, r"^Summarizing \d+ Failures?:",
        r"^\s{0,40}\[(?:FAIL|Fail|PANICKED!|TIMEDOUT)\] (?P<test>\S.*)"),
    heading("cargo", _TEST, Rank.LISTED, r"^failures:$", r"^\s{4}(?P<test>\S+(?: \(line \d+\))?)$"),
    heading("go", _COMPILE, Rank.LISTED, r"^# [\w./-]+(?: \[\S+\])?$",
        r"^(?:vet: )?(?P<file>[^\s:]+\.\w+):\d+(?::\d+)?: (?P<message>.+)"),
    heading("gofmt", _LINT, Rank.REPORT,
        r"(?i)^(?!The following files \w+ not formatted).{0,300}"
        r"\bnot (?:properly |correctly )?(?:gofmt|format)|\bneeds? (?:to be )?(?:gofmt|reformat|formatt)",
        r"^(?P<file>[\w./-]+\.\w+)$"),
)  # fmt: skip
