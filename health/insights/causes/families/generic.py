"""Recognisers of lines that no family claims: exceptions, positions, words of failure, wrappers. Pure: data."""

import re

from health.insights.causes.model import CauseClass, Rank, Rule, rule

_UNKNOWN = CauseClass.UNKNOWN

RULES: tuple[Rule, ...] = (
    rule("shell", CauseClass.CONFIGURATION, Rank.TOOL,
        r"^(?:\S+: (?:line )?\d+: )?(?:/bin/)?(?:\w+: )?(?:\d+: )?(?P<symbol>[\w./+-]+): (?:command not found|"
        r"not found)$", "not found"),
    rule("shell", CauseClass.CONFIGURATION, Rank.TOOL,
        r"^(?:\S+: (?:line )?\d+: )?(?:\w+: )?(?:command not found|unbound variable): ?(?P<symbol>\S*)|"
        r": (?P<code>\w+): unbound variable$", "not found", "unbound"),
    rule("shell", CauseClass.CONFIGURATION, Rank.TOOL,
        r"^\S+: (?:line )?\d+: (?P<message>syntax error(?: near|: unexpected| in expression).*|"
        r"unexpected EOF while looking for matching .*)", "syntax error", "unexpected EOF"),
    rule("shell", CauseClass.CONFIGURATION, Rank.TOOL,
        r"^(?:The program|Command) '(?P<symbol>[^']+)' (?:is currently not installed|not found)\b", "installed",
        "not found"),
    rule("shell", CauseClass.CONFIGURATION, Rank.TOOL,
        r"error while loading shared libraries: (?P<symbol>[^\s:]+): (?P<message>.+)", "shared libraries"),
    rule("shell", CauseClass.CONFIGURATION, Rank.POSITION, r"^(?P<message>.*No such file or directory)$",
        "No such file or directory"),
    # errors with a tool's mark
    rule("generic", _UNKNOWN, Rank.POSITION,
        r"^(?:[│╷] )?(?:\s{0,40}(?:error|ERROR|Error|fatal|FATAL|FATAL ERROR|Fatal error|Fatal)(?:\[\w+\])?: |"
        r"\[error\] |\s{0,40}× |✘ |ERROR:? {1,2}|E\d{4,}: |FATA\[\d+\] |ERRO\[\d+\] )(?P<message>\S.*)"),
    rule("generic", _UNKNOWN, Rank.POSITION,
        r"^(?P<file>(?:[A-Za-z]:)?[^\s:()]+\.\w+):\d+(?::\d+(?:-\d+)?)?: ?(?:fatal |"
        r"syntax )?[Ee]rror(?:\[\w+\])?: (?P<message>.+)", "rror"),
    # exceptions
    rule("generic", _UNKNOWN, Rank.EXCEPTION,
        r"^(?:[\w$]+\.)*(?P<code>[A-Z]\w*(?:Error|Exception|Interrupt|Exit|Failure|Warning)|"
        r"SystemExit)(?:: (?P<message>.*)|$)"),
    rule("generic", _UNKNOWN, Rank.EXCEPTION,
        r"^\s{1,8}(?P<code>(?:[a-z]\w{0,60}\.){0,12}[A-Z]\w{1,80}(?:Error|Exception)): (?P<message>.+)", "Error",
        "Exception"),
    rule("generic", _UNKNOWN, Rank.EXCEPTION,
        r"^(?:Caused by: |Unhandled exception|Uncaught |Unhandled Rejection|\[Error: )(?P<message>.+)", "Caused by",
        "Unhandled", "Uncaught", "[Error: "),
    # a position in a file and a message
    rule("generic", CauseClass.LINT, Rank.POSITION,
        r"^(?!at |from |in |\S{0,300}build[\w-]{0,40}\.xml:)(?P<file>(?:[A-Za-z]:)?[^\s:()\[\]]+\.[A-Za-z]\w*):\d++"
        r"(?::\d++(?:-\d++)?)?+:?+ ?+(?:\[(?P<code>E\w{1,40})\] )?(?!\s{0,40}(?:\[?(?:warning|note|info|debug)\b|"
        r"in\s|\w+(?:Error|Exception|Interrupt|Exit)$))(?P<message>\S.*\s.*)", ":"),
    rule("generic", CauseClass.LINT, Rank.POSITION,
        r"^(?P<file>[^\s:(]+\.\w+)\(\d+(?:,\d+)?\):? {1,3}(?!warning|note|info)(?P<message>\S.*\s.*)", "("),
    rule("generic", CauseClass.LINT, Rank.POSITION, r"^(?P<file>[^\s:]+\.\w+):\d+(?::\d+)? - (?P<message>\S.*)",
        " - "),
    rule("generic", CauseClass.LINT, Rank.SOURCE, r"^\s{0,40}(?:Error|E) \((?P<code>\w+)\) (?P<message>\S.*)", "("),
    rule("generic", CauseClass.LINT, Rank.POSITION, r"^>>> Lint for (?P<file>\S+?):?$", ">>> Lint"),
    rule("generic", CauseClass.LINT, Rank.POSITION,
        r"(?i)^(?P<file>[\w./\\-]+\.\w+):? (?:needs (?:to be )?(?:re)?format|is not (?:properly )?format|"
        r"not formatted|would be (?:changed|reformatted|modified))", "ormat", "would be"),
    rule("generic", CauseClass.LINT, Rank.POSITION,
        r"(?i)^(?:(?:would|should|needs to be) (?:be )?(?:re)?format(?:ted)?|(?:un|not )formatted(?: file)?|"
        r"incorrectly formatted|bad formatting|file not formatted):? (?P<file>[\w./\\-]+\.\w+)", "ormat"),
    # Generated or formatted files that differ from those of the change.
    rule("git diff", CauseClass.LINT, Rank.REPORT, r"^diff --git a/(?P<file>\S+) b/", "diff --git a/"),
    # words of failure
    rule("generic", CauseClass.TEST, Rank.SYSTEM,
        r"^(?P<test>\S.{0,200}?)(?: \.{2,}| -+>?| =>|:)? ?\[?(?<!\w)(?:FAILED|FAIL)\]?(?: \(.{0,100}\)|!+)?$", "FAIL"),
    rule("generic", _UNKNOWN, Rank.REPORT, r"^(?:❌|☒|🛑|⛔|🚫)\ufe0f? {1,3}(?P<message>\S.*)", "❌", "☒", "🛑", "⛔",
        "🚫"),
    rule("generic", _UNKNOWN, Rank.REPORT, r"^!{4,} (?P<message>.+) !{4,}$", "!!!!"),
    rule("generic", _UNKNOWN, Rank.REPORT, r"^(?P<message>.*\bFAIL(?:ED|URE)?:? (?!code).*)", "FAIL"),
    rule("generic", _UNKNOWN, Rank.REPORT,
        r"^(?P<message>\S+: \S.*\b(?:[Cc]ould not|[Cc]annot|[Uu]nable to|denied)\b.*)", "ould not", "annot",
        "nable to", "denied"),
    rule("generic", _UNKNOWN, Rank.WORDS,
        r"^(?P<message>.*(?:^|\s)(?:[Cc]ould not|[Cc]annot|[Cc]an't|[Uu]nable to|[Dd]enied|[Rr]efusing to|"
        r"[Ii]nvalid|[Mm]issing|[Nn]ot found|[Ff]ailed to|[Uu]nexpected|[Uu]nsupported|[Uu]nknown|mismatch)\b.*)"),
)  # fmt: skip

# Lines of the runner at the end of a failed step, which do not name a reason.
CLOSING = re.compile(
    r"(?i)^##\[error\]\s{0,40}(?:$|Process completed with exit code|.{0,60}failed with exit code \d+\.?$|"
    r"The operation was canceled|A task was canceled|.{0,40}exited with code \d|"
    r"Executing the custom container implementation failed)"
)
CANCELED = re.compile(
    r"(?i)^##\[error\]\s{0,40}(?:The (?:operation|(?:workflow )?run|job|strategy configuration) was cancell?ed|"
    r"A task was cancell?ed)"
)
# Announcements of a retry: the failure before it did not end the step.
RETRY = re.compile(
    r"(?i)\bretry(?:ing)?\b(?![:-])(?! (\d+) ?(?:of|/) ?\1\b)|\btry(?:ing)? again (?:in|after)\b|\btrying again\b|"
    r"\battempt #?(\d+) ?(?:of|/) ?(?!\2\b)\d+|\bwill be retried\b|\bback off \d|^\.\.\.ignoring$"
)
# In a failure of a package manager: the network or the registry failed, and not the request.
NETWORK_FAULT = re.compile(
    r"(?i)\bconnection (?:refused|reset|timed out|closed)|\btimed out\b|could not resolve host|name resolution|"
    r"no such host|ETIMEDOUT|ECONN(?:RESET|REFUSED)|\bENOTFOUND|EAI_AGAIN|socket hang up|TLS handshake|i/o timeout|"
    r"network is unreachable|(?:\b(?:status|code|error|ERR!|HTTP/\S{1,4}):? {0,4}(?:code:? )?|\()(?:429|50[0234])\b|"
    r"\b50[0234] (?:internal|bad|service|gateway|server)|service unavailable|bad gateway|gateway time|"
    r"too many requests|hash sum mismatch|SSL connect error|spurious network error"
)
# For logs that end without a line of the runner.
FAILURE_WORD = re.compile(r"(?i)\b(?:failed|failure|error)\b")
# Lines that an application wrote to its own log.
LOGGED = re.compile(
    r"^(?:\[?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d|\[?\d\d:\d\d:\d\d[.,:]?\d*\]?\s|time=\"|\{\"|"
    r"[IWEFD]\d{4} \d\d:|\d{13}\s|(?:ERROR|WARN|FATAL|SEVERE)\s{1,3}(?:\[|\d+ ---|[a-z]\w*(?:\.\w+){2,}|\(|\d{4}-)|"
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[ ,]\s?\w{2,3} |\[(?:main|"
    r"[\w-]{1,40}-\d+|pool-\d+\S*)\] |SEVERE: |\w+\[\d+\]: |\s{0,40}console\.(?:error|log|warn))"
)
# Lines that relay a failure of a called program: better than the last line of a step if nothing else matches.
RELAYED = re.compile(
    r"^(?:(?:\w+\.)*CalledProcessError\b|\w*(?:Error|Exception): .{0,80}\bfailed!?$|"
    r"\[ERROR\] Failed to execute goal .*There are test failures|ERROR: LoadError: Some tests did not pass|"
    r"\s{0,40}× (?:.* did not run successfully|Failed to build installable)|(?:error|ERROR): failed to (?:solve|"
    r"build): (?:failed to solve: )?process|ERROR: Failed building wheel|#\d+ ERROR: process|"
    r"error: failed to run custom build command|buildx call failed with)"
)
# The same without naming what failed, and counts of failures: used only if no other line is a cause.
WRAPPER = re.compile(
    r"^(?:(?:g|mingw32-)?make(?:\[\d+\])?: \*\*\* (?!No rule)|ninja: build stopped|gmake|npm (?:ERR!|"
    r"error)\s{0,40}(?:$|code |errno |syscall |path |command |signal |Exit status|Failed at the |This is probably|"
    r"A complete log|An unknown git error|"
    r"aliases|Options|Usage|Run \"|\[|Clean install|Test failed|Lifecycle script|\S+@\S+ \S+: `|"
    r"workspace |location |\s{1,40}/|argv |node v|cwd |spawn|file |sh$|ci$)|error:? (?:Command failed|script \"|"
    r"could not compile|aborting due to|test failed, to rerun|\d+ targets? failed|build failed|"
    r"failed to solve: process|command '.*' failed|Recipe |[Dd]oc(?:test)? failed|linker command failed|"
    r"\d+ errors? )|(?:ERROR: )?failed to solve: process|ERROR: (?:failed to (?:solve|"
    r"build): (?:failed to solve: )?process|process|Process|InvocationError|Failed building wheel|"
    r"Failed to build one or more wheels|"
    r"LoadError: Some tests|Package \S+ errored|Command |Job failed|.{0,60}(?:exit code|did not complete))|"
    r"BUILD FAILED|BUILD FAILURE|FAILURE: Build failed|Build FAILED|\* What went wrong:|> Task \S+ FAILED|"
    r"Execution failed for |\[ERROR\] (?:Failed to execute goal .*(?:There are test failures|There was a timeout|"
    r"\(See above\)|Compilation failure$)|Tests run: |Failures:? ?$|Errors:? ?$|-> \[Help|\[Help|To see the full|"
    r"Re-run Maven|For more information|After correcting|  mvn |Please refer to|There are test failures|"
    r"COMPILATION ERROR|There (?:was|were) |See |BUILD)|\[error\] (?:Total time|\(.*\) (?:Compilation failed|Failed|"
    r"sbt\.TestsFailed)|\w+ errors? found|Failed: Total|Failed tests:$|Error: Total)|Tests run: |Tests: |"
    r"Test Suites: |Test Files |\s{0,40}(?:exit status|exit code:?|Exit code:?|exited with(?: code)?|"
    r"Error: Process completed) \d+\.?$|Errors? while running CTest|The following tests FAILED|Some tests failed|"
    r"FAIL(?:ED|URES!?)?$|FAILED \(|ERRORS!$|Found \d+ (?:\w+ )?(?:errors?|issues?|problems?|warnings?|violations?|"
    r"offenses?)\b|\d+ (?:\w+ )?(?:errors?|issues?|problems?|warnings?|failures?|failing|failed|violations?|"
    r"offenses?)\b[^/\\]{0,80}$|[Ee]rrors?: \d+|✖ (?:\d+ problems?|found |\d+ of )|nox > |\s{0,40}ERROR  run failed|"
    r"\*\* \w+(?: \w+)? FAILED \*\*|cabal\S*: (?:Failed to build|Tests failed)|Invalid exit code|"
    r"\s{0,40}error: command '.*' failed with|\s{0,40}error: subprocess-exited-with-error|Specify --help|"
    r"Error: (?:Process completed|The process .* failed|Command failed|Exit code|Sandbox failed|Error installing|"
    r"Test failed|Docker build failed|exit status)|(?:Test|Tests|Testing|Build|Linting|Linter|Command|Script|Job|"
    r"Compilation) (?:run )?failed(?:[.:!]?(?: See .*)?$|\. )|➤ YN0000|Command .* (?:failed|returned|exited)|"
    r"Failed to compile\.?$|FAIL\t|Failed!? +- Failed:|FAIL!? -- |\s{0,40}✘ (?:Suite|Test run) |"
    r"make: (?!\*\*\* No rule)|"
    r"\d+% tests passed|\d+ files? (?:would be|reformatted|inspected|with)|\s{0,40}evaluation failed|"
    r"test result: FAILED|[Ee]xiting with|Build completed unsuccessfully|\[warn\] Code style|warning: build failed|"
    r"issues found$|The process '.*' failed|\[OSDC\] Step script exited|[Tt]ests? failed|"
    r".{0,40} encountered (?:an )?errors?:?$|Script .{1,60} (?:handling the .{1,40} event )?returned with error code"
    r"|Result: ?FAIL|Summary of |lerna ERR! (?:yarn|npm|lerna) |Error: Command |Lerna|Failed:|=+ .*\b\d+ (?:failed|"
    r"errors?)\b.* =+$|(?:Uncaught )?(?:Error|error): (?:Task|Job|Step|Tests?|Build) .{0,60}failed|"
    r"\s{0,40}Process exited|Exited with|Error executing|TESTS? FAILED|Done\. Your build exited|"
    r"The command .* exited with|error Command failed with exit code|ERROR: \"\S+\" exited with|Errors?:$|(?:ERROR|"
    r"Error):?$|Compilation failed|Testing failed:|Failing tests:|make\[\d+\]: |"
    r"ERROR: One or more tests failed|\[ (?:OK|FAIL)\b.{0,80}\bFAIL(?:ED)?:? \d+|.*: FAIL code \d+|\w+: exit \d+ \()"
)
_WRAPPER_ANYWHERE = re.compile(
    r"\bELIFECYCLE\b|Lifecycle script .{1,100} failed|This error originates from a subprocess|\bexited \(\d+\)|"
    r"\bexited with code \d+|\bsee (?:the )?(?:console|build|log)(?: log| output)?\b|\btests? (?:passed|"
    r"failed)(?: out of|,)|There were failing tests"
)
_WRAPPER_WORDS = ("ELIFECYCLE", "Lifecycle", "originates from", " exited ", "see ", "test", "There were failing")
# Lines that a step prints whether it fails or not, stack frames, and quoted source: not used as the last line where no
# rule matches.
IMPLAUSIBLE = re.compile(
    r"^(?:[^A-Za-z]*$|\s{0,8}--> |\s{0,40}>?\s{0,40}\d+ \| |\s{0,40}\|\s|\s{0,40}(?:at |from |File \".*\", line \d|"
    r"\d+: 0x|#\d+ 0x)|(?:real|user|sys)\s{1,40}\d|##\[|\s{0,40}(?:Total time|Total Test time|Finished|Done in|"
    r"Done\b|Time:|Duration|Elapsed|Took |Ran \d|coverage:|ok\s|added \d+ packages?|Downloading|Downloaded|"
    r"Successfully|Cleaning up|For more information|See https?:|https?:|Run `|Run with|Learn more|Use --|Try `|"
    r"\* (?:Try|Get more)|Post job|Uploading|Saving|Stopping|Removing|Aborting on|Deprecated Gradle|You can use '|"
    r"View (?:test )?report|- (?:hook id|exit code|files were)|Statements|Branches|Functions|Lines|All files|"
    r"Snapshots:|info |note:|help:|Randomized with|Coverage report)\b|\d+ actionable tasks|[=─━═*-]{5,}|"
    r".{0,80}[=─━═*-]{12,}$|\s{0,40}(?:All done|Skipped \d|Summary|Report|Generated|Wrote|Created|Passed|PASS|"
    r"Success)\b)"
)


def is_wrapper(text: str) -> bool:
    """Whether a line only reports that a called program, or a number of tests, failed."""
    if WRAPPER.match(text.lstrip()):
        return True
    return any(word in text for word in _WRAPPER_WORDS) and _WRAPPER_ANYWHERE.search(text) is not None


def is_relayed(text: str) -> bool:
    """The same, where the line names the program."""
    return bool(RELAYED.match(text.lstrip()))
