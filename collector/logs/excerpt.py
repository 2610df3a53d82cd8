"""The excerpt of a failed job's log: the lines around the cause of the failure. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from collector.logs.cause_line import CpuBudget, find_cause_line
from collector.logs.patterns import CANCELED, CLOSING
from core import terminal

LINES_BEFORE, LINES_AFTER = 24, 8
# If the step ends within this number of lines after the cause, the excerpt extends to its end.
LOOKBACK_LINES = 40
MAX_LINE_LENGTH = 2_000
SEARCHED_LINES = 4_000
_BYTES_SEARCHED = 1_000_000
_BYTES_AFTER, _CHUNK_BYTES = 65_536, 65_536

_TIMESTAMP = re.compile(r"^\ufeff?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z ?\ufeff?")
_ERROR = "##[error]"
_TIMESTAMPED = re.compile(rb"^(?:\xef\xbb\xbf)?(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d+Z ?", re.MULTILINE)
# Lines with which the next step or the clean-up begins.
_NEXT_STEP = re.compile(rb"##\[group\]Run |Post job cleanup\.|Cleaning up orphan processes")
# Start and end of the failed step, in ISO 8601, UTC, to the second.
StepSpan = tuple[str, str]


@dataclass(frozen=True)
class LogExcerpt:
    """`first_line`: the line number in the log, from 1. `error_line`: the cause in one line; null if no line is
    plausible. `is_fallback`: no rule matches it; it is the last output of the step, or a notice that it was cancelled.
    `closing`: the runner's last line of the failed step; null if there is none, as after a lost runner."""

    first_line: int
    lines: tuple[str, ...]
    error_line: str | None
    closing: str | None = None
    is_fallback: bool = False


def plain_line(line: str) -> str:
    """The line as a terminal shows it, without the runner's timestamp."""
    return terminal.rendered_line(_TIMESTAMP.sub("", line)).rstrip()


def excerpt_lines(lines: Sequence[str], step: StepSpan | None = None) -> LogExcerpt:
    """As `excerpt_text`, for the lines of a log."""
    return excerpt_text("\n".join(lines).encode(), step)


def excerpt_text(text: bytes | bytearray, step: StepSpan | None = None, budget: CpuBudget | None = None) -> LogExcerpt:
    """The excerpt of a log in UTF-8 with \\n between lines. Decodes only the last 4,000 lines up to the end of the
    failed `step` (without one: up to the first closing error); the clean-up follows there. Raises CpuBudgetExceeded."""
    budget = budget or CpuBudget()
    position, closed = _end_of_step(text, step, budget)
    start = _lines_back(text, position, SEARCHED_LINES, max(position - _BYTES_SEARCHED, 0))
    stop = _lines_on(text, position, 200, min(position + _BYTES_AFTER, len(text)))
    before, rest = _split_lines(text[start:position]), _split_lines(text[position:stop])
    raw = [*before, *rest[: LOOKBACK_LINES + LINES_AFTER]]
    if not raw:
        return LogExcerpt(1, (), None)
    end = len(before) if rest else len(before) - 1
    lines = _plain_lines(raw, budget)
    hidden = terminal.overwritten_indices(raw, budget.step) if any(line.endswith("\r") for line in raw) else set()
    begin = _start_of_step(raw, lines, end, step)
    cause = find_cause_line(lines, begin, end, closed=closed, hidden=hidden, budget=budget)
    focus = cause.index if cause else end
    first = max(focus - LINES_BEFORE, 0)
    last = end if focus <= end <= focus + LOOKBACK_LINES else focus
    return LogExcerpt(
        _count(text, start, budget) + first + 1,
        tuple(lines[first : last + LINES_AFTER + 1]),
        _display_line(lines[cause.index]) if cause else None,
        _display_line(lines[end]) if CLOSING.match(lines[end]) else None,
        is_fallback=cause.is_fallback if cause else False,
    )


def is_closing(line: str) -> bool:
    """Whether a line only reports an end without a reason. A cancellation is a reason."""
    marked = line if line.startswith(_ERROR) else _ERROR + line
    return bool(CLOSING.match(marked)) and not CANCELED.match(marked)


def is_canceled(line: str) -> bool:
    """Whether a line reports a cancellation."""
    return bool(CANCELED.match(line if line.startswith(_ERROR) else _ERROR + line))


def _plain_lines(raw: Sequence[str], budget: CpuBudget) -> list[str]:
    lines = []
    for line in raw:
        budget.step()
        lines.append(plain_line(line[: MAX_LINE_LENGTH * 4])[:MAX_LINE_LENGTH])
    return lines


def _end_of_step(text: bytes | bytearray, step: StepSpan | None, budget: CpuBudget) -> tuple[int, bool]:
    """The position of the line that ends the failed step, and whether that is an error of the runner: the first closing
    error of the step; else its last error, its last line, the first closing error of the log, or the end of the log."""
    first = error = None
    for begin, line in _error_lines(text):
        budget.step()
        within = step is not None and _is_within(line, step)
        if CLOSING.match(plain_line(line)):
            if step is None or within:
                return begin, True
            first = begin if first is None else first
        elif within:
            error = begin
    if error is not None:
        return error, True
    last = _last_line(text, step, budget) if step is not None else None
    if last is not None:
        return last, False
    return (first, True) if first is not None else (len(text), False)


def _error_lines(text: bytes | bytearray) -> Iterator[tuple[int, str]]:
    """Lines with the runner's error mark, and their positions."""
    mark = _ERROR.encode()
    position = text.find(mark)
    while position >= 0:
        begin = text.rfind(b"\n", 0, position) + 1
        end = text.find(b"\n", position)
        end = end if end >= 0 else len(text)
        yield begin, text[begin : min(end, begin + MAX_LINE_LENGTH)].decode("utf-8", "replace")
        position = text.find(mark, end)


def _last_line(text: bytes | bytearray, step: StepSpan, budget: CpuBudget) -> int | None:
    """The position of the last line with a time within the step. In its last second the next step may have begun."""
    last, headers = None, 0
    for match in _TIMESTAMPED.finditer(text):
        budget.step()
        stamp = match[1].decode()
        if stamp > step[1]:
            break
        if stamp >= step[0]:
            next_begins = _NEXT_STEP.match(text, match.end()) is not None
            if next_begins and headers and stamp == step[1]:
                break
            headers += next_begins
            last = match.start()
    return last


def _split_lines(text: bytes | bytearray) -> list[str]:
    return text.decode("utf-8", "replace").splitlines(keepends=True)


def _is_within(line: str, step: StepSpan) -> bool:
    return step[0] <= line.lstrip("\ufeff")[:19] <= step[1]


def _lines_back(text: bytes | bytearray, end: int, count: int, limit: int) -> int:
    """The position of the line `count` lines before `end`, at the earliest the first complete line after `limit`."""
    position = end
    for _ in range(count):
        line_end = text.rfind(b"\n", limit, max(position - 1, limit))
        if line_end < 0:
            return limit if limit == 0 else position
        position = line_end + 1
    return position


def _lines_on(text: bytes | bytearray, begin: int, count: int, limit: int) -> int:
    position = begin
    for _ in range(count):
        line_end = text.find(b"\n", position, limit)
        if line_end < 0:
            return limit
        position = line_end + 1
    return position


def _count(text: bytes | bytearray, stop: int, budget: CpuBudget) -> int:
    """The number of lines before `stop`, the start of a line, as str.splitlines counts them."""
    total = position = 0
    while position < stop:
        budget.check()
        end = text.find(b"\n", min(position + _CHUNK_BYTES, stop) - 1, stop) + 1 or stop
        total += len(text[position:end].decode("utf-8", "replace").splitlines())
        position = end
    return total


def _start_of_step(raw: Sequence[str], lines: Sequence[str], end: int, step: StepSpan | None) -> int:
    """The index after the header of the last `##[group]Run …` before the end, and not before the start time of the
    step. The header quotes the script, which may contain any word."""
    begin = 0
    if step is not None and _is_within(raw[end], step):
        begin = next((index for index, line in enumerate(raw[: end + 1]) if _is_within(line, step)), 0)
    for index in range(end, begin - 1, -1):
        if lines[index].startswith("##[group]Run "):
            header = range(index, min(index + 200, end))
            return next((line + 1 for line in header if lines[line].startswith("##[endgroup]")), index + 1)
    return begin


def _display_line(line: str) -> str:
    return line.removeprefix(_ERROR).strip()[:500]
