"""Differences between two logs. Pure.

Lines are compared without times, durations, hashes and other numbers of a run. The comparison follows patience diff
(Bram Cohen): lines that occur once in both logs and in the same order are matched first, and the parts between them in
the same way. Parts that have no such line are compared line by line if they are small, and are otherwise different as a
whole. The time is therefore at most proportional to n log n in the number of lines, whatever they contain.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.logs.index import TIMESTAMP
from core.terminal import visible_text

# The last lines of each log, which are read, and lines that are compared after the equal ones at both ends.
MAX_LINES, MAX_COMPARED = 50_000, 20_000
# Rows of the result, equal lines around a difference, and characters of a line that the result contains.
MAX_ROWS, _CONTEXT, _MAX_TEXT = 1_500, 3, 500
# Characters of a line that are compared, and that are read before escape sequences are removed.
_MAX_LENGTH, _MAX_RAW = 400, 2_000
_PREFIX = re.compile(
    rf"^(?:{TIMESTAMP})?(?:##\[(?:error|warning|notice|debug|command|section|group|endgroup)\])?", re.MULTILINE
)
# Product of the lengths of two parts that are compared line by line.
_MAX_CELLS = 4_096
# Nested parts: the parts of one level have no line in common, so that each level costs as much as the first.
_MAX_DEPTH = 12
_DURATION = r"\d+(?:[.,]\d+)? ?(?:ns|µs|us|ms|s|secs?|seconds?|min|mins|minutes?|m|h|hours?)"
_VARIABLES = (
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"), "<time>"),
    (re.compile(r"\b\d{1,2}:\d\d:\d\d(?:[.,]\d+)?\b"), "<time>"),
    (re.compile(rf"\b{_DURATION}(?: {_DURATION}){{0,3}}\b"), "<duration>"),
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE), "<hash>"),
    (re.compile(r"\b(?=[0-9a-f]{0,63}\d)(?=[0-9a-f]{0,63}[a-f])[0-9a-f]{7,64}\b", re.IGNORECASE), "<hash>"),
)


@dataclass(frozen=True)
class Part:
    """Lines [first_a, last_a) of one log and [first_b, last_b) of the other, counted from 0. In an equal part both have
    the same number of lines."""

    equal: bool
    first_a: int
    last_a: int
    first_b: int
    last_b: int


@dataclass(frozen=True)
class DiffLine:
    """A line of one log, without time and colours. `number` counts from 1."""

    number: int
    text: str


@dataclass(frozen=True)
class DiffRow:
    """Lines beside each other; null where a log has no line there."""

    equal: bool
    a: DiffLine | None
    b: DiffLine | None


@dataclass(frozen=True)
class Fold:
    """Equal lines that are left out: `count` lines from these numbers on."""

    count: int
    first_a: int
    first_b: int


@dataclass(frozen=True)
class LogDiff:
    """The differences of two logs in order, with the equal lines around them. `changed` is the number of all different
    lines, and `omitted` of those that are not in `rows`. `truncated`: lines beyond the limits were not compared."""

    rows: list[DiffRow | Fold]
    changed: int
    omitted: int
    truncated: bool


def diff_logs(text_a: str, text_b: str) -> LogDiff:
    """`text_a`, `text_b`: logs as GitHub wrote them."""
    (lines_a, skipped_a), (lines_b, skipped_b) = _lines(text_a), _lines(text_b)
    parts, is_partial = compare_lines(_keys(lines_a), _keys(lines_b))
    changed = sum(_length(part) for part in parts if not part.equal)
    rows, shown = _rows(parts, _Side(lines_a, skipped_a), _Side(lines_b, skipped_b))
    return LogDiff(rows, changed, changed - shown, bool(skipped_a or skipped_b) or is_partial)


@dataclass(frozen=True)
class _Side:
    """The lines of a log after the first `skipped` ones."""

    lines: list[str]
    skipped: int

    def line(self, index: int) -> DiffLine:
        return DiffLine(self.number(index), self.lines[index][:_MAX_TEXT])

    def number(self, index: int) -> int:
        return self.skipped + index + 1


def _length(part: Part) -> int:
    return max(part.last_a - part.first_a, part.last_b - part.first_b)


def _rows(parts: Sequence[Part], a: _Side, b: _Side) -> tuple[list[DiffRow | Fold], int]:
    """The rows, and the number of different lines among them."""
    rows: list[DiffRow | Fold] = []
    shown = 0
    for index, part in enumerate(parts):
        length = _length(part)
        if part.equal:
            before = _CONTEXT if index else 0
            after = _CONTEXT if index + 1 < len(parts) else 0
            folded = length - before - after
            if folded <= 1:
                rows += _pairs(part, 0, length, a, b)
                continue
            rows += _pairs(part, 0, before, a, b)
            rows.append(Fold(folded, a.number(part.first_a + before), b.number(part.first_b + before)))
            rows += _pairs(part, length - after, length, a, b)
        else:
            count = min(length, MAX_ROWS - len(rows))
            rows += _pairs(part, 0, count, a, b)
            shown += count
            if count < length:
                break
        if len(rows) >= MAX_ROWS:
            break
    return rows, shown


def _pairs(part: Part, first: int, last: int, a: _Side, b: _Side) -> Iterator[DiffRow]:
    for offset in range(first, last):
        at_a, at_b = part.first_a + offset, part.first_b + offset
        yield DiffRow(
            part.equal,
            a.line(at_a) if at_a < part.last_a else None,
            b.line(at_b) if at_b < part.last_b else None,
        )


def changed_span(line_a: str, line_b: str) -> tuple[int, int, int]:
    """(length of the common start, end of the difference in the first line, end of the difference in the second)."""
    limit = min(len(line_a), len(line_b))
    start = next((at for at in range(limit) if line_a[at] != line_b[at]), limit)
    rest = limit - start
    tail = next((at for at in range(rest) if line_a[-1 - at] != line_b[-1 - at]), rest)
    return start, len(line_a) - tail, len(line_b) - tail


def _lines(text: str) -> tuple[list[str], int]:
    """The last lines without times, marks of the runner and colours, and the number of lines before them."""
    raw = text.splitlines()
    skipped = max(len(raw) - MAX_LINES, 0)
    # All lines at once: one call a line and expression takes several times as long.
    joined = "\n".join(line[:_MAX_RAW] for line in raw[skipped:])
    return visible_text(_PREFIX.sub("", joined)).split("\n"), skipped


def _keys(lines: Sequence[str]) -> list[str]:
    """What is compared of the lines."""
    text = "\n".join(line[:_MAX_LENGTH].rstrip() for line in lines)
    for pattern, mask in _VARIABLES:
        text = pattern.sub(mask, text)
    return text.split("\n")


def compare_lines(a: Sequence[str], b: Sequence[str]) -> tuple[list[Part], bool]:
    """The equal and different parts of two lists of lines, and whether some lines were not compared."""
    start = _common_start(a, b, 0, len(a), 0, len(b))
    tail = _common_end(a, b, start, len(a), start, len(b))
    end_a, end_b = len(a) - tail, len(b) - tail
    stop_a, stop_b = min(end_a, start + MAX_COMPARED), min(end_b, start + MAX_COMPARED)
    matches = [(at, at) for at in range(start)]
    matches += _match(a, b, start, stop_a, start, stop_b, 0)
    matches += [(end_a + at, end_b + at) for at in range(tail)]
    return list(_parts(matches, len(a), len(b))), stop_a < end_a or stop_b < end_b


def _common_start(a: Sequence[str], b: Sequence[str], low_a: int, high_a: int, low_b: int, high_b: int) -> int:
    length, limit = 0, min(high_a - low_a, high_b - low_b)
    while length < limit and a[low_a + length] == b[low_b + length]:
        length += 1
    return length


def _common_end(a: Sequence[str], b: Sequence[str], low_a: int, high_a: int, low_b: int, high_b: int) -> int:
    length, limit = 0, min(high_a - low_a, high_b - low_b)
    while length < limit and a[high_a - 1 - length] == b[high_b - 1 - length]:
        length += 1
    return length


def _match(
    a: Sequence[str], b: Sequence[str], low_a: int, high_a: int, low_b: int, high_b: int, depth: int
) -> list[tuple[int, int]]:
    """Pairs of indices of equal lines, ascending in both."""
    start = _common_start(a, b, low_a, high_a, low_b, high_b)
    matches = [(low_a + at, low_b + at) for at in range(start)]
    low_a, low_b = low_a + start, low_b + start
    tail = _common_end(a, b, low_a, high_a, low_b, high_b)
    high_a, high_b = high_a - tail, high_b - tail
    if low_a < high_a and low_b < high_b:
        if (high_a - low_a) * (high_b - low_b) <= _MAX_CELLS:
            matches += _longest_common(a, b, low_a, high_a, low_b, high_b)
        elif depth < _MAX_DEPTH:
            previous_a, previous_b = low_a, low_b
            for at_a, at_b in [*_anchors(a, b, low_a, high_a, low_b, high_b), (high_a, high_b)]:
                if (previous_a, previous_b, at_a, at_b) != (low_a, low_b, high_a, high_b):
                    matches += _match(a, b, previous_a, at_a, previous_b, at_b, depth + 1)
                if at_a < high_a:
                    matches.append((at_a, at_b))
                previous_a, previous_b = at_a + 1, at_b + 1
    return matches + [(high_a + at, high_b + at) for at in range(tail)]


def _anchors(
    a: Sequence[str], b: Sequence[str], low_a: int, high_a: int, low_b: int, high_b: int
) -> list[tuple[int, int]]:
    """The longest ascending sequence of lines that occur once in both parts."""
    count_a, count_b = Counter(a[low_a:high_a]), Counter(b[low_b:high_b])
    position = {b[at]: at for at in range(low_b, high_b) if count_b[b[at]] == 1}
    pairs = [(at, position[a[at]]) for at in range(low_a, high_a) if count_a[a[at]] == 1 and a[at] in position]
    tops: list[int] = []
    ends: list[int] = []
    previous: list[int] = []
    for index, (_, at_b) in enumerate(pairs):
        place = bisect_left(tops, at_b)
        previous.append(ends[place - 1] if place else -1)
        if place == len(tops):
            tops.append(at_b)
            ends.append(index)
        else:
            tops[place], ends[place] = at_b, index
    sequence: list[tuple[int, int]] = []
    index = ends[-1] if ends else -1
    while index >= 0:
        sequence.append(pairs[index])
        index = previous[index]
    return sequence[::-1]


def _longest_common(
    a: Sequence[str], b: Sequence[str], low_a: int, high_a: int, low_b: int, high_b: int
) -> list[tuple[int, int]]:
    """The longest common subsequence by dynamic programming."""
    height, width = high_a - low_a, high_b - low_b
    table = [[0] * (width + 1) for _ in range(height + 1)]
    for row in range(height - 1, -1, -1):
        for column in range(width - 1, -1, -1):
            table[row][column] = (
                table[row + 1][column + 1] + 1
                if a[low_a + row] == b[low_b + column]
                else max(table[row + 1][column], table[row][column + 1])
            )
    matches, row, column = [], 0, 0
    while row < height and column < width:
        if a[low_a + row] == b[low_b + column]:
            matches.append((low_a + row, low_b + column))
            row, column = row + 1, column + 1
        elif table[row + 1][column] >= table[row][column + 1]:
            row += 1
        else:
            column += 1
    return matches


def _parts(matches: Sequence[tuple[int, int]], length_a: int, length_b: int) -> Iterator[Part]:
    at_a = at_b = 0
    index = 0
    while index < len(matches):
        first_a, first_b = matches[index]
        if first_a > at_a or first_b > at_b:
            yield Part(False, at_a, first_a, at_b, first_b)
        last = index
        while last + 1 < len(matches) and matches[last + 1] == (matches[last][0] + 1, matches[last][1] + 1):
            last += 1
        at_a, at_b = matches[last][0] + 1, matches[last][1] + 1
        yield Part(True, first_a, at_a, first_b, at_b)
        index = last + 1
    if at_a < length_a or at_b < length_b:
        yield Part(False, at_a, length_a, at_b, length_b)
