"""Integers that the database stores, digits of untrusted text, and settings that are a number within a range."""

from pydantic import BeforeValidator

MAX_INT32 = 2**31 - 1
# The largest value of a PostgreSQL bigint and of a SQLite integer: ids of GitHub are stored in such columns.
MAX_INT64 = 2**63 - 1


def parse_digits(text: str, maximum: int = MAX_INT64) -> int | None:
    """Parses a text of ASCII digits, without sign, spaces or underscores; null for any other text and for a number
    above `maximum`. The length is checked first: int() takes quadratic time."""
    if not (text.isascii() and text.isdigit()) or len(text.lstrip("0")) > len(str(maximum)):
        return None
    number = int(text.lstrip("0") or "0")
    return number if number <= maximum else None


def number_between(lowest: float, highest: float, unit: str) -> BeforeValidator:
    """A pydantic validator for `Annotated[float, …]` that accepts numbers from `lowest` to `highest`. `unit` is the
    plural that the error message names, such as "seconds"."""
    return BeforeValidator(lambda value: _parse_number(value, lowest, highest, f"a number of {unit}"))


def whole_number_between(lowest: int, highest: int, unit: str) -> BeforeValidator:
    """As `number_between` for `Annotated[int, …]`: also rejects fractions."""

    def parse(value: object) -> int:
        number = _parse_number(value, lowest, highest, f"a number of {unit}")
        if number != int(number):
            raise ValueError(f"invalid value {value!r}; expected a whole number of {unit} from {lowest} to {highest}")
        return int(number)

    return BeforeValidator(parse)


def _parse_number(value: object, lowest: float, highest: float, kind: str) -> float:
    try:
        number = float(str(value))
    except ValueError:
        number = float("nan")
    if not lowest <= number <= highest:
        raise ValueError(f"invalid value {str(value)[:40]!r}; expected {kind} from {lowest:g} to {highest:g}")
    return number
