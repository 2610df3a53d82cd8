"""The output of the failed step of a job, as the log search shows it: what own rules are matched with. Pure."""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from core.terminal import visible_text
from health.insights.causes.families.generic import CLOSING
from health.insights.causes.lines import ERROR_MARK, MAX_LINE_LENGTH, without_time
from health.insights.causes.scan import RUN_HEADER, StepSpan, StepWindow, is_genuine_header
from health.log_search.trigrams import fold

# The bounds of the extraction: lines and characters from the start and from the end of the step.
_HEAD_LINES, _TAIL_LINES = 14_000, 6_000
_HEAD_CHARS, _TAIL_CHARS = 3_000_000, 2_000_000
_MAX_HEADER_LINES = 200
# Escape sequences are removed after the cut.
_RAW_LENGTH = 4 * MAX_LINE_LENGTH


NumberedLine = tuple[int | None, str]


@dataclass(frozen=True)
class StepOutput:
    """Lines without times and colours, each with its number in the log, from 1; null for a line of another source."""

    lines: tuple[NumberedLine, ...]

    def with_lines(self, lines: Iterable[str]) -> "StepOutput":
        """The output followed by further lines, such as annotations."""
        return StepOutput((*self.lines, *((None, _shown(line)) for line in lines)))

    @cached_property
    def folded(self) -> str:
        """The lines in lower case, for texts."""
        return fold("\n".join(line for _, line in self.lines))

    @cached_property
    def encoded(self) -> bytes:
        """The lines in UTF-8, for expressions."""
        return "\n".join(line for _, line in self.lines).encode("utf-8", "replace")

    def at_character(self, offset: int) -> NumberedLine:
        """The line at an offset of `folded`."""
        return self.lines[bisect_right(self._character_starts, offset) - 1]

    def at_byte(self, offset: int) -> NumberedLine:
        """The line at an offset of `encoded`."""
        return self.lines[self.encoded.count(b"\n", 0, offset)]

    @cached_property
    def _character_starts(self) -> list[int]:
        starts, start = [], 0
        for _, line in self.lines:
            starts.append(start)
            start += len(line) + 1
        return starts


def output_of_lines(lines: Sequence[str], first_line: int = 1) -> StepOutput:
    """The output that an excerpt stands for when the text of the log is deleted."""
    return StepOutput(tuple(enumerate((_shown(line) for line in lines), first_line)))


def step_output(lines: Sequence[str], step: StepSpan | None, check: Callable[[], None]) -> StepOutput:
    """The output of the failed step up to its last error, without the headers that quote its script. Without a step, or
    if no line has a time within it, the part up to the first closing error. `lines` may include their line breaks;
    `check` is called for each and may raise to interrupt the work."""
    output = _read(lines, step, check)
    return _read(lines, None, check) if step is not None and not output.lines else output


def _read(lines: Sequence[str], step: StepSpan | None, check: Callable[[], None]) -> StepOutput:
    window = StepWindow(step)
    output = _Output()
    header: list[tuple[int, str, str]] = []
    last_error: int | None = None
    for number, raw in enumerate(lines, 1):
        check()
        if not window.contains(raw):
            if window.is_over:
                break
            continue
        line = _shown(raw)
        if line.startswith(ERROR_MARK):
            last_error = number
        if header or line.startswith(RUN_HEADER):
            header.append((number, raw, line))
            if line.startswith("##[endgroup]") and is_genuine_header(header):
                header = []
            elif len(header) > 1 and (line.startswith(("##[", RUN_HEADER)) or len(header) > _MAX_HEADER_LINES):
                output.add_all(header)
                header = []
        else:
            output.add(number, line)
        if step is None and last_error == number and CLOSING.match(line):
            break
    output.add_all(header)
    return output.result(last_error)


class _Output:
    def __init__(self) -> None:
        self._head: list[tuple[int, str]] = []
        self._tail: deque[tuple[int, str]] = deque()
        self._head_chars = self._tail_chars = 0

    def add_all(self, header: Sequence[tuple[int, str, str]]) -> None:
        for number, _, line in header:
            self.add(number, line)

    def add(self, number: int, line: str) -> None:
        if len(self._head) < _HEAD_LINES and self._head_chars < _HEAD_CHARS and not self._tail:
            self._head.append((number, line))
            self._head_chars += len(line)
            return
        self._tail.append((number, line))
        self._tail_chars += len(line)
        while len(self._tail) > _TAIL_LINES or self._tail_chars > _TAIL_CHARS:
            self._tail_chars -= len(self._tail.popleft()[1])

    def result(self, last: int | None) -> StepOutput:
        lines = (*self._head, *self._tail)
        return StepOutput(lines if last is None else tuple(item for item in lines if item[0] <= last))


def _shown(line: str) -> str:
    return visible_text(without_time(line[:_RAW_LENGTH]).rstrip("\r\n"))[:MAX_LINE_LENGTH]
