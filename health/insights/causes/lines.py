"""Lines of a log without what programs put around them: time, colours, prefixes of runners of runners. Pure."""

import re

from core import terminal

# Longer lines are cut before anything is matched.
MAX_LINE_LENGTH = 2_000
ERROR_MARK = "##[error]"
_TIMESTAMP = re.compile(r"^\ufeff?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z ?\ufeff?")
_STAMP_LENGTH = len("2026-11-18T12:00:00.0000000Z ")
# Of GitHub's error command, BuildKit, Docker Compose, Ant, ninja, Turborepo, Lerna, Taskcluster, and clocks.
_PREFIX = re.compile(
    r"^(?:##\[error\](?=[^\s\[])|#\d{1,4} (?:\d{1,6}\.\d+ )?|[a-z][\w.-]{0,60}+\s{1,20}\| |"
    r"[\w.-]{1,60}[-_]\d{1,3}\s{1,20}\| ?|\s*\[(?:junit|junitlauncher|testng|exec|java|javac|javadoc|copy|apply|scp|"
    r"mxmlc|(?:ant|ivy):\w+)\]\s?|\[\d{1,5}/\d{1,5}\] (?!Test)|(?:@[\w.-]{1,60}/)?[\w.-]{1,60}:(?:test|build|lint|"
    r"check|typecheck)(?::[\w-]{1,40})?: |@[\w.-]{1,60}/[\w.-]{1,60}: |\[task \d{4}-[\dT:.+-]{5,30}Z?\]\s|"
    r"\d\d:\d\d:\d\d\s{1,5}(?:INFO|ERROR|WARNING|CRITICAL|FATAL) -\s{1,3}|\[\d\d:\d\d:\d\d(?:\.\d{1,6})?\] ?|"
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[.,]\d{3} (?=\w+\[\d))+"
)
# Warnings, counters at zero, passed and skipped tests, a shell's trace, options.
_IGNORED_START = re.compile(
    r"##\[(?:warning|notice|debug|command|group|endgroup|section|add-mask|start-action|end-action)|\++ |\s*(?:hint|"
    r"note|warning|info|help|debug|notice): |\[?WARN(?:ING)?\b|\[(?:INFO|info|DEBUG)\] (?!.*\*\*\*)|"
    r"\[warn\] (?!\S+$)|\s*(?:✓|✔|√|☑|✅|􁁛|\u2713|\u2714|◇|ok \d|PASS\b|PASSED\b|--- PASS|--- SKIP|=== |ok\s|"
    r"\[       OK \]|\[  PASSED  \]|\[  SKIPPED \]|\. |⚠|↓|○|◌)|\[ERROR\]\s*(?:$|OpenJDK .* warning|Picked up )|"
    r"not ok \d{1,7} [^#]*+# (?:TODO|SKIP)|\s*(?:if-no-files-found|continue-on-error|fail-fast|timeout-minutes|"
    r"fail_ci_if_error)\s*:|\s*(?:Downloading|Downloaded|Installing|Compiling|Collecting|Requirement already|"
    r"Extracting|Unpacking|Setting up|Get:\d|Hit:\d|added \d|inflating:|creating:|Copying|Loading|Fetching|"
    r"Resolving|Checking out|Updating) |(?:GET|POST|PUT|DELETE|PATCH|HEAD) /|\(node:\d+\) |\s*(?:export |"
    r"declare -x |[A-Z][A-Z_]{2,}=)"
)
_COUNT_OF_NONE = re.compile(
    r"\b(?:0|no|zero|No) (?:tests? |of them |known )?(?:failed|failures?|errors?|timeouts?)\b|"
    r"\b(?i:fail(?:ed|ures?|ing)?|errors?|timeouts?)(?: \w{1,30})?\s{0,40}[:=]?\s{1,40}0\b(?![.,:]\d)|"
    r"\b(?i:fail(?:ed|ures?|ing)?|errors?|timeouts?)[:=] ?0\b(?![.,:]\d)"
)
_NONE = (" 0", "0 ", ":0", "=0", "no ", "No ", "zero ")
_PASSED = re.compile(
    r"\b(?:PASSED|SKIPPED|XFAIL|XPASS)\b(?: \(|\s*\[ {0,3}\d{1,3}%\]|\s*$| \[\d)|\.\.\. (?:ok|ignored|skipped)\b|"
    r":\d{1,7}: \w{0,30}Warning: |\blevel=(?:\"?)(?:warning|info|debug)\b|"
    r"\bTest [Cc]ase .{1,300} (?:passed|skipped)\b|\ballowed to fail\b"
)
_PASS_WORDS = (
    "PASSED",
    "SKIPPED",
    "XFAIL",
    "XPASS",
    "... ",
    "Warning: ",
    "level=",
    " passed",
    " skipped",
    "allowed to",
)


def plain_line(line: str) -> str:
    """The line as a terminal shows it, without the runner's timestamp."""
    return terminal.rendered_line(without_time(line)).rstrip()


def without_time(line: str) -> str:
    """The line without the runner's timestamp."""
    if line[10:11] == "T" and line[_STAMP_LENGTH - 2 : _STAMP_LENGTH] == "Z " and line[:4].isdigit():
        return line[_STAMP_LENGTH:].removeprefix("\ufeff")
    return _TIMESTAMP.sub("", line)


def clean_line(line: str) -> str:
    """The plain line, cut to MAX_LINE_LENGTH."""
    return plain_line(line[: MAX_LINE_LENGTH * 4])[:MAX_LINE_LENGTH]


def unprefixed(line: str) -> str:
    """A plain line without the prefixes of the programs that relayed it."""
    match = _PREFIX.match(line)
    return line[match.end() :] if match else line


def is_ignored(line: str) -> bool:
    """Whether a plain line without prefixes reports no failure although it may contain a word of failure."""
    if _IGNORED_START.match(line):
        return True
    if any(word in line for word in _PASS_WORDS) and _PASSED.search(line):
        return True
    # In the summary of prove, such a test failed by its exit status.
    if not any(word in line for word in _NONE) or "(Wstat: " in line:
        return False
    return _COUNT_OF_NONE.search(line) is not None


def display_line(line: str) -> str:
    """The plain line as it is shown and stored: without the mark of the runner and without indentation."""
    return line.removeprefix(ERROR_MARK).strip()[:500]
