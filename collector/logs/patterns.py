"""Patterns of the lines in which tools report failures: data for collector.logs.cause_line. Pure.

Each pattern is matched against one line without timestamp, colors and the prefix of the tool that relayed it (PREFIX).
The first rule of CAUSE_RULES that matches a line decides, and its first matching line is the cause.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# Lines of the runner at the end of a failed step, which do not name a reason.
CLOSING = re.compile(
    r"^##\[error\]\s*(?:$|Process completed with exit code|.{0,60}failed with exit code \d+\.?$|"
    r"The operation was canceled|A task was canceled|.{0,40}exited with code \d|"
    r"Executing the custom container implementation failed)",
    re.IGNORECASE,
)
CANCELED = re.compile(
    r"^##\[error\]\s*(?:The (?:operation|(?:workflow )?run|job|strategy configuration) was cancell?ed|"
    r"A task was cancell?ed)",
    re.IGNORECASE,
)
# Prefixes of Docker Compose, BuildKit, Ant, and GitHub's error command.
PREFIX = re.compile(
    r"^(?:##\[error\](?=\S)|#\d+ (?:\d+\.\d+ )?|[\w.-]+[-_]\d+\s+\| ?|\s*\[(?:junit|exec|java|javac|ant:\w+)\]\s?)+"
)
# Announcements of a retry: the failure before it did not end the step.
RETRY = re.compile(
    r"(?i)\bretry(?:ing)?\b(?![:-])(?! (\d+) ?(?:of|/) ?\1\b)|\btry(?:ing)? again (?:in|after)\b|\btrying again\b|"
    r"\battempt #?(\d+) ?(?:of|/) ?(?!\2\b)\d+|\bwill be retried\b"
)
# For logs that end without a line of the runner.
FAILURE_WORD = re.compile(r"\b(?:failed|failure|error)\b", re.IGNORECASE)


class Pattern:
    """A regular expression for single lines. Alternatives that begin with `^` are tried only at the start of a line,
    not at every position, which saves most of the time of a log."""

    def __init__(self, expression: str) -> None:
        alternatives = list(_alternatives(expression))
        at_start = [alternative for alternative in alternatives if alternative.startswith("^")]
        anywhere = [alternative for alternative in alternatives if not alternative.startswith("^")]
        self._at_start = re.compile("|".join(at_start)) if at_start else None
        self._anywhere = re.compile("|".join(anywhere)) if anywhere else None

    def search(self, line: str) -> bool:
        return bool((self._at_start and self._at_start.match(line)) or (self._anywhere and self._anywhere.search(line)))


def _alternatives(expression: str) -> Iterator[str]:
    """The parts of an expression between the bars outside of groups and character sets."""
    depth, start, index, in_set = 0, 0, 0, False
    while index < len(expression):
        character = expression[index]
        if character == "\\":
            index += 1
        elif in_set:
            in_set = character != "]"
        elif character == "[":
            # A bracket at the start of a set is one of its characters.
            in_set = True
            index += expression[index + 1 : index + 2] == "]" or 2 * (expression[index + 1 : index + 3] == "^]")
        elif character in "()":
            depth += 1 if character == "(" else -1
        elif character == "|" and not depth:
            yield expression[start:index]
            start = index + 1
        index += 1
    yield expression[start:]


# Lines with words of failure that report none: warnings, counters at zero, passed tests, a shell's trace, options.
IGNORED = Pattern(
    r"^##\[(?:warning|notice|debug|command|group|endgroup|section)\]|^\++ |^\s*(?:hint|note|warning|info|help): |"
    r"\b(?:0|no|zero) (?:tests? |of them )?(?:failed|failures?|errors?|timeouts?)\b|"
    r"(?i:\b(?:fail(?:ed|ures?)|errors?|timeouts?)(?: \w+)?\s*[:=]?\s+0\b)|"
    r"(?:^|\s)(?:if-no-files-found|continue-on-error|fail-fast|timeout-minutes|fail_ci_if_error):|"
    r"^\s*(?:✓|✔|√|☑|PASS\b|PASSED\b|--- PASS|ok \d|\[       OK \])|^\[ERROR\]\s*(?:$|OpenJDK .* warning|Picked up )|"
    r"\bPASSED$|\.\.\. ok$|^\[?WARN(?:ING)?\b|:\d+: \w*Warning: |"
    r"\blevel=(?:warning|info|debug)\b|\bTest [Cc]ase .* (?:passed|skipped)\b"
)
# Lines that relay a failure of a called program: better than the last line of a step if nothing else matches.
INFORMATIVE = Pattern(
    r"^(?:\w+\.)*CalledProcessError\b|^\w*(?:Error|Exception): .{0,80}\bfailed!?$|"
    r"^\[ERROR\] Failed to execute goal .*There are test failures|^ERROR: LoadError: Some tests did not pass|"
    r"^\s*× .* did not run successfully|"
    r"^(?:error|ERROR): failed to (?:solve|build): (?:failed to solve: )?process|^ERROR: Failed building wheel"
)
# The same without naming what failed, and counts of failures: used only if no other line is a cause.
PASSED_ON = Pattern(
    r"^(?:g|mingw32-)?make(?:\[\d+\])?: \*\*\*|^ninja: |^gmake|\bELIFECYCLE\b|Lifecycle script .* failed|"
    r"This error originates from a subprocess|^npm (?:ERR!|error)\s*(?:$|code |errno |syscall |path |command |signal |"
    r"Exit status|Failed at the |This is probably|A complete log|aliases|Options|Usage|Run \"|\[|Clean install|"
    r"\S+@\S+ \S+: `|workspace |location |\s+/)|"
    r"^error:? (?:Command failed|script \"|could not compile|aborting due to|test failed, to rerun|\d+ targets? failed|"
    r"failed to solve: process)|^(?:ERROR: )?failed to solve: process|^error: (?:could not compile|aborting due to)|"
    r"^ERROR: failed to (?:solve|build): (?:failed to solve: )?process|^ERROR: Failed building wheel|"
    r"^ERROR: (?:process|Process) .*(?:exit code|did not complete)|^ERROR: InvocationError|"
    r"^ERROR: (?:LoadError: Some tests did not pass|Package \S+ errored during testing)|"
    r"^(?:BUILD FAILED|FAILURE: Build failed|Build FAILED|\* What went wrong:|> Task \S+ FAILED|Execution failed for )|"
    r"^\[ERROR\] (?:Failed to execute goal .*(?:There are test failures|There was a timeout|\(See above\))|Tests run: |"
    r"Failures: ?$|Errors: ?$|-> \[Help|\[Help|To see the full|Re-run Maven|For more information|After correcting|"
    r"  mvn |Please refer to|There are test failures|COMPILATION ERROR)|^Tests run: |"
    r"^\s*(?:exit status|exit code:?|Exit code:?|exited with(?: code)?|Error: Process completed) \d+\.?$|"
    r"^Errors? while running CTest|^The following tests FAILED|^Some tests failed|^FAIL(?:ED|URES!?)?$|"
    r"^Found \d+ (?:errors?|issues?|problems?|warnings?|violations?)\b|^\d+ (?:errors?|issues?|problems?|warnings?|"
    r"failures?|failing|failed|violations?|offenses?)\b[^/\\]{0,80}$|^Errors?: \d+|^✖ (?:\d+ problems?|found )|"
    r"\bexited \(\d+\)|\bexited with code \d+|\bFAIL code \d+|^nox > |^\s*ERROR  run failed|^\*\* \w+ FAILED \*\*|"
    r"^cabal\S*: Failed to build|^Invalid exit code|\bsee (?:the )?(?:console|build|log)(?: log| output)?\b|"
    r"^\s*error: command '.*' failed with|^\s*error: subprocess-exited-with-error|^Specify --help|"
    r"^Error: (?:Process completed|The process .* failed|Command failed|Exit code|Sandbox failed)|"
    r"^(?:Test|Tests|Testing|Build|Linting|Linter|Command|Script|Job) (?:run )?failed(?:[.:!]?(?: See .*)?$|\. )|"
    r"^➤ YN0000|^Command .* (?:failed|returned|exited)|^Failed to compile\.?$|^FAIL\t|^Failed!? +- Failed:|"
    r"^\s*✘ (?:Suite|Test run) |\btests? (?:passed|failed)(?: out of|,)|^make: |^\d+% tests passed|"
    r"^\d+ files? (?:would be|reformatted|inspected)|^\s*evaluation failed|^FAIL! -- |^test result: FAILED|"
    r"^[Ee]xiting with|^Build completed unsuccessfully|^\[warn\] Code style"
)


@dataclass(frozen=True)
class CauseRule:
    """A pattern of lines that name a failure. `requires`: the rule applies only if a line of the step matches this
    pattern. `whole_line`: the line is matched with its prefix."""

    pattern: Pattern
    requires: Pattern | None = None
    whole_line: bool = False


def _any_of(*patterns: str, requires: str | None = None, whole_line: bool = False) -> CauseRule:
    return CauseRule(Pattern("|".join(patterns)), Pattern(requires) if requires else None, whole_line)


CAUSE_RULES = (
    # Errors of the runner, and lines that a problem matcher of the step selected.
    _any_of(r"^##\[error\](?!Exception in thread)", whole_line=True),
    # A failed test, as its framework reports it.
    _any_of(
        r"^FAILED \S*::|^FAILED \S+\.\w+",  # pytest
        r"^\s*\[FAIL\] \S",  # Ginkgo
        r"^\s*--- FAIL: |^\s*● .+ › |^\s*FAIL\s+\S+\.\w+|^\s+\d+\) \[[\w -]+\] › ",  # Go, Jest, Vitest, Playwright
        r"^(?:FAIL|ERROR): \S+ \(|^FAIL: \S+|^rspec \./\S+:\d+|^test \S+ \.\.\. FAILED",  # unittest, RSpec, Rust
        r"^\s*FAIL \[\s*[\d.]+s\]|^not ok \d+ |^[A-Za-z_][\w.$]* > \S.* FAILED$",  # nextest, TAP, Gradle
        r"^[a-z][\w$]*(?:\.[\w$]+){2,} FAILED$|^Testcase: .*\):?\s+(?:FAILED|Caused an ERROR)",  # TestNG, Ant
        r"^(?!Tests run)(?:\[ERROR\] )?\S(?>.*?Time elapsed: ).*<<< (?:FAILURE|ERROR)!(?! - in )",  # Surefire
        r"^\d+\) \S+::\S+|^\s+\d+\) test .+ \(\S+\)$|^\S[^\s#]*+#\S++ \[\S+:\d+\]:?$",  # PHPUnit, ExUnit, Minitest
        r"^\s*\d+ - \S.* \((?:Failed|Timeout|SEGFAULT|ILLEGAL|NUMERICAL|Subprocess aborted|Not Run)\)",  # CTest
        r"^\s*Failed \S.* \[(?:< )?\d+ m?s\]|\[FAIL\]$|^\[  FAILED  \] \S+\.\S+",  # .NET, xUnit, GoogleTest
        r"^\d\d:\d\d \+\d+(?: ~\d+)? -\d+: .* \[E\]$|^.*\S: Test Failed at ",  # Dart, Julia
        r"^\s*✘ Test (?!run )\S+ (?:recorded an issue|failed)|: error: -\[\S+ \w+\] : ",  # Swift Testing, XCTest
        r"^\S.* \*\*\* FAILED \*\*\*|^\[info\] - .* \*\*\* FAILED|^\S+:\d+: FAILED:|^cucumber \S+:\d+",
        r"^//\S+:\S+ .*\bFAILED\b|^\S.* \.\.\. FAILED \(|^Test \S+ failed$|^FAILED: \S+ \(|^test \S+ failed$|"
        r"^Test [Cc]ase '.*' failed\b",
    ),
    _any_of(r"^\s{2,}\d+\) \S", requires=r"^\s*\d+ failing\b|\bmocha\b"),  # Mocha
    _any_of(r"(?<!\.)\.{4,}+\s?\*\*\*(?:Failed|Timeout|Exception)|(?<!\.)\.{5,}+\s?Failed$"),  # CTest, pre-commit
    _any_of(r"^_{4,} (?!ERROR )\S.* _{4,}$|^\s*● "),
    # A compiler, a linter or a tool that names an error.
    _any_of(
        r": (?:fatal )?error:? |\berror (?:TS|C|CS|FS|LNK|MSB|E|NU|NETSDK|CA|SA|IDE)\d+|^error\[E\d+\]|"
        r"^(?:[│╷] )?Error: (?!\s*$)|^\s*error: |^\s*ERROR: |^\[ERROR\] |^\[error\] (?!\s*$)|^ERROR in \S|"
        r"^npm (?:ERR!|error) |^fatal: |Error response from daemon|undefined reference to|^e: (?:file|/)|"
        r"^\s+\d+:\d+\s+error\s|^\s*\d+:\d+\s+✖ |^\s*✖\s{2,}\S|^Error from server|^ERROR:?\s{1,2}\S|"
        r"^\s*ERR_PNPM_\w+|^error [A-Z][^:]* |^➤ YN(?!0000)\d{4}: |^✘ \[ERROR\]|^Type error: |^Module not found: |"
        r"^E: |^curl: \(\d+\)|^An error occurred \(|^would reformat |^\[!\] \S|^CONFLICT \(|"
        r"^ ! \[(?:remote )?rejected\]|"
        r"^remote: (?:error|fatal|Permission|Invalid|ERROR)|^Diff in \S+(?::\d+| at line )|^\*\* \(\w+|"
        r"^cabal(?:-[\d.]+)?: |^go: (?!downloading|finding|extracting|found |added |upgraded |creating )\S+.*: |"
        r"^(?:Could not find|Unable to find|Could not resolve) \S|^Your requirements could not be resolved|"
        r"^\S+: command not found$|: command not found$|^sh: .*: not found$|: No such file or directory$|"
        r"^\s*×\s\S|^ResolvePackageNotFound|^toomanyrequests:|^CMake Error[ :]|^\s*Error \(\w+\) \S|^E\d{4,}: |^Error: "
    ),
    _any_of(r"^\[warn\] (?!Code style)\S+$", requires=r"^\[warn\] Code style issues"),  # Prettier
    _any_of(r"^[A-Z]{1,5}\d{3,4} (?:\[\*\] )?\S", requires=r"^\s+--> \S+:\d+:\d+$"),  # Ruff
    # An exception.
    _any_of(
        r"^(?:[\w$]+\.)*\w*(?:Error|Exception|Interrupt|Exit)\b(?:: |$)|^E\s{2,}\S|"
        r"^(?:Caused by: |Exception in thread |Unhandled exception)|^Segmentation fault|^\s*[A-Z]\w+Error: |"
        r"^thread '.*' panicked at |^panic: |terminating (?:with|due to) uncaught exception|"
        r"^\s*(?:[\w$]+\.)+\w+(?:Exception|Error): "
    ),
    # A position in a file and an error.
    _any_of(
        r"^(?!at |from )(?:[A-Za-z]:)?[^\s:()]+\.\w+:\d+(?::\d++(?:-\d++)?)?+:\s?(?!\s*(?:"
        r"\[?(?:warning|note|info)\b|in\s|\w+(?:Error|Exception|Interrupt|Exit)$))\S",
        r"^[\w./-]+:\d+:\d+: (?!\[?(?:warning|note|info))\S",
        r"^\S+\.\w+\(\d+(?:,\d+)?\): (?!warning|note|info)\S",
        r"^\S+:\d+(?::\d+)? (?:- )?(?:[A-Z]{1,4}\d{2,5}\b|lint/|format |Unknown word|error)",
        r"^In \S+ line \d+:$|^>>> Lint for \S",
    ),
    _any_of(
        r"(?i)no space left on device|out of memory|oom.?kill|\bkilled\b|exit(?: status| code)? 137|"
        r"\btimed? ?out\b|returning 124|connection (?:refused|reset)|could not resolve host|permission denied|"
        r"rate limit exceeded|too many requests"
    ),
    _any_of(r"^> (?!Task |Run with|Get more|Configure )\S.*", requires=r"^\* What went wrong:"),
    _any_of(
        r"^!{4,} .+ !{4,}$|\bFAIL(?:ED|URE)?:? (?!code)|^\S+: \S.*\b(?:[Cc]ould not|[Cc]annot|[Uu]nable to|denied)\b"
    ),
)
# Lines that a step prints whether it fails or not, stack frames, and quoted source: not used as the last line where no
# rule matches.
IMPLAUSIBLE = Pattern(
    r"^[^A-Za-z]*$|^\s*>?\s*\d+ \| |"
    r"^\s*(?:at |from |File \".*\", line \d|\d+: 0x|#\d+ 0x)|^(?:real|user|sys)\s+\d|^##\[|"
    r"^\s*(?:Total time|Total Test time|Finished|Done in|Done\b|Time:|Duration|Elapsed|Took |Ran \d|coverage:|ok\s|"
    r"added \d+ packages?|Downloading|Downloaded|Successfully|Cleaning up|For more information|See https?:|https?:|"
    r"Run `|Run with|Learn more|Use --|Try `|\* (?:Try|Get more)|Post job|Uploading|Saving|Stopping|Removing|"
    r"Aborting on|Deprecated Gradle|You can use '|View (?:test )?report|- (?:hook id|exit code|files were)|"
    r"Statements|Branches|Functions|Lines)\b|^\d+ actionable tasks|^[=─━═*-]{5,}|(?<![=─━═*-])[=─━═*-]{12,}+$"
)
