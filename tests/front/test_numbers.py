"""Digits of untrusted text, and settings within a range."""

from typing import Annotated

import pytest
from pydantic import TypeAdapter, ValidationError

from core.numbers import MAX_INT64, number_between, parse_digits


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("007", 7),
        (str(MAX_INT64), MAX_INT64),
        ("0" * 5_000 + "1", 1),
        (str(MAX_INT64 + 1), None),
        ("9" * 5_000, None),
        ("", None),
        ("-1", None),
        ("+1", None),
        (" 1", None),
        ("1_0", None),
        ("\u0663", None),
        ("\u00b2", None),
    ],
)
def test_only_ascii_digits_up_to_the_maximum_are_a_number(text: str, expected: int | None) -> None:
    assert parse_digits(text) == expected


@pytest.mark.parametrize("value", ["0.04", "1441", "nan", "inf", "five", ""])
def test_a_number_outside_of_its_range_is_an_error_that_says_what_is_allowed(value: str) -> None:
    setting: TypeAdapter[float] = TypeAdapter(Annotated[float, number_between(0.05, 1440, "minutes")])
    assert setting.validate_python("0.05") == 0.05
    with pytest.raises(ValidationError, match=r"expected a number of minutes from 0\.05 to 1440"):
        setting.validate_python(value)
