"""How tools say what failed: rules as data, read by collector.logs.excerpt. Pure.

Every rule is matched against one line without time, colours and the prefix of whoever passed it on (PREFIX). Within
TELLING the earliest group that has a line decides, and its first line is the cause."""

import re
from collections.abc import Iterator
from dataclasses import dataclass


class Pattern:
    """A regular expression for single lines. Its alternatives that begin with `^` are tried at the start alone, not at
    every place of a line: that is most of the time that a log takes."""

    def __init__(self, written: str) -> None:
        alternatives = list(_alternatives(written))
        at_start = [each for each in alternatives if each.startswith("^")]
        anywhere = [each for each in alternatives if not each.startswith("^")]
        self._at_start = re.compile("|".join(at_start)) if at_start else None
        self._anywhere = re.compile("|".join(anywhere)) if anywhere else None

    def search(self, line: str) -> bool:
        return bool((self._at_start and self._at_start.match(line)) or (self._anywhere and self._anywhere.search(line)))


def _alternatives(written: str) -> Iterator[str]:
    """The parts between the bars that stand in no group and no set of characters."""
    depth, begin, place, in_set = 0, 0, 0, False
    while place < len(written):
        letter = written[place]
        if letter == "\\":
            place += 1
        elif in_set:
            in_set = letter != "]"
        elif letter == "[":
            # A bracket right at the start of a set is one of its characters.
            in_set = True
            place += written[place + 1 : place + 2] == "]" or 2 * (written[place + 1 : place + 3] == "^]")
        elif letter in "()":
            depth += 1 if letter == "(" else -1
        elif letter == "|" and not depth:
            yield written[begin:place]
            begin = place + 1
        place += 1
    yield written[begin:]


# What the runner writes when a step is over, whatever the reason.
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
# Docker Compose, BuildKit, Ant, GitHub's command of an error, and bars of boxes.
PREFIX = re.compile(
    r"^(?:##\[error\](?=\S)|#\d+ (?:\d+\.\d+ )?|[\w.-]+[-_]\d+\s+\| ?|\s*\[(?:junit|exec|java|javac|ant:\w+)\]\s?)+"
)
# Words of failure in lines that tell of none: warnings, counters at zero, what passed, a shell's trace, options.
IGNORED = Pattern(
    r"^##\[(?:warning|notice|debug|command|group|endgroup|section)\]|^\++ |^\s*(?:hint|note|warning|info|help): |"
    r"\b(?:0|no|zero) (?:tests? |of them )?(?:failed|failures?|errors?|timeouts?)\b|"
    r"(?i:\b(?:fail(?:ed|ures?)|errors?|timeouts?)(?: \w+)?\s*[:=]?\s+0\b)|"
    r"(?:^|\s)(?:if-no-files-found|continue-on-error|fail-fast|timeout-minutes|fail_ci_if_error):|"
    r"^\s*(?:✓|✔|√|☑|PASS\b|PASSED\b|--- PASS|ok \d|\[       OK \])|^\[ERROR\]\s*(?:$|OpenJDK .* warning|Picked up )|"
    r"\bPASSED$|\.\.\. ok$|^\[?WARN(?:ING)?\b|:\d+: \w*Warning: |"
    r"\blevel=(?:warning|info|debug)\b|\bTest [Cc]ase .* (?:passed|skipped)\b"
)
# One more try follows: not the last of its kind, and so not the end.
RETRY = re.compile(
    r"(?i)\bretry(?:ing)?\b(?![:-])(?! (\d+) ?(?:of|/) ?\1\b)|\btry(?:ing)? again (?:in|after)\b|\btrying again\b|"
    r"\battempt #?(\d+) ?(?:of|/) ?(?!\2\b)\d+|\bwill be retried\b"
)
# What only passes on that something under it failed: better than the last line of a step, if nothing else fits.
INFORMATIVE = Pattern(
    r"^(?:\w+\.)*CalledProcessError\b|^\w*(?:Error|Exception): .{0,80}\bfailed!?$|"
    r"^\[ERROR\] Failed to execute goal .*There are test failures|^ERROR: LoadError: Some tests did not pass|"
    r"^\s*× .* did not run successfully|"
    r"^(?:error|ERROR): failed to (?:solve|build): (?:failed to solve: )?process|^ERROR: Failed building wheel"
)
# The same without a word of what failed, or a number of failures: no cause where any other line is one.
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
    """A pattern of lines that name a failure. `needs`: it counts only where a line of the step matches this one.
    `whole_line`: it is matched with the prefix."""

    pattern: Pattern
    requires: Pattern | None = None
    whole_line: bool = False


def _any_of(*patterns: str, needs: str | None = None, whole_line: bool = False) -> CauseRule:
    return CauseRule(Pattern("|".join(patterns)), Pattern(needs) if needs else None, whole_line)


CAUSE_RULES = (
    # The runner's own words, and lines that a problem matcher of the step chose.
    _any_of(r"^##\[error\](?!Exception in thread)", whole_line=True),
    # A test that failed, as its framework names it.
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
    _any_of(r"^\s{2,}\d+\) \S", needs=r"^\s*\d+ failing\b|\bmocha\b"),  # Mocha
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
    _any_of(r"^\[warn\] (?!Code style)\S+$", needs=r"^\[warn\] Code style issues"),  # Prettier
    _any_of(r"^[A-Z]{1,5}\d{3,4} (?:\[\*\] )?\S", needs=r"^\s+--> \S+:\d+:\d+$"),  # Ruff
    # An exception.
    _any_of(
        r"^(?:[\w$]+\.)*\w*(?:Error|Exception|Interrupt|Exit)\b(?:: |$)|^E\s{2,}\S|"
        r"^(?:Caused by: |Exception in thread |Unhandled exception)|^Segmentation fault|^\s*[A-Z]\w+Error: |"
        r"^thread '.*' panicked at |^panic: |terminating (?:with|due to) uncaught exception|"
        r"^\s*(?:[\w$]+\.)+\w+(?:Exception|Error): "
    ),
    # A place in a file and what is wrong there.
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
    _any_of(r"^> (?!Task |Run with|Get more|Configure )\S.*", needs=r"^\* What went wrong:"),
    _any_of(
        r"^!{4,} .+ !{4,}$|\bFAIL(?:ED|URE)?:? (?!code)|^\S+: \S.*\b(?:[Cc]ould not|[Cc]annot|[Uu]nable to|denied)\b"
    ),
)
# Lines that a step prints whether it goes well or not, frames of a stack, and quoted source: not the last word where
# no rule fits.
IMPLAUSIBLE = Pattern(
    r"^[^A-Za-z]*$|^\s*>?\s*\d+ \| |"
    r"^\s*(?:at |from |File \".*\", line \d|\d+: 0x|#\d+ 0x)|^(?:real|user|sys)\s+\d|^##\[|"
    r"^\s*(?:Total time|Total Test time|Finished|Done in|Done\b|Time:|Duration|Elapsed|Took |Ran \d|coverage:|ok\s|"
    r"added \d+ packages?|Downloading|Downloaded|Successfully|Cleaning up|For more information|See https?:|https?:|"
    r"Run `|Run with|Learn more|Use --|Try `|\* (?:Try|Get more)|Post job|Uploading|Saving|Stopping|Removing|"
    r"Aborting on|Deprecated Gradle|You can use '|View (?:test )?report|- (?:hook id|exit code|files were)|"
    r"Statements|Branches|Functions|Lines)\b|^\d+ actionable tasks|^[=─━═*-]{5,}|(?<![=─━═*-])[=─━═*-]{12,}+$"
)
# In a log that just ends.
FAILURE_WORD = re.compile(r"\b(?:failed|failure|error)\b", re.IGNORECASE)
