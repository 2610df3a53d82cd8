"""A line of GitHub's logs: when it was written, what the runner says it is, and its text. Pure.

A log that is read once and then shown in windows, folded, and searched. Pure.

Lines are counted as str.splitlines does, which is how excerpts count them.
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
# What a window shows of one line; the whole of it is in the download.
MAX_LENGTH = 5_000
_TIMESTAMP = re.compile(TIMESTAMP)
_KIND = re.compile(rf"(?:##)?\[({'|'.join(KINDS)})\]")
_KINDS_WITHOUT_HASHES = ("command",)
_MARK_TEXT = 200


@dataclass(frozen=True)
class Line:
    """`at` is milliseconds since 1970 UTC; `cut` how many characters are not in `pieces`."""

    at: int | None
    kind: str
    segments: list[tuple[str, Style]]
    omitted: int


def parse_line(raw: str) -> Line:
    written, kind, body = _parts(raw)
    shown = styled_segments(body[:MAX_LENGTH])
    return Line(_milliseconds(written), kind, shown, max(len(body) - MAX_LENGTH, 0))


def plain_text(raw: str) -> str:
    """Without its time, its mark and its colours."""
    return strip_codes(_parts(raw)[2])


def summary(raw: str) -> str:
    """For a list of marks."""
    return plain_text(raw[: 10 * _MARK_TEXT]).strip()[:_MARK_TEXT]


def _parts(raw: str) -> tuple[str, str, str]:
    stamp = _TIMESTAMP.match(raw)
    written = stamp[0] if stamp else ""
    body = raw[len(written) :]
    mark = _KIND.match(body)
    if mark is None or (not body.startswith("##") and mark[1] not in _KINDS_WITHOUT_HASHES):
        return written, "", body
    return written, mark[1], body[mark.end() :]


def _milliseconds(written: str) -> int | None:
    """GitHub writes seven digits of a second."""
    if not written:
        return None
    seconds, _, fraction = written.strip(" \ufeff").removesuffix("Z").partition(".")
    try:
        moment = datetime.fromisoformat(seconds).replace(tzinfo=UTC)
    except ValueError:
        return None
    return int(moment.timestamp()) * 1000 + int((fraction or "0")[:3].ljust(3, "0"))


# A browser's page can be about 16 million pixels high.
MAX_LINES = 750_000
_MAX_GROUPS, _MAX_MARKS = 20_000, 1_000
_STAMP = TIMESTAMP.replace(r"\ufeff", r"(?:\xef\xbb\xbf)").encode()
# Looked for by what is rare, and only then by where it stands: six times as fast as from the start of every line.
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
    """`lines` are the first of `count` that match; `more`: it was not counted to the end."""

    count: int
    lines: list[int]
    is_partial: bool


class LogIndex:
    """`groups` are the first and last line of what folds; a group ends where the next begins. Lines count from 1."""

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
        """Of memory, with what the first search adds."""
        return 2 * (len(self._text) + self._line_starts.nbytes)

    def window(self, first: int, count: int) -> list[Line]:
        return [parse_line(each) for each in self._raw(first, count)]

    def plain_lines(self) -> Iterator[str]:
        """Every line as it is read."""
        for first in range(1, self.lines + 1, 1_000):
            for each in self._raw(first, 1_000):
                yield plain_text(each)

    def search(self, query: str, *, limit: int, count_limit: int) -> SearchResult:
        """Lines that hold this text, whatever its case: the first `most` of them, of up to `counted`."""
        needle, (text, starts) = query.lower().encode("utf-8", "replace"), self._search_text
        found: list[int] = []
        place, count = 0, 0
        while needle and (place := text.find(needle, place)) >= 0:
            if count == count_limit:
                return SearchResult(count, found, is_partial=True)
            line = int(np.searchsorted(starts, place, side="right"))
            count += 1
            if len(found) < limit:
                found.append(line)
            if line >= len(starts):
                break
            place = int(starts[line])
        return SearchResult(count, found, is_partial=False)

    def find_line(self, excerpt: Sequence[str], first: int, error_line: str | None) -> int | None:
        """The number of the line that an excerpt, which begins at `first`, gives as the cause."""
        if not error_line:
            return None
        for number, each in enumerate(excerpt, start=first):
            if plain_text(each).strip()[:500] == error_line and number <= self.lines:
                return number
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
        for found in _MARKED.finditer(self._text):
            number, kind = bisect_right(starts, found.start()), found[1].decode()
            if not _BEFORE_MARK.fullmatch(self._text, starts[number - 1], found.start()):
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
    """Where each line begins."""
    breaks = np.flatnonzero(np.frombuffer(text, np.uint8) == ord("\n"))
    return np.concatenate(([0], breaks + 1)).astype(np.int64)
