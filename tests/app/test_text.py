import re
from urllib.parse import unquote

import pytest

from app.status_style import cause_class_colour, cause_class_label, outcome_label
from app.widgets.cells import cause_class
from app.widgets.sparklines import column_sparkline, outcome_strip, sparkline
from app.widgets.text import html, markdown, url_key
from db.enums import Conclusion, Status
from health.insights.causes.model import CauseClass


@pytest.mark.parametrize(
    "text",
    ["**b**", "[a](javascript:alert(1))", "<script>", "`c`", ":material/bolt:", ":red[x]", "$x$", "# h", "a\n\n- b",
     "![i](https://evil.example/x.png)", "https://evil.example", "| a | b |", "\u202eevil"],
)  # fmt: skip
def test_markdown_in_names_is_escaped(text: str) -> None:
    shown = markdown(text)
    for active in "*[]<>`:$#!|_":
        assert all(shown[at - 1] == "\\" for at in range(len(shown)) if shown[at] == active)
    assert "\n" not in shown
    assert "\u202e" not in shown


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("see https://evil.example/x", "see https:~//evil.example/x"),
        ("HTTP://evil.example and xhttps://evil.example", "HTTP:~//evil.example and xhttps:~//evil.example"),
        ("www.evil.example", "www~.evil.example"),
        ("me@evil.example, a.b+c@x-y.example", "me@~evil.example, a.b+c@~x-y.example"),
        (":material/bug_report:", ":~material/bug_report:"),
        (":fire::+1::100:", ":~fire::~+1::~100:"),
        ("a -> b -- c", "a -~> b -~- c"),
        # As they are, and are copied.
        ("12:30:45", "12:30:45"),
        ("release/1.2 @alice a:b c@ www x->y", "release/1.2 @alice a:b c@ www x->y"),
    ],
)
def test_autolinks_and_icons_are_broken_up(text: str, broken: str) -> None:
    assert markdown(text).replace("\\", "").replace("\u2060", "~") == broken


def test_html_in_names_is_escaped() -> None:
    assert html("<img src=x onerror='a'>\"") == "&lt;img src=x onerror=&#x27;a&#x27;&gt;&quot;"


@pytest.mark.parametrize("state", [*Conclusion, *(status for status in Status if status != Status.COMPLETED)])
def test_every_state_has_a_sign_and_a_word(state: str) -> None:
    sign, _, name = outcome_label(state).partition(" ")
    assert len(sign) == 1
    assert name


def test_unknown_state_is_shown_as_it_is() -> None:
    assert outcome_label("brand_new") == "· Brand new"


def test_every_class_of_causes_has_a_word_and_no_fault_of_the_change_is_blue() -> None:
    assert len({cause_class_label(kind) for kind in CauseClass}) == len(CauseClass)
    blue = {kind for kind in CauseClass if cause_class_colour(kind) == "blue"}
    assert blue == {CauseClass.INFRASTRUCTURE, CauseClass.TIMEOUT, CauseClass.RESOURCES}
    assert (cause_class_label("new_class"), cause_class_colour("new_class")) == ("New class", "gray")
    assert cause_class("<b>").html == '<span class="ph-class ph-gray">&lt;b&gt;</span>'


def test_the_strip_tells_failures_apart_without_colour() -> None:
    svg = unquote(outcome_strip(["success", "failure", "skipped"]))
    assert len(set(re.findall(r"v(\d+)h-", svg))) == 3


def test_sparkline_has_gaps_for_unknown_values() -> None:
    assert unquote(sparkline([1.0, None, 0.5])).count("M") == 2
    # A value between two gaps is a dot, which is thicker than a line to be visible.
    drawn = unquote(sparkline([1.0, 0.8, None, 0.5]))
    assert re.findall(r'd="(M[^"]*)".*?stroke-width="([\d.]+)"', drawn) == [
        ("M0.0 1.5L28.0 5.3", "1.5"),
        ("M84.0 11.0h0", "3"),
    ]
    assert sparkline([None, None]) == ""


def test_pictures_are_safe_in_attributes() -> None:
    for picture in (outcome_strip(["success"]), sparkline([1.0, 2.0]), column_sparkline([0, 3])):
        assert picture.startswith("data:image/svg+xml,")
        assert not set(picture) & set('"<>')


def test_long_names_have_short_keys_of_their_own_in_urls() -> None:
    assert url_key("build (3.11)") == "build (3.11)"
    first, second = url_key("x" * 81), url_key("x" * 82)
    assert first != second
    assert len(first) == len(second) == 53
    assert url_key("\ud800" * 81).startswith("\ud800")
