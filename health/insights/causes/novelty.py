"""Sketches of the lines of successful logs that look like failures: what a successful log also has caused no failure.
Pure.

A sketch is the set of 32-bit hashes of such lines, normalised as causes are. A line that is in none of n sketched lines
is taken for a known one with the probability n / 2³²: at most 0.0004 % for a full sketch of MAX_LINES lines."""

import re
import sys
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b

from health.insights.causes.families.generic import FAILURE_WORD
from health.insights.causes.lines import ERROR_MARK, clean_line, unprefixed, without_time
from health.insights.causes.recognition import ITEM_LINES, Recogniser, heading_in
from health.insights.causes.scan import is_candidate
from health.insights.fingerprints import normalize

# Distinct lines of one sketch: with 4 bytes each, a sketch has at most 64,000 bytes before it is compressed.
MAX_LINES = 16_000
MAX_BYTES = 65_536
# Of a longer line, the first characters are compared.
_COMPARED_CHARS = 300
_HASH_BYTES = 4
_HEADER, _HEADER_END = "##[group]Run ", "##[endgroup]"
_MAX_HEADER_LINES = 200


# Parts of names of jobs that differ from run to run: dates, IDs, commits, long numbers.
_VARYING = re.compile(
    r"\b\d{4}-\d\d-\d\d(?:[T ][\d:.Z+-]{5,20})?|\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|"
    r"\b(?=[0-9a-f]{0,39}\d)(?=[0-9a-f]{0,39}[a-f])[0-9a-f]{7,40}\b|\d{5,}"
)


@dataclass(frozen=True)
class KnownLines:
    """The lines of one or several sketches."""

    hashes: frozenset[int] = frozenset()

    def __contains__(self, line: object) -> bool:
        """Whether a plain line is probably one of them."""
        return bool(self.hashes) and isinstance(line, str) and line_hash(line) in self.hashes

    def __or__(self, other: "KnownLines") -> "KnownLines":
        return KnownLines(self.hashes | other.hashes)

    def __bool__(self) -> bool:
        return bool(self.hashes)


NONE_KNOWN = KnownLines()


class Sketcher:
    """Collects the lines of one log. Lines beyond MAX_LINES distinct ones are ignored."""

    def __init__(self) -> None:
        self._recogniser = Recogniser()
        self._hashes: set[int] = set()
        self._seen: set[int] = set()
        self._header_lines = 0
        self._item_lines = 0

    @property
    def known(self) -> KnownLines:
        return KnownLines(frozenset(self._hashes))

    def add(self, raw: str) -> None:
        """Adds a line of the log if it looks like a failure, or follows a heading that announces failures. The script
        that the header of a step quotes is ignored."""
        line = clean_line(raw)
        if self._is_in_header(line) or len(self._hashes) >= MAX_LINES:
            return
        is_item = self._item_lines > 0
        self._item_lines -= is_item
        if not is_item and not is_candidate(line):
            return
        if heading_in(unprefixed(line)) is not None:
            self._item_lines = ITEM_LINES
        exact = hash(line)
        if exact in self._seen:
            return
        if len(self._seen) < 4 * MAX_LINES:
            self._seen.add(exact)
        if is_item or FAILURE_WORD.search(line) or self._recogniser.recognise(1, line) is not None:
            self._hashes.add(line_hash(line))

    def _is_in_header(self, line: str) -> bool:
        if line.startswith(_HEADER):
            self._header_lines = 1
        elif line.startswith(_HEADER_END) or self._header_lines > _MAX_HEADER_LINES:
            self._header_lines = 0
        elif self._header_lines:
            self._header_lines += 1
        return self._header_lines > 0


def sketch(lines: Iterable[str], *, check: Callable[[], None] | None = None) -> KnownLines:
    """The sketch of a log. `check` is called for each line and may raise to interrupt the work."""
    sketcher = Sketcher()
    for line in lines:
        if check is not None:
            check()
        sketcher.add(line)
    return sketcher.known


def passed_lines(lines: Iterable[str]) -> Iterator[str]:
    """The lines of those parts of a log that contain no error of the runner. A part begins with a header."""
    part: list[str] = []
    has_error = False
    for line in lines:
        text = without_time(line)
        if text.startswith(_HEADER):
            if not has_error:
                yield from part
            part, has_error = [], False
        has_error = has_error or text.startswith(ERROR_MARK)
        part.append(line)
    if not has_error:
        yield from part


def line_hash(line: str) -> int:
    """The hash of a plain line without what differs from run to run."""
    # The cache of `normalize` is for causes: a log has too many lines for it.
    text = normalize.__wrapped__(unprefixed(line).strip()[:_COMPARED_CHARS])
    return int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=_HASH_BYTES).digest(), "little")


def job_name_hash(name: str) -> str:
    """Identifies a job over the runs of its workflow: the hash, 32 characters, of its name without what differs from
    run to run. The jobs of a matrix are different jobs."""
    return blake2b(_VARYING.sub("*", name).encode("utf-8", "replace"), digest_size=16).hexdigest()


def encode(known: KnownLines) -> bytes:
    """The form in which a sketch is stored: sorted hashes, zlib-compressed; at most MAX_BYTES."""
    return zlib.compress(_to_bytes(sorted(known.hashes)[:MAX_LINES]))


def decode(content: bytes) -> KnownLines:
    """The sketch of a stored one; empty if the content is invalid."""
    decompressor = zlib.decompressobj()
    try:
        plain = decompressor.decompress(content, MAX_LINES * _HASH_BYTES)
    except zlib.error:
        return NONE_KNOWN
    hashes = array("I")
    hashes.frombytes(plain[: len(plain) // _HASH_BYTES * _HASH_BYTES])
    if sys.byteorder == "big":
        hashes.byteswap()
    return KnownLines(frozenset(hashes))


def _to_bytes(hashes: list[int]) -> bytes:
    numbers = array("I", hashes)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()
