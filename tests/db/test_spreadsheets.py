"""Text in CSV files is no formula."""

import pytest

from core.text import escape_formula


@pytest.mark.parametrize(
    "before", ["", " ", "  ", "\n", "\t", "\r", "\u00a0", "\u3000", "\ufeff", "\u200b", "\x00", "\u2028 \u200e"]
)
@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "＝", "＋", "－", "＠", "﹣", "﹢", "﹫", "⁼"])
def test_a_formula_gets_an_apostrophe(before: str, sign: str) -> None:
    value = f"{before}{sign}HYPERLINK(1)"
    assert escape_formula(value) == f"'{value}"


@pytest.mark.parametrize(
    "value", ["", "   ", "\u200b", "main", "fix: a = b", "'=1", "#12", "5-4", "–1", "ünïcode", "日本"]
)
def test_other_text_stays(value: str) -> None:
    assert escape_formula(value) == value
