"""Trigrams of texts: the three-byte sequences of their lines in UTF-8, in lower case, as numbers below 2**24. Pure.

A text can contain another one only if it has all of its trigrams. Bytes, not characters, so that all scripts have a
fixed number of trigrams, and one character of most scripts is a trigram by itself."""

import re
import zlib

import numpy as np
from numpy.typing import NDArray

from core.terminal import visible_text

# The version of the rules of this module. Packed data of another one is made again from the texts.
INDEX_VERSION = 1
Trigrams = NDArray[np.uint32]
Bytes = NDArray[np.uint8]
SIZE = 3
# Times at the start of lines, as the log viewer removes them.
_TIMESTAMP = re.compile(r"^\ufeff?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z ?\ufeff?", re.MULTILINE)
_NEWLINE = ord("\n")
# Longer texts are read in parts, so that memory is bounded.
_PART = 1 << 20


def searchable_text(text: str) -> str:
    """The lines of a log as the viewer shows them: without times, escape sequences and invisible characters. Lines are
    counted as str.splitlines does."""
    return visible_text(_TIMESTAMP.sub("", "\n".join(text.splitlines())))


def fold(text: str) -> str:
    """The text in lower case, character by character, so that positions stay the same."""
    lowered = text.lower()
    if len(lowered) != len(text):
        lowered = "".join(character.lower()[0] for character in text)
    # Characters that RE2 also treats as equal: the final sigma and the long s.
    return lowered if lowered.isascii() else lowered.replace("ς", "σ").replace("ſ", "s")


def trigrams_of(folded: str) -> Trigrams:
    """The distinct trigrams within lines of a folded text, sorted."""
    data = np.frombuffer(folded.encode("utf-8", "replace"), np.uint8)
    if len(data) <= _PART:
        return np.unique(_sequence(data))
    present = np.zeros(1 << 24, np.bool_)
    for start in range(0, len(data), _PART):
        present[_sequence(data[start : start + _PART + SIZE - 1])] = True
    return np.flatnonzero(present).astype(np.uint32)


def _sequence(data: Bytes) -> Trigrams:
    if len(data) < SIZE:
        return np.empty(0, np.uint32)
    wide = data.astype(np.uint32)
    breaks = data == _NEWLINE
    sequence = (wide[:-2] << 16) | (wide[1:-1] << 8) | wide[2:]
    return np.asarray(sequence[~(breaks[:-2] | breaks[1:-1] | breaks[2:])], np.uint32)


def compress(data: bytes) -> bytes:
    """The compressed data, followed by the version. Programs that expect no version ignore what follows."""
    return zlib.compress(data) + bytes([INDEX_VERSION])


def decompress(content: bytes) -> bytes | None:
    """The data; null if it is of another version. Data without a version is of version 1."""
    stream = zlib.decompressobj()
    data = stream.decompress(content)
    return data if (stream.unused_data or b"\x01")[0] == INDEX_VERSION else None


def pack(trigrams: Trigrams) -> bytes:
    """The differences of sorted numbers, one byte after the other, compressed: about one byte for each trigram."""
    differences = np.diff(trigrams, prepend=np.uint32(0)).astype("<u4")
    return compress(differences.view(np.uint8).reshape(-1, 4).T.tobytes())


def unpack(content: bytes) -> Trigrams | None:
    """Null if the trigrams are of another version."""
    data = decompress(content)
    if data is None:
        return None
    planes = np.frombuffer(data, np.uint8).reshape(4, -1)
    return np.cumsum(np.ascontiguousarray(planes.T).view("<u4").ravel(), dtype=np.uint32)


def contains_all(trigrams: Trigrams, wanted: Trigrams) -> bool:
    """`trigrams` are sorted."""
    if not len(trigrams):
        return not len(wanted)
    positions = np.minimum(np.searchsorted(trigrams, wanted), len(trigrams) - 1)
    return bool((trigrams[positions] == wanted).all())
