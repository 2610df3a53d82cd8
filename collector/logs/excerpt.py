"""The line of a failed job's log that a person wants to see first, and what stands around it. Pure."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from collector.logs.cause_line import CpuBudget, find_cause_line
from collector.logs.patterns import CANCELED, CLOSING
from core import terminal

LINES_BEFORE, LINES_AFTER = 24, 8
# Where the end of the step follows this soon after the cause, the excerpt goes on to it.
LOOKBACK_LINES = 40
MAX_LINE_LENGTH = 2_000
SEARCHED_LINES = 4_000
_BYTES_SEARCHED = 1_000_000
_BYTES_AFTER, _CHUNK_BYTES = 65_536, 65_536

_TIMESTAMP = re.compile(r"^\ufeff?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z ?\ufeff?")
_ERROR = "##[error]"
_TIMESTAMPED = re.compile(rb"^(?:\xef\xbb\xbf)?(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d+Z ?", re.MULTILINE)
# With these lines the next step begins, or the job cleans up.
_NEXT_STEP = re.compile(rb"##\[group\]Run |Post job cleanup\.|Cleaning up orphan processes")


@dataclass(frozen=True)
class LogExcerpt:
    """`first_line` counts from 1 within the whole log; `error_line` is the text to show in one line, null where
    nothing looks like a cause. `weak`: no rule names it as one, it is the last thing that the step said, or that it was
    cancelled. `closing` is what the runner wrote at the end of the failed step, null where it wrote nothing: a runner
    that died does not."""

    first_line: int
    lines: tuple[str, ...]
    error_line: str | None
    closing: str | None = None
    is_fallback: bool = False


# When the failed step began and ended, as ISO 8601 in UTC to the second.
StepSpan = tuple[str, str]


def plain_line(line: str) -> str:
    """As a terminal shows it, without the runner's timestamp."""
    return terminal.rendered_line(_TIMESTAMP.sub("", line)).rstrip()


def excerpt_lines(lines: Sequence[str], step: StepSpan | None = None) -> LogExcerpt:
    """As `excerpt_of`, of the lines of a whole log."""
    return excerpt_text("\n".join(lines).encode(), step)


def excerpt_text(text: bytes | bytearray, step: StepSpan | None = None, budget: CpuBudget | None = None) -> LogExcerpt:
    """Of a whole log in UTF-8 with \\n between lines; decodes only what it looks at: the last 4,000 lines up to the end
    of the failed `step` (without one: up to the first closing error). What follows is cleaning up. Raises
    OverBudget."""
    budget = budget or CpuBudget()
    place, closed = _end_of_step(text, step, budget)
    start = _lines_back(text, place, SEARCHED_LINES, max(place - _BYTES_SEARCHED, 0))
    stop = _lines_on(text, place, 200, min(place + _BYTES_AFTER, len(text)))
    before, rest = _split_lines(text[start:place]), _split_lines(text[place:stop])
    raw = [*before, *rest[: LOOKBACK_LINES + LINES_AFTER]]
    if not raw:
        return LogExcerpt(1, (), None)
    end = len(before) if rest else len(before) - 1
    lines = _plain_lines(raw, budget)
    hidden = terminal.overwritten_indices(raw, budget.step) if any(line.endswith("\r") for line in raw) else set()
    begin = _start_of_step(raw, lines, end, step)
    chosen = find_cause_line(lines, begin, end, closed=closed, hidden=hidden, budget=budget)
    focus = chosen.index if chosen else end
    first = max(focus - LINES_BEFORE, 0)
    last = end if focus <= end <= focus + LOOKBACK_LINES else focus
    return LogExcerpt(
        _count(text, start, budget) + first + 1,
        tuple(lines[first : last + LINES_AFTER + 1]),
        _display_line(lines[chosen.index]) if chosen else None,
        _display_line(lines[end]) if CLOSING.match(lines[end]) else None,
        is_fallback=chosen.is_fallback if chosen else False,
    )


def is_closing(line: str) -> bool:
    """Whether a line only says that something ended, not why. Cancelling is a reason."""
    marked = line if line.startswith(_ERROR) else _ERROR + line
    return bool(CLOSING.match(marked)) and not CANCELED.match(marked)


def is_canceled(line: str) -> bool:
    """Whether a line says that something was cancelled, not why."""
    return bool(CANCELED.match(line if line.startswith(_ERROR) else _ERROR + line))


def _plain_lines(raw: Sequence[str], budget: CpuBudget) -> list[str]:
    found = []
    for line in raw:
        budget.step()
        found.append(plain_line(line[: MAX_LINE_LENGTH * 4])[:MAX_LINE_LENGTH])
    return found


def _end_of_step(text: bytes | bytearray, step: StepSpan | None, budget: CpuBudget) -> tuple[int, bool]:
    """Where the line begins that ends the failed step, and whether the runner closed it with an error: its first
    closing error; without one its last error, its last line, the first closing error of all, the end of the text."""
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
    """Lines with the runner's mark of an error, and where they begin."""
    mark = _ERROR.encode()
    place = text.find(mark)
    while place >= 0:
        begin = text.rfind(b"\n", 0, place) + 1
        end = text.find(b"\n", place)
        end = end if end >= 0 else len(text)
        yield begin, text[begin : min(end, begin + MAX_LINE_LENGTH)].decode("utf-8", "replace")
        place = text.find(mark, end)


def _last_line(text: bytes | bytearray, step: StepSpan, budget: CpuBudget) -> int | None:
    """Where the last line with a time within the step begins. In its last second the next step may have begun, too."""
    last, headers = None, 0
    for found in _TIMESTAMPED.finditer(text):
        budget.step()
        stamp = found[1].decode()
        if stamp > step[1]:
            break
        if stamp >= step[0]:
            next_begins = _NEXT_STEP.match(text, found.end()) is not None
            if next_begins and headers and stamp == step[1]:
                break
            headers += next_begins
            last = found.start()
    return last


def _split_lines(text: bytes | bytearray) -> list[str]:
    return text.decode("utf-8", "replace").splitlines(keepends=True)


def _is_within(line: str, step: StepSpan) -> bool:
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


def _count(text: bytes | bytearray, stop: int, budget: CpuBudget) -> int:
    """Lines before `stop`, as str.splitlines counts them for whoever shows the log; `stop` is the start of a line."""
    total = place = 0
    while place < stop:
        budget.check()
        end = text.find(b"\n", min(place + _CHUNK_BYTES, stop) - 1, stop) + 1 or stop
        total += len(text[place:end].decode("utf-8", "replace").splitlines())
        place = end
    return total


def _start_of_step(raw: Sequence[str], lines: Sequence[str], end: int, step: StepSpan | None) -> int:
    """Behind the header of the last `##[group]Run …` before the end (the header quotes the script, whose text may hold
    any word), and not before the step began by its times."""
    begin = 0
    if step is not None and _is_within(raw[end], step):
        begin = next((index for index, line in enumerate(raw[: end + 1]) if _is_within(line, step)), 0)
    for index in range(end, begin - 1, -1):
        if lines[index].startswith("##[group]Run "):
            header = range(index, min(index + 200, end))
            return next((at + 1 for at in header if lines[at].startswith("##[endgroup]")), index + 1)
    return begin


def _display_line(line: str) -> str:
    return line.removeprefix(_ERROR).strip()[:500]
