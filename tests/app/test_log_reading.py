"""Lines, colours and groups of a log, and its index."""

import re

import pytest

from app.javascript import bundle
from app.logs import ansi, index
from app.logs.ansi import PLAIN, Style, styled_segments
from app.logs.index import LogIndex, Mark
from app.logs.stored import LogCache

AT = "2026-11-20T10:00:00.1234567Z "
GROUPED = "\n".join([
    AT + "first", AT + "##[group]Run pytest", AT + "in it", AT + "##[error]bad <b>", AT + "##[endgroup]",
    AT + "##[group]Open to the next", "no time here", AT + "##[group]Open to the end", AT + "##[warning]careful",
    AT + "says ##[error] in its midst", AT + "last",
])  # fmt: skip


@pytest.mark.parametrize(
    ("written", "style"),
    [("\x1b[31mx", Style(foreground=(205, 49, 49))), ("\x1b[1;94mx", Style(foreground=(59, 142, 234), bold=True)),
     ("\x1b[38;5;208mx", Style(foreground=(255, 135, 0))), ("\x1b[38;5;255mx", Style(foreground=(238, 238, 238))),
     ("\x1b[38;2;1;2;300mx", Style(foreground=(1, 2, 255))), ("\x1b[48:5:1mx", Style(background=(205, 49, 49))),
     ("\x1b[107;3;4;9;2;7mx", Style(background=(255, 255, 255), italic=True, underline=True, strike=True, dim=True,
                                    inverse=True)),
     ("\x1b[31;1m\x1b[22;39mx", PLAIN), ("\x1b[31;1m\x1b[mx", PLAIN), ("\x1b[38;5;999mx", PLAIN),
     ("\x1b[38;5mx", PLAIN), ("\x1b[999999999999mx", PLAIN), ("\x1b[2K\x1b]0;title\x07x", PLAIN),
     ("\x1b]8;;https://evil.example\x1b\\x\x1b]8;;\x1b\\", PLAIN)],
)  # fmt: skip
def test_escapes_become_styles_and_never_text(written: str, style: Style) -> None:
    assert styled_segments(written) == [("x", style)]


def test_what_cannot_be_seen_or_turns_the_text_around_is_left_out() -> None:
    assert styled_segments("a\u202eb\x00c\td\x1b[") == [("abc\td", PLAIN)]
    assert ansi.strip_codes("\x1b[1ma\x1b[0m\u2066b") == "ab"
    assert styled_segments("") == [("", PLAIN)]
    assert styled_segments("\x1b[32mok\x1b[0m and \x1b[0mon") == [
        ("ok", Style(foreground=(13, 188, 121))),
        (" and on", PLAIN),
    ]


def test_every_colour_can_be_read_on_both_grounds() -> None:
    for number in range(256):
        on_light, on_dark = (_rgb(each) for each in ansi.for_both_themes(ansi.palette_colour(number)))
        assert ansi.contrast(on_light, ansi.LIGHT_BACKGROUND) >= 4.5
        assert ansi.contrast(on_dark, ansi.DARK_BACKGROUND) >= 4.5
        ground = ansi.palette_colour(number)
        for text in (None, (255, 255, 0)):
            assert ansi.contrast(_rgb(ansi.on_background(text, ground)[0]), ground) >= 4.5


def test_no_row_of_the_viewer_has_a_ground_on_which_a_colour_is_lost() -> None:
    """Colours are made for the least ground that rows have."""
    found = re.findall(r"\.ph-lv-row\.ph-lv-(\w+) \{ background: light-dark\((#\w+), (#\w+)\)", bundle("log_viewer"))
    assert {name for name, *_ in found} == {"error", "warning", "cause", "selected", "current"}
    black, white = (0, 0, 0), (255, 255, 255)
    for _, light, dark in found:
        on_light, on_dark = _over(light, white), _over(dark, (11, 16, 22))
        assert ansi.contrast(black, on_light) >= ansi.contrast(black, ansi.LIGHT_BACKGROUND)
        assert ansi.contrast(white, on_dark) >= ansi.contrast(white, ansi.DARK_BACKGROUND)


def _over(written: str, ground: ansi.Rgb) -> ansi.Rgb:
    share = int(written[7:9] or "ff", 16) / 255
    red, green, blue = (round(a * share + b * (1 - share)) for a, b in zip(_rgb(written), ground, strict=True))
    return red, green, blue


def _rgb(written: str) -> ansi.Rgb:
    return int(written[1:3], 16), int(written[3:5], 16), int(written[5:7], 16)


def test_contrast_is_that_of_wcag() -> None:
    assert ansi.contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    # The textbook grey that just fails on white.
    assert ansi.contrast((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)


def test_an_inverse_style_swaps_text_and_ground() -> None:
    text, ground = Style(foreground=(205, 49, 49), inverse=True).colours()
    assert ground == ("#cd3131", "#cd3131")
    assert text is not None
    assert PLAIN.colours() == (None, None)


@pytest.mark.parametrize(
    ("raw", "at", "kind", "text"),
    [(AT + "##[error]no", 1795168800123, "error", "no"), ("\ufeff" + AT + "hello", 1795168800123, "", "hello"),
     ("2026-11-20T10:00:00Z ##[group]Run", 1795168800000, "group", "Run"), (AT, 1795168800123, "", ""),
     ("[command]/usr/bin/git", None, "command", "/usr/bin/git"), ("[error]mine", None, "", "[error]mine"),
     ("##[unknown]x", None, "", "##[unknown]x"), ("2026-99-99T10:00:00.1Z x", None, "", "x")],
)  # fmt: skip
def test_a_line_is_its_time_its_kind_and_its_text(raw: str, at: int | None, kind: str, text: str) -> None:
    line = index.parse_line(raw)
    assert (line.at, line.kind, line.segments[0][0], line.omitted) == (at, kind, text, 0)


def test_a_line_without_end_is_cut_and_says_by_how_much() -> None:
    line = index.parse_line(AT + "x" * 1_000_000)
    assert (len(line.segments[0][0]), line.omitted) == (index.MAX_LENGTH, 1_000_000 - index.MAX_LENGTH)


def test_groups_end_where_they_say_where_the_next_begins_or_with_the_log() -> None:
    index = LogIndex(GROUPED)
    assert index.lines == 11
    assert index.groups == [(2, 5), (6, 7), (8, 11)]


def test_marks_count_only_at_the_start_of_a_line() -> None:
    index = LogIndex(GROUPED)
    assert index.marks == [Mark(4, "error", "bad <b>"), Mark(9, "warning", "careful")]
    assert (index.errors, index.warnings) == (1, 1)


def test_a_window_is_cut_to_what_there_is() -> None:
    index = LogIndex(GROUPED)
    assert [each.segments[0][0] for each in index.window(10, 50)] == ["says ##[error] in its midst", "last"]
    assert index.window(12, 5) == []
    assert LogIndex("").lines == 0
    assert LogIndex("").window(1, 5) == []
    assert list(index.plain_lines())[1:3] == ["Run pytest", "in it"]


def test_lines_are_counted_as_excerpts_count_them() -> None:
    text = "one\rtwo\x0cthree\u2028four\r\nfive\n"
    assert LogIndex(text).lines == len(text.splitlines())
    assert [each.segments[0][0] for each in LogIndex(text).window(1, 9)] == ["one", "two", "three", "four", "five"]


def test_search_sees_what_is_read_whatever_the_case() -> None:
    text = f"{AT}\x1b[31mFA\x1b[0mIL here\n{AT}nothing\n{AT}fail, FAIL and Fail\nÄRGER\n2026 .*"
    index = LogIndex(text)
    found = index.search("fail", limit=9, count_limit=9)
    assert (found.lines, found.count, found.is_partial) == ([1, 3], 2, False)
    assert index.search("ärger", limit=9, count_limit=9).lines == [4]
    # Times are not searched, and nothing is a pattern.
    assert index.search("2026-11", limit=9, count_limit=9).count == 0
    assert index.search(".*", limit=9, count_limit=9).lines == [5]


def test_search_stops_counting_and_says_so() -> None:
    found = LogIndex("a\n" * 100).search("A", limit=3, count_limit=10)
    assert (found.lines, found.count, found.is_partial) == ([1, 2, 3], 10, True)
    assert LogIndex("a\n" * 10).search("a", limit=3, count_limit=10).is_partial is False


def test_the_cause_is_found_by_its_excerpt() -> None:
    index = LogIndex(GROUPED)
    assert index.find_line(["in it", "##[error]bad <b>"], 3, "bad <b>") == 4
    assert index.find_line(["in it"], 3, "something else") is None
    assert index.find_line(["x"], 99, "x") is None


def test_the_cache_removes_the_least_recently_used_log() -> None:
    made: list[int] = []

    def make(number: int) -> LogIndex:
        made.append(number)
        return LogIndex("x" * 1_000)

    cache = LogCache(max_bytes=2 * LogIndex("x" * 1_000).size_bytes)
    for number in (1, 2, 1, 3, 1, 2):
        cache.get((number, number), lambda number=number: make(number))  # type: ignore[misc]
    assert made == [1, 2, 3, 2]
    assert LogCache(0).get((1, 1), lambda: make(9)).lines == 1


def test_the_viewer_shows_no_other_escape_and_keeps_colours_however_they_are_written() -> None:
    red, bold = Style(foreground=(205, 49, 49)), Style(bold=True)
    assert styled_segments("\x1b(B\x1b[m\x1b[1mno such host") == [("no such host", bold)]
    assert styled_segments("\x9b31mno\x9b0m such^[[1m host") == [("no", red), (" such", PLAIN), (" host", bold)]
    assert styled_segments("\x1b[31m|\b/\b\x1b[1mx\x1b]0;t\x07\x1bPq\x1b\\") == [
        ("x", Style(foreground=(205, 49, 49), bold=True))
    ]
    assert ansi.strip_codes("n\x00o\x00 \x1b7host\x1b8") == "no host"


def test_a_search_finds_what_is_shown() -> None:
    index = LogIndex(AT + "first\n" + AT + "no \x1b(Bsu\x1b[1mch\x9b0m ho\x00st\n" + AT + "x|\b^[[31mlast")
    assert index.search("no such host", limit=5, count_limit=9).lines == [2]
    assert index.search("xlast", limit=5, count_limit=9).lines == [3]
