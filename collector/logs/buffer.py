"""A log as it arrives in pieces: cleaned, and of a longer one the head and the tail kept. Pure."""

import codecs
import zlib
from collections import deque
from collections.abc import Iterator

# The set-up and the failure; what lies between is on GitHub.
HEAD_BYTES, TAIL_BYTES = 2_000_000, 6_000_000
_PIECE = 65_536


class LogBuffer:
    """Takes bytes as sent; gives UTF-8 with \\n between lines, no byte order mark at its start and no NUL. Never holds
    more than HEAD_BYTES + TAIL_BYTES and a piece. `size` is the size in bytes as sent."""

    def __init__(self) -> None:
        self.size = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._begun = self._return_held = False
        self._head, self._tail = bytearray(), deque[bytearray]()
        self._in_tail = self._left_out = 0

    def add(self, sent: bytes) -> None:
        self.size += len(sent)
        self._keep(self._cleaned(self._decoder.decode(sent)))

    def finish(self) -> tuple[bytearray, bool]:
        """The kept text, and whether the middle was left out: then its place is marked on a line of its own."""
        self._keep(self._cleaned(self._decoder.decode(b"", final=True)))
        if self._return_held:
            self._keep(b"\r")
        cut = self._left_out > 0
        kept = self._head
        skipped = self._left_out
        if cut:
            whole_lines = kept.rfind(b"\n") + 1 or _at_character(kept)
            skipped += len(kept) - whole_lines
            del kept[whole_lines:]
            skipped += self._begin_tail_with_a_line()
            gap = "" if kept.endswith(b"\n") else "\n"
            note = f"{gap}[Pipeline Health left out {skipped:,} bytes here; the whole log is on GitHub]\n"
            kept += note.encode()
        while self._tail:
            kept += self._tail.popleft()
        return kept, cut

    def _cleaned(self, text: str) -> bytes:
        if not text:
            return b""
        if self._return_held:
            text = "\r" + text
        if not self._begun:
            text = text.removeprefix("\ufeff")
            self._begun = True
        self._return_held = text.endswith("\r")
        if self._return_held:
            text = text[:-1]
        return text.replace("\r\n", "\n").replace("\x00", "\ufffd").encode()

    def _keep(self, clean: bytes) -> None:
        room = max(HEAD_BYTES - len(self._head), 0) if not self._in_tail else 0
        self._head += clean[:room]
        for start in range(room, len(clean), _PIECE):
            piece = clean[start : start + _PIECE]
            # Servers may send line by line; a million small objects would take more room than the text.
            if not self._tail or len(self._tail[-1]) + len(piece) > _PIECE:
                self._tail.append(bytearray())
            self._tail[-1] += piece
            self._in_tail += len(piece)
        while self._in_tail - (len(self._tail[0]) if self._tail else 0) > TAIL_BYTES:
            dropped = len(self._tail.popleft())
            self._in_tail -= dropped
            self._left_out += dropped

    def _begin_tail_with_a_line(self) -> int:
        """Drops what stands before the first line break; of a line without end, the rest of a character. The answer
        is how many bytes that was."""
        first = self._tail.popleft()
        while self._tail and len(first) < _PIECE and b"\n" not in first:
            first += self._tail.popleft()
        dropped = first.find(b"\n") + 1
        if not dropped:
            dropped = next((place for place, byte in enumerate(first[:4]) if byte & 0xC0 != 0x80), 0)
        self._tail.appendleft(first[dropped:])
        return dropped


def compressed(text: bytes | bytearray) -> bytes:
    """As job_logs.content holds it; in pieces, so that no second copy of the text is made."""
    packer = zlib.compressobj()
    return b"".join([*(packer.compress(piece) for piece in pieces(text)), packer.flush()])


def pieces(text: bytes | bytearray) -> Iterator[memoryview]:
    view = memoryview(text)
    for start in range(0, len(view), _PIECE):
        yield view[start : start + _PIECE]


def _at_character(text: bytearray) -> int:
    """The length without a character that is cut in two."""
    for back in range(1, min(4, len(text)) + 1):
        byte = text[-back]
        if byte & 0xC0 != 0x80:
            width = 1 if byte < 0x80 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(text) if width <= back else len(text) - back
    return len(text)
