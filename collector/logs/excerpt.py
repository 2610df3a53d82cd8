"""The line of a failed job's log that a person wants to see first, and what stands around it. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

BEFORE, AFTER = 24, 8
# Where the end of the step follows this soon after the cause, the excerpt goes on to it.
REACH = 40
LONGEST_LINE = 2_000
SEARCHED = 4_000
_BYTES_SEARCHED = 1_000_000
_BYTES_AFTER, _PIECE = 65_536, 65_536

_TIMESTAMP = re.compile(r"^\ufeff?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z ?\ufeff?")
_ANSI = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-_])")
_ERROR = "##[error]"
# What the runner writes when a step is over, whatever the reason.
_CLOSING = re.compile(
    r"^##\[error\]\s*(?:$|Process completed with exit code|.{0,60}failed with exit code \d+\.?$|"
    r"The operation was canceled|A task was canceled|.{0,40}exited with code \d|"
    r"Executing the custom container implementation failed)",
    re.IGNORECASE,
)
_CANCELED = re.compile(r"^##\[error\]\s*(?:The operation was canceled|A task was canceled)", re.IGNORECASE)
# Words of failure in lines that tell of none: counters at zero, warnings, a shell's trace, links, options, and what
# only passes on that a child of it failed.
_HARMLESS = re.compile(
    r"^##\[(?:warning|notice|debug|command|group)\]|^\++ |^\s*(?:hint|note|warning): |"
    r"\b(?:0|no|zero) (?:tests? |of them )?(?:failed|failures?|errors?|timeouts?)\b|"
    r"(?i:\b(?:fail(?:ed|ures?)|errors?|timeouts?)(?: \w+)?\s*[:=]?\s+0\b)|"
    r"(?:^|\s)(?:if-no-files-found|continue-on-error|fail-fast|timeout-minutes|fail_ci_if_error):"
)
_PASSED_ON = re.compile(
    r"CalledProcessError\b|returned non-zero exit status|^\w*(?:Error|Exception): .{0,80}\bfailed!?$|"
    r"^make(?:\[\d+\])?: \*\*\*|^ninja: build stopped|\bELIFECYCLE\b|Lifecycle script .* failed|"
    r"This error originates from a subprocess"
)
# From the most telling to the least; the first line that matches the best class wins.
_CLASSES = tuple(
    re.compile(pattern)
    for pattern in (
        r"^##\[error\]",
        # A test that failed, by its framework's name for it.
        r"^FAILED \S*::|^FAILED \S+|^\s*--- FAIL: |^(?:>?\s*)?● .+ › |^\s*FAIL\s+\S+\.\w+|^\s+\d+\) \[\w+\] › |"
        r"^(?:FAIL|ERROR): \S+ \(|^FAIL: \S+|Test\w* failed\b|^rspec \./\S+:\d+|^test \S+ \.\.\. FAILED|"
        r"^not ok \d+ |^[A-Za-z_][\w.$]* > \S.* FAILED$",
        r"^_{4,} (?!ERROR )\S.* _{4,}$",
        # A compiler, a linter or a tool that names an error.
        r": (?:fatal )?error:? |\berror (?:TS|C|CS|FS|LNK|MSB|E|NU|NETSDK)\d+|^error\[E\d+\]|^(?:[│╷] )?Error: |"
        r"^error: |^\s*ERROR: |^\[ERROR\] |^npm (?:ERR!|error) (?!A complete log)|^fatal: |^panic: |"
        r"^thread '.*' panicked at |Error response from daemon|undefined reference to|^e: (?:file|/)|"
        r"^\* What went wrong:|: command not found$|^\s+\d+:\d+\s+error\s",
        # An exception.
        r"^(?:[\w$]+\.)*\w*(?:Error|Exception|Interrupt|Exit)\b(?:: |$)|^E\s{2,}\S|"
        r"^(?:Caused by: |Exception in thread |Unhandled exception)|^Segmentation fault|^\s*[A-Z]\w+Error: ",
        r"(?i)no space left on device|out of memory|oom.?kill|\bkilled\b|exit(?: status| code)? 137|"
        r"\btimed? ?out\b|returning 124|connection (?:refused|reset)|could not resolve host|permission denied|"
        r"rate limit exceeded",
        r"^!{4,} .+ !{4,}$|\bFAIL(?:ED|URE)?:? |^FAILURE: |BUILD FAILED",
    )
)
_WEAK = re.compile(r"\b(?:failed|failure|error)\b", re.IGNORECASE)
_EXIT = re.compile(r"^\++ exit [1-9]")
_ECHO = re.compile(r"^\++ echo (['\"]?)(.*\w.*)\1$")


@dataclass(frozen=True)
class Excerpt:
    """`first_line` counts from 1 within the whole log; `error_line` is the text to show in one line, null where
    nothing looks like a cause. `closing` is what the runner wrote at the end of the failed step, null where it wrote
    nothing: a runner that died does not."""

    first_line: int
    lines: tuple[str, ...]
    error_line: str | None
    closing: str | None = None


# When the failed step began and ended, as ISO 8601 in UTC to the second.
Span = tuple[str, str]


def plain(line: str) -> str:
    """Without the runner's timestamp, byte order marks and colours."""
    return _ANSI.sub("", _TIMESTAMP.sub("", line)).rstrip()


def excerpt_of(text: bytes | bytearray, step: Span | None = None) -> Excerpt:
    """Of a whole log in UTF-8 with \\n between lines; decodes only what it looks at."""
    end = _closing_at(text, step)
    stop = _lines_on(text, end, 200, min(end + _BYTES_AFTER, len(text)))
    start = _lines_back(text, end, SEARCHED, max(end - _BYTES_SEARCHED, 0))
    return excerpt(text[start:stop].decode("utf-8", "replace").splitlines(), step, first_line=_count(text, start) + 1)


def excerpt(lines: Sequence[str], step: Span | None = None, *, first_line: int = 1) -> Excerpt:
    """Looks at the last 4,000 lines up to the runner's own closing error of the failed `step` (without one: up to the
    first closing error): what follows is cleaning up. `first_line` is the number of the first of `lines`."""
    if not lines:
        return Excerpt(first_line, (), None)
    closing = _closing(lines, step)
    end = closing if closing is not None else len(lines) - 1
    from_line = max(end - SEARCHED + 1, 0)
    cleaned = [plain(line[: LONGEST_LINE * 4])[:LONGEST_LINE] for line in lines[from_line : end + REACH + AFTER]]
    end -= from_line
    found = _telling(cleaned, end)
    focus = found if found is not None else end
    start = max(focus - BEFORE, 0)
    reached = end if focus <= end <= focus + REACH else focus
    stop = min(reached + AFTER + 1, len(cleaned))
    return Excerpt(
        first_line + from_line + start,
        tuple(cleaned[start:stop]),
        _shown(cleaned[found]) if found is not None else None,
        _shown(cleaned[end]) if closing is not None else None,
    )


def is_closing(line: str) -> bool:
    """Whether a line only says that something ended, not why. Cancelling is a reason."""
    marked = line if line.startswith(_ERROR) else _ERROR + line
    return bool(_CLOSING.match(marked)) and not _CANCELED.match(marked)


def _closing(lines: Sequence[str], step: Span | None) -> int | None:
    """The first closing error within the failed step; where its times match none, the first of all."""
    first = None
    for index, line in enumerate(lines):
        if _ERROR in line and _CLOSING.match(plain(line[:LONGEST_LINE])):
            if step is None or _within(line, step):
                return index
            first = index if first is None else first
    return first


def _closing_at(text: bytes | bytearray, step: Span | None) -> int:
    """As _closing: where its line begins; the end of the text where there is none."""
    first, place = None, text.find(_ERROR.encode())
    while place >= 0:
        begin = text.rfind(b"\n", 0, place) + 1
        end = text.find(b"\n", place)
        line = text[begin : min(end if end >= 0 else len(text), begin + LONGEST_LINE)].decode("utf-8", "replace")
        if _CLOSING.match(plain(line)):
            if step is None or _within(line, step):
                return begin
            first = begin if first is None else first
        place = text.find(_ERROR.encode(), place + 1)
    return first if first is not None else len(text)


def _within(line: str, step: Span) -> bool:
    return step[0] <= line.lstrip("\ufeff")[:19] <= step[1]


def _lines_back(text: bytes | bytearray, end: int, count: int, limit: int) -> int:
    """Where the line begins that stands `count` lines before `end`; not before the first line behind `limit`."""
    place = end
    for _ in range(count):
        before = text.rfind(b"\n", limit, max(place - 1, limit))
        if before < 0:
            return limit if limit == 0 else place
        place = before + 1
    return place


def _lines_on(text: bytes | bytearray, begin: int, count: int, limit: int) -> int:
    place = begin
    for _ in range(count):
        found = text.find(b"\n", place, limit)
        if found < 0:
            return limit
        place = found + 1
    return place


def _count(text: bytes | bytearray, stop: int) -> int:
    """Lines before `stop`, as str.splitlines counts them for whoever shows the log; `stop` is the start of a line."""
    total = place = 0
    while place < stop:
        end = text.find(b"\n", min(place + _PIECE, stop) - 1, stop) + 1 or stop
        total += len(text[place:end].decode("utf-8", "replace").splitlines())
        place = end
    return total


def _telling(lines: Sequence[str], end: int) -> int | None:
    """Within the step that failed first; where that says nothing, anywhere before its end. What only passes a failure
    on comes last, and of a cancelled step its own word instead of any word of failure."""
    canceled = bool(_CANCELED.match(lines[end]))
    for start in dict.fromkeys((_step_start(lines, end), 0)):
        told = [index for index in range(start, min(end + 2, len(lines))) if _may_tell(lines[index])]
        passed_on = None
        for pattern in _CLASSES:
            for index in told:
                if pattern.search(lines[index]):
                    if not _PASSED_ON.search(lines[index]):
                        return index
                    passed_on = index if passed_on is None else passed_on
        if passed_on is not None:
            return passed_on
        if (said := _said_before_exit(lines, start, end)) is not None:
            return said
        if not canceled and (weak := [index for index in told if _WEAK.search(lines[index])]):
            return weak[0]
    return end if canceled else None


def _said_before_exit(lines: Sequence[str], start: int, end: int) -> int | None:
    """In a shell's trace: what the script printed last before `exit 1`."""
    for leave in range(start, end + 1):
        if _EXIT.match(lines[leave]):
            for index in range(max(leave - 12, start), leave):
                echo = _ECHO.match(lines[index])
                if echo and echo[2] == lines[index + 1]:
                    return index + 1
    return None


def _may_tell(line: str) -> bool:
    return bool(line) and not _CLOSING.match(line) and not _HARMLESS.search(line)


def _step_start(lines: Sequence[str], end: int) -> int:
    """Behind the header of the last `##[group]Run …` before the error: the header quotes the script, whose text
    may hold any word."""
    for index in range(end, -1, -1):
        if lines[index].startswith("##[group]Run "):
            closing = range(index, min(index + 200, end))
            return next((at + 1 for at in closing if lines[at].startswith("##[endgroup]")), index + 1)
    return 0


def _shown(line: str) -> str:
    return line.removeprefix(_ERROR).strip()[:500]
