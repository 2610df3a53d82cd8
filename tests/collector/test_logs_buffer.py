"""What is kept of a log, and in which form."""

import random
import zlib

import pytest

from collector.logs import buffer
from collector.logs.buffer import LogBuffer, compress


def kept(sent: bytes, pieces: int = 7) -> tuple[str, bool, int]:
    taking = LogBuffer()
    for start in range(0, len(sent), pieces):
        taking.add(sent[start : start + pieces])
    text, cut = taking.finish()
    assert zlib.decompress(compress(text)) == text
    return bytes(text).decode(), cut, taking.size


@pytest.mark.parametrize("pieces", [1, 2, 3, 1_000])
def test_a_log_is_clean_utf8_however_it_is_cut_on_its_way(pieces: int) -> None:
    sent = b"\xef\xbb\xbfone\r\ntw\x00o\r\n\xc3\xbc \xf0\x9f\x9a\x80 \xff\xfe\r10%\r\r\n\x1b[31mred\x1b[0m\r"
    expected = "one\ntwo\nü 🚀 \ufffd\ufffd\r10%\r\n\x1b[31mred\x1b[0m\r"
    assert kept(sent, pieces) == (expected, False, len(sent))


@pytest.mark.parametrize("pieces", [1, 2, 3, 5, 1_000])
@pytest.mark.parametrize(
    ("codec", "mark"), [("utf-16-le", b""), ("utf-16-be", b""), ("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff")]
)
def test_utf16_in_the_middle_of_a_log_becomes_readable(codec: str, mark: bytes, pieces: int) -> None:
    sent = b"Run wsl\n" + mark + "No distribution: Ubuntu\r\nerror 4\r\n".encode(codec) + b"after it, \xc3\xbc\n"
    assert kept(sent, pieces)[0] == "Run wsl\nNo distribution: Ubuntu\nerror 4\nafter it, ü\n"


def test_nothing_stays_nothing() -> None:
    assert kept(b"") == ("", False, 0)
    assert kept(b"\xef\xbb\xbf") == ("", False, 3)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffer, "HEAD_BYTES", 1_000)
    monkeypatch.setattr(buffer, "TAIL_BYTES", 2_000)
    monkeypatch.setattr(buffer, "_CHUNK_BYTES", 64)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("pieces", [1, 50, 999, 5_000, 100_000])
def test_a_long_log_is_cut_between_whole_lines_and_says_so(pieces: int) -> None:
    lines = [f"line {number} ü🚀" for number in range(2_000)]
    text, cut, size = kept("\n".join(lines).encode(), pieces)
    assert cut
    assert size == len("\n".join(lines).encode())
    shown = text.split("\n")
    (mark,) = [line for line in shown if line.startswith("[Pipeline Health left out ")]
    place = shown.index(mark)
    assert shown[:place] == lines[:place]
    assert shown[place + 1 :] == lines[-(len(shown) - place - 1) :]
    assert 900 < len("\n".join(shown[:place]).encode()) <= 1_000
    assert 1_900 < len("\n".join(shown[place + 1 :]).encode()) <= 2_200
    left_out = size - len(text.encode()) + len(mark.encode()) + 1
    assert mark == f"[Pipeline Health left out {left_out:,} bytes here; the whole log is on GitHub]"


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("start", range(4))
def test_a_line_without_end_is_cut_between_characters(start: int) -> None:
    text, cut, _ = kept(b"x" * start + "🚀".encode() * 5_000, 100)
    head, mark, tail = text.split("\n")
    assert cut
    assert set(head[start:]) == set(tail) == {"🚀"}
    assert mark.startswith("[Pipeline Health left out")


@pytest.mark.usefixtures("small")
def test_what_fits_exactly_is_not_cut() -> None:
    sent = bytes(random.Random(1).choices(b"abc\n", k=2_900))
    assert kept(sent) == (sent.decode(), False, 2_900)


@pytest.mark.parametrize("pieces", [1, 999, 65_536])
def test_a_long_line_keeps_its_beginning_and_its_end(pieces: int) -> None:
    line = "a" * 2_000 + "ü" * 12_345 + "z" * 2_000
    expected = "a" * 2_000 + " [… 12,345 characters left out …] " + "z" * 2_000
    whole = "b" * 4_000
    assert kept(f"one\n{line}\n{whole}\n{line}".encode(), pieces)[0] == f"one\n{expected}\n{whole}\n{expected}"
