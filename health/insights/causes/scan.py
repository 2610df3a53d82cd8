"""One pass over a log that selects the failed step and the lines that may report its failure. Pure.

Memory is bounded whatever the length of the log: of the candidate lines, the first and the last are retained."""

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from core import terminal
from health.insights.causes.families.generic import CLOSING
from health.insights.causes.lines import ERROR_MARK, clean_line

# Start and end of the failed step, in ISO 8601, UTC, to the second.
StepSpan = tuple[str, str]
# Retained candidate lines of a step, from its start and from its end, and their characters.
_HEAD_LINES, _TAIL_LINES = 14_000, 6_000
_HEAD_CHARS, _TAIL_CHARS = 3_000_000, 2_000_000
# Lines after a candidate that are retained with it: a test's title, a heading's items, the announcement of a retry.
_LINES_AFTER = 7
# Last lines of a step, for steps in which no line is a candidate.
_LAST_LINES = 60
_MAX_HEADER_LINES = 200
# Lines before the failed step that are retained, and the characters of each.
_EARLIER_LINES, _EARLIER_CHARS = 10_000, 400
_SCRIPT_COLOR = "\x1b[36;1m"
RUN_HEADER = "##[group]Run "
# A line without any of these, in lower case, and without a position or a number of a list, is no candidate.
_WORDS = (
    "err", "fail", "fatal", "excep", "panic", "kill", "denied", "cannot", "can't", "could", "unable",
    "not found", "no such", "missing", "invalid", "timed out", "timeout", "time out", "unexpected", "unknown",
    "undefined", "unresolved", "unsupported", "mismatch", "refus", "not ok", "reset", "abort", "terminat",
    "segment", "would ", "should", "conflict", "reject", "exceed", "limit", "memory", "space left", "quota",
    "warning", "violation", "format", "went wrong", "require", "returning 124", "diff in", "lint for", "signal",
    "exit", "rule", "leak", "coverage", "assert", "expected", "incorrect", "threshold", "deprecation notices",
    "✖", "×", "✕", "✗", "✘", "􀢄", "●", "⨯", "❌", "☒", "🛑", "⛔", "🚫", "[x]", "==>", "┃", "━", "npm ", "___",
    ">> issue", "! ", "issue(s)", "diff --git",
    "toomany", "(severity", "** (", "never defined", "not installed", "disconnect", "[-] ", " » ", " › ", "::", "***",
)  # fmt: skip
_PLACE = re.compile(
    r"[A-Za-z_)\]\"']:\d+(?:[:,)\]\s]|$)|:[(\[]\d+[,)\]]|[A-Za-z][(\[]\d+[,)\]]|^\s*\d+[).](?:\s|$)|^\s*\d+ - |"
    r"^\s*\d+:\d+\s|^# |^In \S++ line \d|^[A-Z]{1,5}\d{3,4}\b|\.\w{1,6}$"
)
_EXIT = re.compile(r"^\++ exit [1-9]")
_ECHO = re.compile(r"^\++ echo ")
_WORD = re.compile(r"\w")


def is_candidate(line: str) -> bool:
    """Whether a plain line may report a failure: a test that is fast and excludes most lines."""
    low = line.lower()
    # A third faster than any(), and called for each line.
    for word in _WORDS:
        if word in low:
            return True
    return _PLACE.search(line) is not None


@dataclass
class Region:
    """The output of one step, or of one part of a composite step: candidate lines as (number, plain line), numbered
    from 1. `error_number`: the last line with the runner's error mark. `printed`: output of a script before it
    exited. `context`: numbers of the lines that are retained only because they follow a candidate."""

    first_number: int
    head: list[tuple[int, str]] = field(default_factory=list)
    tail: deque[tuple[int, str]] = field(default_factory=deque)
    last: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=_LAST_LINES))
    error_number: int | None = None
    error_line: str = ""
    end_number: int = 0
    printed: tuple[int, str] | None = None
    context: set[int] = field(default_factory=set)
    has_output: bool = False
    _head_chars: int = 0
    _tail_chars: int = 0

    def add(self, number: int, line: str) -> None:
        if len(self.head) < _HEAD_LINES and self._head_chars < _HEAD_CHARS and not self.tail:
            self.head.append((number, line))
            self._head_chars += len(line)
            return
        self.tail.append((number, line))
        self._tail_chars += len(line)
        while len(self.tail) > _TAIL_LINES or self._tail_chars > _TAIL_CHARS:
            dropped, text = self.tail.popleft()
            self._tail_chars -= len(text)
            self.context.discard(dropped)

    def drop(self, number: int) -> None:
        """Removes a line that was overwritten, if it is one of the newest."""
        for lines in (self.head, self.tail, self.last):
            if lines and lines[-1][0] == number:
                lines.pop()

    def candidates(self, end: int) -> Iterator[tuple[int, str]]:
        for lines in (self.head, self.tail):
            for number, line in lines:
                if number <= end:
                    yield number, line


@dataclass(frozen=True)
class Scan:
    """The region of the failure, and the one before it, for a region without output. `end_number`: the line that ends
    the failed step, with the text `closing`. `is_closed`: that line has the runner's error mark. `earlier`: the
    lines before the failed step, unchanged."""

    region: Region
    before: Region | None
    end_number: int
    closing: str
    is_closed: bool
    earlier: Sequence[str] = ()


def scan(lines: Iterable[str], step: StepSpan | None, check: Callable[[], None]) -> Scan | None:
    """The scan of a log, whose lines include their line breaks. With a step, only its lines are read, up to its last
    error; otherwise the log up to the first closing error. `check` is called for each line. Null without a line."""
    scanner = _Scanner(step)
    for number, raw in enumerate(lines, 1):
        check()
        if scanner.add(number, raw):
            break
    return scanner.result()


class StepWindow:
    """Selects the lines of a step by their times; all lines without a step. `is_over`: the last line is later than the
    step."""

    def __init__(self, step: StepSpan | None) -> None:
        self._step, self._within = step, step is None
        self.is_over = False

    def contains(self, raw: str) -> bool:
        """Whether a line is of the step. Lines without a time are of the step of the line before."""
        if self._step is None:
            return True
        stamp = raw.removeprefix("\ufeff")[:20]
        if len(stamp) == 20 and stamp[10] == "T" and stamp[19] in ".Z" and stamp[:4].isdigit():
            first, last = self._step
            self.is_over = stamp[:19] > last
            self._within = first <= stamp[:19] <= last
        return self._within


class _Scanner:
    def __init__(self, step: StepSpan | None) -> None:
        self._step = step
        self._window = StepWindow(step)
        self._earlier: deque[str] = deque(maxlen=_EARLIER_LINES)
        self._regions: list[Region] = []
        self._region = Region(1)
        self._header: list[tuple[int, str, str]] | None = None
        self._after = 0
        self._open: list[int] = []
        self._recent: deque[tuple[int, str]] = deque(maxlen=14)

    def add(self, number: int, raw: str) -> bool:
        """Whether no later line is of interest."""
        if not self._window.contains(raw):
            if not self._window.is_over:
                self._earlier.append(raw[:_EARLIER_CHARS])
            return self._window.is_over
        line = clean_line(raw)
        self._hide_overwritten(number, raw, line)
        if self._header is not None:
            return self._add_to_header(self._header, number, raw, line)
        if line.startswith(RUN_HEADER):
            self._header = [(number, raw, line)]
            return False
        return self._add_output(number, line)

    def result(self) -> Scan | None:
        self._end_header()
        regions = [*self._regions, self._region]
        failed = [index for index, region in enumerate(regions) if region.error_number is not None]
        index = failed[-1] if failed else next(
            (index for index in reversed(range(len(regions))) if regions[index].has_output), len(regions) - 1
        )  # fmt: skip
        region = regions[index]
        if not region.end_number:
            return None
        before = regions[index - 1] if index else None
        is_closed = region.error_number is not None
        end = region.error_number or region.end_number
        return Scan(region, before, end, region.error_line, is_closed, tuple(self._earlier))

    def _hide_overwritten(self, number: int, raw: str, line: str) -> None:
        if self._open and (line.strip() or terminal.erases_line(raw)):
            for overwritten in reversed(self._open):
                self._region.drop(overwritten)
            self._open = []
        if raw.endswith("\r"):
            self._open = [*self._open[-20:], number]
        else:
            self._open = []

    def _add_to_header(self, header: list[tuple[int, str, str]], number: int, raw: str, line: str) -> bool:
        """Lines of a group that may be the header of a part of the step, which quotes the script."""
        header.append((number, raw, line))
        if line.startswith("##[endgroup]") and is_genuine_header(header):
            self._start_region(number)
            self._header = None
        elif line.startswith(("##[endgroup]", "##[group]", ERROR_MARK)) or len(header) > _MAX_HEADER_LINES:
            return self._end_header()
        return False

    def _end_header(self) -> bool:
        lines, self._header = self._header or [], None
        ends = [self._add_output(number, line) for number, _, line in lines]
        return any(ends)

    def _start_region(self, number: int) -> None:
        if self._region.has_output or self._region.error_number is not None:
            failed = [region for region in self._regions if region.error_number is not None]
            # The last region with an error, the one before it, and the newest one are sufficient.
            self._regions = [*self._regions[-2:], self._region] if not failed else [*self._regions[-3:], self._region]
        self._region = Region(number + 1, end_number=0)

    def _add_output(self, number: int, line: str) -> bool:
        region = self._region
        if not line.strip():
            region.end_number = region.end_number or number
            self._after -= self._after > 0
            return False
        region.end_number = number
        if line.startswith(ERROR_MARK):
            region.error_number, region.error_line = number, line
            region.add(number, line)
            self._after = _LINES_AFTER
            return self._step is None and CLOSING.match(line) is not None
        region.has_output = True
        region.last.append((number, line))
        if _EXIT.match(line):
            region.printed = region.printed or self._printed_before_exit()
        self._recent.append((number, line))
        if is_candidate(line):
            self._after = _LINES_AFTER
            region.add(number, line)
        elif self._after:
            self._after -= 1
            region.context.add(number)
            region.add(number, line)
        return False

    def _printed_before_exit(self) -> tuple[int, str] | None:
        """In the trace of a shell: the line that the script printed with `echo` before `exit 1`."""
        recent = list(self._recent)[-12:]
        for (_, trace), (number, line) in pairwise(recent):
            echo = _ECHO.match(trace)
            if echo and trace[echo.end() :] in (line, f"'{line}'", f'"{line}"') and _WORD.search(line):
                return number, line
        return None


def is_genuine_header(header: list[tuple[int, str, str]]) -> bool:
    """Whether a group is a header of the runner, which quotes a script or the inputs of an action, and not a group
    that a script opened."""
    quoted = header[1:-1]
    return len(quoted) <= 2 or any(
        _SCRIPT_COLOR in raw or line.startswith(("shell: ", "with:", "env:")) for _, raw, line in quoted
    )
