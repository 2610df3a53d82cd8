"""Queries of a search: what they require of the index, and their matches in the text of a log. Pure."""

import time
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.regular_expressions import Expression, InvalidExpression
from core.text import CONTROL_CHARACTERS
from health.log_search.expressions import required_literals
from health.log_search.trigrams import Trigrams, fold, searchable_text, trigrams_of

MAX_LENGTH = 200
# Matching lines of one log that are counted, and positions of one line that are marked.
MAX_LINES, _MAX_SPANS = 1_000, 50
# Characters of a line in a result, and of them before its first match.
SHOWN_CHARACTERS, _BEFORE_MATCH = 400, 80
# Expressions are matched in parts of this number of bytes, so that the time limit is checked in between.
_PART_BYTES = 1 << 13


class InvalidQuery(ValueError):
    """The message is one line for users."""


@dataclass(frozen=True)
class MatchingLine:
    """`number` counts from 1. `text` is the line, or of a long line SHOWN_CHARACTERS around the first match, which
    begin `offset` characters after its start. `spans`: start and end of each match, in characters of `text`."""

    number: int
    text: str
    offset: int
    spans: tuple[tuple[int, int], ...]
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True)
class Matches:
    """`count`: matching lines, at most MAX_LINES. `is_complete`: false if there can be more, or if the time was up."""

    count: int
    lines: tuple[MatchingLine, ...]
    is_complete: bool


class LogQuery:
    """A literal text or a regular expression. `alternatives`: a matching log has all trigrams of at least one; empty:
    the index cannot exclude any log."""

    def __init__(self, text: str, *, is_expression: bool, case_sensitive: bool) -> None:
        """Raises InvalidQuery."""
        self.text, self.is_expression, self.case_sensitive = text, is_expression, case_sensitive
        self._expression: Expression | None = None
        if is_expression:
            try:
                self._expression = Expression(text, case_sensitive=case_sensitive)
            except InvalidExpression as error:
                raise InvalidQuery(str(error)) from None
            if self._expression.matches_empty():
                raise InvalidQuery("the expression matches every line; make at least one part of it mandatory")
            literals = [[fold(literal) for literal in parts] for parts in required_literals(text)]
        else:
            if not text.strip() or len(text) > MAX_LENGTH:
                raise InvalidQuery(f"expected 1 to {MAX_LENGTH} characters that are not blank; got {len(text)}")
            if CONTROL_CHARACTERS.search(text.replace("\t", " ")):
                raise InvalidQuery("the text contains characters that cannot be searched for")
            literals = [[fold(text)]]
        self.alternatives = _trigram_alternatives(literals)

    def matches(self, text: str, *, lines: int, context: int, deadline: float) -> Matches:
        """The first `lines` matching lines of a log, with `context` lines around each. Ends at `deadline`, a time of
        time.monotonic()."""
        log = _SearchedLog(searchable_text(text))
        shown: list[MatchingLine] = []
        count = 0
        for number, spans in self._matching_lines(log, deadline):
            if number < 0 or count == MAX_LINES:
                return Matches(count, tuple(shown), is_complete=False)
            count += 1
            if count <= lines:
                shown.append(log.line(number, spans, context))
        return Matches(count, tuple(shown), is_complete=True)

    def _matching_lines(self, log: "_SearchedLog", deadline: float) -> Iterator[tuple[int, list[tuple[int, int]]]]:
        """Index and spans of each matching line; the index -1 where the time is up."""
        if self._expression is not None:
            yield from _expression_lines(log, self._expression, deadline)
            return
        needle = self.text if self.case_sensitive else fold(self.text)
        haystack = log.text if self.case_sensitive else fold(log.text)
        at = haystack.find(needle)
        while at >= 0:
            index = log.line_at(at)
            start, end = log.bounds(index)
            spans = []
            while 0 <= at < end:
                spans.append((at - start, at - start + len(needle)))
                at = haystack.find(needle, at + len(needle))
            yield index, spans


class _SearchedLog:
    def __init__(self, text: str) -> None:
        self.text = text
        self._starts: list[int] | None = None

    @property
    def starts(self) -> list[int]:
        """The offset of each line, and the end of the text as if another line followed."""
        if self._starts is None:
            self._starts = [0]
            at = self.text.find("\n")
            while at >= 0:
                self._starts.append(at + 1)
                at = self.text.find("\n", at + 1)
            self._starts.append(len(self.text) + 1)
        return self._starts

    def line_at(self, offset: int) -> int:
        return bisect_right(self.starts, offset) - 1

    def bounds(self, index: int) -> tuple[int, int]:
        return self.starts[index], self.starts[index + 1] - 1

    def line(self, index: int, spans: list[tuple[int, int]], context: int) -> MatchingLine:
        start, end = self.bounds(index)
        offset = 0
        if end - start > SHOWN_CHARACTERS:
            offset = max(min(spans[0][0] - _BEFORE_MATCH, end - start - SHOWN_CHARACTERS), 0)
        shown = self.text[start + offset : min(end, start + offset + SHOWN_CHARACTERS)]
        inside = ((max(first - offset, 0), min(last - offset, len(shown))) for first, last in spans[:_MAX_SPANS])
        return MatchingLine(
            number=index + 1,
            text=shown,
            offset=offset,
            spans=tuple((first, last) for first, last in inside if first < last),
            before=tuple(self._context(number) for number in range(max(index - context, 0), index)),
            after=tuple(self._context(number) for number in range(index + 1, min(index + 1 + context, self._lines()))),
        )

    def _lines(self) -> int:
        return len(self.starts) - 1

    def _context(self, index: int) -> str:
        start, end = self.bounds(index)
        return self.text[start : min(end, start + SHOWN_CHARACTERS)]


def _expression_lines(
    log: _SearchedLog, expression: Expression, deadline: float
) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    data, part_start = log.text.encode("utf-8", "replace"), 0
    lines_before = 0
    while part_start < len(data):
        if time.monotonic() >= deadline:
            yield -1, []
            return
        part_end = data.find(b"\n", part_start + _PART_BYTES)
        part = data[part_start : part_end + 1 if part_end >= 0 else len(data)]
        breaks = np.flatnonzero(np.frombuffer(part, np.uint8) == ord("\n"))
        current, spans = -1, list[tuple[int, int]]()
        for first, end in expression.spans(part):
            if time.monotonic() >= deadline:
                if spans:
                    yield lines_before + current, _in_characters(part, breaks, current, spans)
                yield -1, []
                return
            if end == first:
                continue
            index = int(np.searchsorted(breaks, first))
            if index != current:
                if spans:
                    yield lines_before + current, _in_characters(part, breaks, current, spans)
                current, spans = index, []
            if len(spans) < _MAX_SPANS:
                spans.append((first, end))
        if spans:
            yield lines_before + current, _in_characters(part, breaks, current, spans)
        part_start += len(part)
        lines_before += len(breaks)


def _in_characters(
    part: bytes, breaks: NDArray[np.intp], index: int, spans: list[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Spans in bytes of a part as spans in characters of their line."""
    start = int(breaks[index - 1]) + 1 if index else 0
    return [
        (len(part[start:first].decode("utf-8", "replace")), len(part[start:end].decode("utf-8", "replace")))
        for first, end in spans
    ]


def _trigram_alternatives(literals: list[list[str]]) -> list[Trigrams]:
    """Empty if the literals of an alternative have no trigram."""
    alternatives = [
        np.unique(np.concatenate([trigrams_of(literal) for literal in parts])) if parts else np.empty(0, np.uint32)
        for parts in literals
    ]
    return alternatives if all(len(trigrams) for trigrams in alternatives) else []
