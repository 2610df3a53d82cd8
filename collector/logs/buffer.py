"""A log as it arrives in pieces: cleaned, and of a longer one the head and the tail kept. Pure."""

import codecs
import re
import zlib

from core.terminal import without_nul

# The set-up and the failure; what lies between is on GitHub.
HEAD_BYTES, TAIL_BYTES = 2_000_000, 6_000_000
_CHUNK_BYTES = 65_536
# What the next piece may belong to: a carriage return, the byte order mark of UTF-16 and the letter behind it.
_OPEN_END = re.compile("(?:\r\x00?|(?:\ufeff|\ufffd\ufffd?)[^\n]?)\\Z")
_LONGEST_OPEN_END = 3
# Of a line longer than twice this many characters, its first and its last ones are stored.
LINE_EDGE_CHARS = 2_000
# As str.splitlines ends lines, and so everything that reads a log.
_LINE_ENDS = frozenset("\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")


class LogBuffer:
    """Takes bytes as sent; gives UTF-8 with \\n between lines, no byte order mark at its start and no NUL (text of
    UTF-16 in between becomes readable by that). Never holds more than HEAD_BYTES + TAIL_BYTES and a piece. `size` is
    the size in bytes as sent."""

    def __init__(self) -> None:
        self.size = 0
        self._lines = _LineCutter()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._begun = False
        self._held = ""
        self._head, self._tail = bytearray(), bytearray()
        # Once the tail is full, its oldest byte stands here and is the next to be overwritten.
        self._oldest = 0
        self._left_out = 0

    def add(self, sent: bytes) -> None:
        self.size += len(sent)
        self._append(self._clean(self._decoder.decode(sent)))

    def finish(self) -> tuple[bytearray, bool]:
        """The kept text, and whether the middle was left out: then its place is marked on a line of its own."""
        self._append(self._clean(self._decoder.decode(b"", final=True), final=True))
        cut = self._left_out > 0
        kept = self._head
        if not cut:
            kept += self._tail
            return kept, cut
        older, newer = memoryview(self._tail)[self._oldest :], memoryview(self._tail)[: self._oldest]
        whole_lines = kept.rfind(b"\n") + 1 or _at_character(kept)
        begin = _line_or_character(bytes(older[:_CHUNK_BYTES]) + bytes(newer[: max(_CHUNK_BYTES - len(older), 0)]))
        skipped = self._left_out + len(kept) - whole_lines + begin
        del kept[whole_lines:]
        gap = "" if kept.endswith(b"\n") else "\n"
        kept += f"{gap}[Pipeline Health left out {skipped:,} bytes here; the whole log is on GitHub]\n".encode()
        kept += older[begin:]
        kept += newer[max(begin - len(older), 0) :]
        self._tail = bytearray()
        return kept, cut

    def _clean(self, text: str, *, final: bool = False) -> bytes:
        if not text and not final:
            return b""
        text = self._held + text
        if not self._begun and text:
            text = text.removeprefix("\ufeff")
            self._begun = True
        end = None if final else _OPEN_END.search(text[-_LONGEST_OPEN_END:])
        self._held = end[0] if end else ""
        if end:
            text = text[: -len(end[0])]
        return self._lines.cut(without_nul(text).replace("\r\n", "\n"), final=final).encode()

    def _append(self, clean: bytes) -> None:
        room = max(HEAD_BYTES - len(self._head), 0) if not self._tail else 0
        self._head += clean[:room]
        rest = memoryview(clean)[room:]
        growing = rest[: max(TAIL_BYTES - len(self._tail), 0)]
        self._tail += growing
        rest = rest[len(growing) :]
        self._left_out += len(rest)
        while rest:
            part = rest[: TAIL_BYTES - self._oldest]
            self._tail[self._oldest : self._oldest + len(part)] = part
            self._oldest = (self._oldest + len(part)) % TAIL_BYTES
            rest = rest[len(part) :]


class _LineCutter:
    """Shortens long lines of a text that arrives in pieces: no cost of what reads the log later grows with the length
    of a line. Holds at most 2 * LINE_END characters of the line that has not ended."""

    def __init__(self) -> None:
        self._open = ""
        self._left_out = 0

    def cut(self, text: str, *, final: bool = False) -> str:
        lines: list[str] = []
        for line in text.splitlines(keepends=True):
            ended = line[-1] in _LINE_ENDS
            self._extend(line[:-1] if ended else line)
            if ended:
                lines.append(self._flush() + line[-1])
        if final:
            lines.append(self._flush())
        return "".join(lines)

    def _extend(self, text: str) -> None:
        self._open += text
        excess = len(self._open) - 2 * LINE_EDGE_CHARS
        if excess > 0:
            self._left_out += excess
            self._open = self._open[:LINE_EDGE_CHARS] + self._open[-LINE_EDGE_CHARS:]

    def _flush(self) -> str:
        line = self._open
        if self._left_out:
            mark = f" [… {self._left_out:,} characters left out …] "
            line = line[:LINE_EDGE_CHARS] + mark + line[LINE_EDGE_CHARS:]
        self._open, self._left_out = "", 0
        return line


def compress(text: bytes | bytearray) -> bytes:
    """As job_logs.content holds it; in pieces, so that no second copy of the text is made."""
    packer, packed, view = zlib.compressobj(), bytearray(), memoryview(text)
    for start in range(0, len(view), _CHUNK_BYTES):
        packed += packer.compress(view[start : start + _CHUNK_BYTES])
    packed += packer.flush()
    return bytes(packed)


def _line_or_character(tail: bytes) -> int:
    """Where the first whole line begins; of a line without end, the first whole character."""
    found = tail.find(b"\n") + 1
    return found or next((place for place, byte in enumerate(tail[:4]) if byte & 0xC0 != 0x80), 0)


def _at_character(text: bytearray) -> int:
    """The length without a character that is cut in two."""
    for back in range(1, min(4, len(text)) + 1):
        byte = text[-back]
        if byte & 0xC0 != 0x80:
            width = 1 if byte < 0x80 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(text) if width <= back else len(text) - back
    return len(text)
