"""What a terminal would show of text, and that no text takes long to read."""

import pytest

from core.terminal import overwritten_indices, rendered_line, visible_fragment, visible_text, without_nul
from tests.growth import SUBQUADRATIC, growth


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("\x1b[1;31mno such host\x1b[0m", "no such host"),
        ("\x1b(B\x1b[mno such host", "no such host"),
        ("\x1b)0\x1b*A\x1b%Gno such host", "no such host"),
        ("\x1b7\x1b[3;1Hno such host\x1b8", "no such host"),
        ("\x1b=\x1b[?2004lno such host\x1b>", "no such host"),
        ("\x1bM\x1bDno\x1bE such\x1bc host", "no such host"),
        ("\x1b[48:5:12m\x1b[38:2::1:2:3mno such host", "no such host"),
        ("\x1b[>4;2mno such\x1b[!p host\x1b[0 q", "no such host"),
        ("\x1b]8;id=1;https://acme.dev\x07no such host\x1b]8;;\x07", "no such host"),
        ("\x1b]0;title\x1b\\no such\x1b]52;c;YQ==\x9c host", "no such host"),
        ("\x1bPtmux;\x1b\\no\x1b_app\x1b\\ such\x1b^private\x1b\\ \x1bXstart\x1b\\host", "no such host"),
        ("\x9b1;31mno such host\x9bm", "no such host"),
        ("\x9d0;title\x9cno such\x90q\x9c host", "no such host"),
        ("\ufffd31mno such host\ufffd0m", "no such host"),
        ("\u00e2\x80\x98no such host\u00e2\x80\x99", "\u00e2no such host\u00e2"),
        ("^[[1;31mno such host^[[0m^[(B", "no such host"),
        ("\\033[31mno such\\e[0m \\x1b[1mhost\\u001b[m\u241b[0m", "no such host"),
        ("^[]8;;https://acme.dev^Gno such host", "no such host"),
        ("-\b\\\b|\bno such host", "no such host"),
        ("\x1b[32mno such hoss\x1b[0m\bt", "no such host"),
        ("no such host\b\b\b", "no such host"),
        ("n\bno\bo such host", "no such host"),
        ("n\x00o\x00 \x00s\x00u\x00c\x00h\x00 \x00h\x00o\x00s\x00t\x00", "no such host"),
        ("\x00n\x00o such host", "no such host"),
        ("\ufffd\ufffdn\x00o\x00 such host", "no such host"),
        ("10 %\r 90 %\rno such host", "no such host"),
        ("no such host\r\x1b[K", "no such host"),
        ("\x07no such\x0e host\x7f\x1b", "no such host"),
        ("no \ufeffsuch host", "no such host"),
        ("no match for ^[[a-z]+$ in C:\\errors\\e[1]", "no match for ^[[a-z]+$ in C:\\errors\\e[1]"),
        ("array[31m] and ✓ 💥 stay", "array[31m] and ✓ 💥 stay"),
        ("tab\tstays", "tab\tstays"),
    ],
)
def test_the_text_is_what_a_screen_would_show(written: str, text: str) -> None:
    assert rendered_line(written) == text


def test_a_whole_text_keeps_its_lines() -> None:
    text = "one\x1b[0m\ntwo\x0cthree\rfour\x85f\bfive\x1b]0;open\nsix\u2028seven\x1c"
    assert visible_text(text) == "one\ntwo\x0cthree\rfour\x85five0;open\nsix\u2028seven\x1c"
    assert len(visible_text(text).splitlines()) == len(text.splitlines())
    assert visible_fragment("a\x0bb\x85c") == "abc"
    assert without_nul("plain \ufffd\ufffd text") == "plain \ufffd\ufffd text"


def test_pieces_that_a_carriage_return_takes_back() -> None:
    assert overwritten_indices(["1 %\r", "2 %\r", "3 %\n", "next\r", "\n"]) == {0, 1}
    assert overwritten_indices(["1 %\r", "   \r", "\r", "done\n"]) == {0, 1, 2}
    assert overwritten_indices(["1 %\r", "\x1b[2K\n", "next\n"]) == {0}
    assert overwritten_indices(["one\n", "two"]) == set()


@pytest.mark.parametrize("repeated", [
    "\x1b[", "\x1b]", "\x1bP", "\x1b_x", "\x1b(", "\x1b", "\x1b[0;", "\x1b[ ", "\x9b", "\x9d", "\x90\x98", "\x9b;",
    "^[[", "^[[1;", "^[]8;", "^[]8;;x", "\\033[", "\\u001b[1", "\ufffd3", "\ufffd\ufffd", "\b", "a\b",
    "\x1b[m\b", "\r", "\x00", "e\x00",
])  # fmt: skip
def test_introducers_are_read_in_linear_time(repeated: str) -> None:
    for behind in ("", "0" * 1_000):
        assert growth(rendered_line, lambda size, behind=behind: repeated * size + behind, 5_000) < SUBQUADRATIC


@pytest.mark.parametrize(
    ("begin", "filler"),
    [("\x1b[", "0"), ("\x1b[", " "), ("\x1b]", "a"), ("\x9b", ";"), ("\x9d", "a"), ("^[[", "1;"), ("^[]8;", "a"),
     ("\ufffd", "1;")],
)  # fmt: skip
def test_a_sequence_that_never_ends_is_read_in_linear_time(begin: str, filler: str) -> None:
    assert growth(rendered_line, lambda size: begin + filler * size, 20_000) < SUBQUADRATIC
