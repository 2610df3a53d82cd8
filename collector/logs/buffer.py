"""Buffer for a log that arrives in chunks: cleans the text and keeps the head and the tail of a long log. Pure."""

import codecs
import re
import zlib

from core.terminal import without_nul

# The head has the set-up, the tail the failure; the rest is on GitHub only.
HEAD_BYTES, TAIL_BYTES = 2_000_000, 6_000_000
_CHUNK_BYTES = 65_536
# Characters that may belong to the next chunk: a carriage return, UTF-16's byte order mark and the letter after it.
_OPEN_END = re.compile("(?:\r\x00?|(?:\ufeff|\ufffd\ufffd?)[^\n]?)\\Z")
_LONGEST_OPEN_END = 3
# Of a line that is longer than twice this number, the first and the last characters are stored.
LINE_EDGE_CHARS = 2_000
# The line ends of str.splitlines, which everything that reads a log uses.
_LINE_ENDS = frozenset("\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")


class LogBuffer:
    """Converts received bytes to UTF-8 with \\n between lines, without a leading byte order mark and without NUL, which
    makes UTF-16 text in a log readable. Holds at most HEAD_BYTES + TAIL_BYTES and a chunk. `size`: received bytes."""

    def __init__(self) -> None:
        self.size = 0
        self._lines = _LineCutter()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._is_started = False
        self._open_end = ""
        self._head, self._tail = bytearray(), bytearray()
        # The position of the oldest byte of a full tail, which is overwritten next.
        self._oldest = 0
        self._omitted = 0

    def add(self, chunk: bytes) -> None:
        self.size += len(chunk)
        self._append(self._clean(self._decoder.decode(chunk)))

    def finish(self) -> tuple[bytearray, bool]:
        """The text, and whether its middle was omitted, which a line of its own marks."""
        self._append(self._clean(self._decoder.decode(b"", final=True), final=True))
        is_truncated = self._omitted > 0
        text = self._head
        if not is_truncated:
            text += self._tail
            return text, is_truncated
        older, newer = memoryview(self._tail)[self._oldest :], memoryview(self._tail)[: self._oldest]
        head_end = text.rfind(b"\n") + 1 or _character_end(text)
        tail_start = _line_or_character(bytes(older[:_CHUNK_BYTES]) + bytes(newer[: max(_CHUNK_BYTES - len(older), 0)]))
        skipped = self._omitted + len(text) - head_end + tail_start
        del text[head_end:]
        newline = "" if text.endswith(b"\n") else "\n"
        text += f"{newline}[Pipeline Health left out {skipped:,} bytes here; the whole log is on GitHub]\n".encode()
        text += older[tail_start:]
        text += newer[max(tail_start - len(older), 0) :]
        self._tail = bytearray()
        return text, is_truncated

    def _clean(self, text: str, *, final: bool = False) -> bytes:
        if not text and not final:
            return b""
        text = self._open_end + text
        if not self._is_started and text:
            text = text.removeprefix("\ufeff")
            self._is_started = True
        end = None if final else _OPEN_END.search(text[-_LONGEST_OPEN_END:])
        self._open_end = end[0] if end else ""
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
        self._omitted += len(rest)
        while rest:
            part = rest[: TAIL_BYTES - self._oldest]
            self._tail[self._oldest : self._oldest + len(part)] = part
            self._oldest = (self._oldest + len(part)) % TAIL_BYTES
            rest = rest[len(part) :]


class _LineCutter:
    """Shortens long lines, so that the cost of reading a log does not grow with the length of a line. Holds at most
    2 * LINE_EDGE_CHARS characters of the unfinished line."""

    def __init__(self) -> None:
        self._open = ""
        self._omitted = 0

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
            self._omitted += excess
            self._open = self._open[:LINE_EDGE_CHARS] + self._open[-LINE_EDGE_CHARS:]

    def _flush(self) -> str:
        line = self._open
        if self._omitted:
            mark = f" [… {self._omitted:,} characters left out …] "
            line = line[:LINE_EDGE_CHARS] + mark + line[LINE_EDGE_CHARS:]
        self._open, self._omitted = "", 0
        return line


def compress(text: bytes | bytearray) -> bytes:
    """The format of job_logs.content. Compresses chunks, so that the text is not copied."""
    compressor, compressed, view = zlib.compressobj(), bytearray(), memoryview(text)
    for start in range(0, len(view), _CHUNK_BYTES):
        compressed += compressor.compress(view[start : start + _CHUNK_BYTES])
    compressed += compressor.flush()
    return bytes(compressed)


def _line_or_character(tail: bytes) -> int:
    """The position of the first complete line or, without a line break, of the first complete character."""
    line_start = tail.find(b"\n") + 1
    return line_start or next((index for index, byte in enumerate(tail[:4]) if byte & 0xC0 != 0x80), 0)


def _character_end(text: bytearray) -> int:
    """The length without an incomplete last character."""
    for back in range(1, min(4, len(text)) + 1):
        byte = text[-back]
        if byte & 0xC0 != 0x80:
            width = 1 if byte < 0x80 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(text) if width <= back else len(text) - back
    return len(text)
