"""The lines of a log: times, kinds, groups, marks and search. Pure.

Lines are counted as str.splitlines does, like in excerpts.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import numpy as np

from app.logs.ansi import Style, strip_codes, styled_segments
from core.terminal import visible_text

TIMESTAMP = r"\ufeff?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z ?\ufeff?"
KINDS = ("error", "warning", "notice", "debug", "command", "section", "group", "endgroup")
# The length at which a line is cut in a window; the download has all of it.
MAX_LENGTH = 5_000
_TIMESTAMP = re.compile(TIMESTAMP)
# ISO 8601 times in UTC sort as text.
_STAMPED = re.compile(rb"^(?:\xef\xbb\xbf)?(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?=[.Z])", re.MULTILINE)
_KIND = re.compile(rf"(?:##)?\[({'|'.join(KINDS)})\]")
_KINDS_WITHOUT_HASHES = ("command",)
_MAX_SUMMARY_LENGTH = 200


@dataclass(frozen=True)
class Line:
    """`at`: milliseconds since 1970 UTC. `omitted`: number of characters that are not in `segments`."""

    at: int | None
    kind: str
    segments: list[tuple[str, Style]]
    omitted: int


def parse_line(raw: str) -> Line:
    timestamp, kind, body = _parts(raw)
    segments = styled_segments(body[:MAX_LENGTH])
    return Line(_milliseconds(timestamp), kind, segments, max(len(body) - MAX_LENGTH, 0))


def plain_text(raw: str) -> str:
    """The line without its time, kind and colours."""
    return strip_codes(_parts(raw)[2])


def summary(raw: str) -> str:
    """The beginning of a line, for the list of marks."""
    return plain_text(raw[: 10 * _MAX_SUMMARY_LENGTH]).strip()[:_MAX_SUMMARY_LENGTH]


def _parts(raw: str) -> tuple[str, str, str]:
    """(timestamp, kind, text)"""
    match = _TIMESTAMP.match(raw)
    timestamp = match[0] if match else ""
    body = raw[len(timestamp) :]
    kind = _KIND.match(body)
    if kind is None or (not body.startswith("##") and kind[1] not in _KINDS_WITHOUT_HASHES):
        return timestamp, "", body
    return timestamp, kind[1], body[kind.end() :]


def _milliseconds(timestamp: str) -> int | None:
    """GitHub's timestamps have seven digits of a second."""
    if not timestamp:
        return None
    seconds, _, fraction = timestamp.strip(" \ufeff").removesuffix("Z").partition(".")
    try:
        moment = datetime.fromisoformat(seconds).replace(tzinfo=UTC)
    except ValueError:
        return None
    return int(moment.timestamp()) * 1000 + int((fraction or "0")[:3].ljust(3, "0"))


# A page in a browser can be about 16 million pixels high.
MAX_LINES = 750_000
_MAX_GROUPS, _MAX_MARKS = 20_000, 1_000
_STAMP = TIMESTAMP.replace(r"\ufeff", r"(?:\xef\xbb\xbf)").encode()
# The mark, which is rare, is searched first and its position in the line checked afterwards: six times as fast as an
# expression that begins with the start of every line.
_MARKED = re.compile(rb"##\[(group|endgroup|error|warning)\]")
_BEFORE_MARK = re.compile(rb"(?:%s)?" % _STAMP)
_AT_START = re.compile(rb"^(?:%s)" % _STAMP, re.MULTILINE)


@dataclass(frozen=True)
class Mark:
    line: int
    kind: str
    text: str


@dataclass(frozen=True)
class SearchResult:
    """`lines`: the first of `count` matching lines. `is_partial`: counting stopped at its limit."""

    count: int
    lines: list[int]
    is_partial: bool


class LogIndex:
    """A log that is parsed once. `groups`: (first line, last line) of each group, which ends where the next one begins.
    Lines are numbered from 1."""

    def __init__(self, text: str) -> None:
        self._text = "\n".join(text.splitlines()).encode("utf-8", "replace")
        self._line_starts = _line_offsets(self._text)
        self.lines = len(self._line_starts) if self._text else 0
        self.groups: list[tuple[int, int]] = []
        self.marks: list[Mark] = []
        self.errors = self.warnings = 0
        self._read_marks()

    @property
    def size_bytes(self) -> int:
        """Memory in bytes, including what the first search adds."""
        return 2 * (len(self._text) + self._line_starts.nbytes)

    def window(self, first: int, count: int) -> list[Line]:
        return [parse_line(raw) for raw in self._raw(first, count)]

    def plain_lines(self) -> Iterator[str]:
        """Every line as plain text."""
        for first in range(1, self.lines + 1, 1_000):
            for raw in self._raw(first, 1_000):
                yield plain_text(raw)

    def search(self, query: str, *, limit: int, count_limit: int) -> SearchResult:
        """Case-insensitive. Returns up to `limit` lines that contain the text and counts up to `count_limit`."""
        needle, (text, starts) = query.lower().encode("utf-8", "replace"), self._search_text
        lines: list[int] = []
        offset, count = 0, 0
        while needle and (offset := text.find(needle, offset)) >= 0:
            if count == count_limit:
                return SearchResult(count, lines, is_partial=True)
            line = int(np.searchsorted(starts, offset, side="right"))
            count += 1
            if len(lines) < limit:
                lines.append(line)
            if line >= len(starts):
                break
            offset = int(starts[line])
        return SearchResult(count, lines, is_partial=False)

    def find_line(self, excerpt: Sequence[str], first: int, error_line: str | None) -> int | None:
        """The number of an excerpt's line that is the cause of the failure. `first`: the number of its first line."""
        if not error_line:
            return None
        for number, raw in enumerate(excerpt, start=first):
            if plain_text(raw).strip()[:500] == error_line and number <= self.lines:
                return number
        return None

    def line_at(self, moment: datetime) -> int | None:
        """The number of the first line that was written at or after a moment; null if there is none."""
        earliest = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()
        for match in _STAMPED.finditer(self._text):
            if match[1] >= earliest:
                number = bisect_right(self._line_starts, match.start())
                return number if number <= self.lines else None
        return None

    @cached_property
    def _search_text(self) -> tuple[bytes, "np.ndarray[tuple[int], np.dtype[np.int64]]"]:
        text = visible_text(_AT_START.sub(b"", self._text).decode("utf-8", "replace")).lower().encode()
        return text, _line_offsets(text)

    def _raw(self, first: int, count: int) -> list[str]:
        last = min(first - 1 + count, self.lines)
        if first > last:
            return []
        stop = int(self._line_starts[last]) - 1 if last < len(self._line_starts) else len(self._text)
        return self._text[int(self._line_starts[first - 1]) : stop].decode("utf-8", "replace").split("\n")

    def _read_marks(self) -> None:
        starts, opened = self._line_starts.tolist(), None
        for mark in _MARKED.finditer(self._text):
            number, kind = bisect_right(starts, mark.start()), mark[1].decode()
            if not _BEFORE_MARK.fullmatch(self._text, starts[number - 1], mark.start()):
                continue
            if kind in ("group", "endgroup"):
                if opened is not None:
                    self._add_group(opened, number if kind == "endgroup" else number - 1)
                opened = number if kind == "group" else None
            else:
                self._add_mark(number, kind)
        if opened is not None:
            self._add_group(opened, self.lines)

    def _add_group(self, first: int, last: int) -> None:
        if last > first and len(self.groups) < _MAX_GROUPS:
            self.groups.append((first, last))

    def _add_mark(self, number: int, kind: str) -> None:
        if kind == "error":
            self.errors += 1
        else:
            self.warnings += 1
        if len(self.marks) < _MAX_MARKS:
            self.marks.append(Mark(number, kind, summary(self._raw(number, 1)[0])))


def _line_offsets(text: bytes) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """The offset of each line's first byte."""
    breaks = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n"))
    return np.concatenate(([0], breaks + 1)).astype(np.int64)
