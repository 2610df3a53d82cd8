"""Keyset cursors: the position of a page's last row as opaque text."""

import base64
import binascii
from collections.abc import Callable
from datetime import datetime
from math import isfinite
from typing import Any

_SEPARATOR = "|"
MAX_ID = 2**63 - 1


class InvalidCursor(ValueError):
    """The cursor was not issued by this API."""

    def __init__(self) -> None:
        super().__init__("cursor was not issued by this API; repeat the request without it")


def encode_cursor(*position: datetime | int | float) -> str:
    """Returns the position, the values of the columns that a list is sorted by, as text that is safe in a URL."""
    return base64.urlsafe_b64encode(_SEPARATOR.join(map(_format, position)).encode()).decode().rstrip("=")


def _format(value: datetime | int | float) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return repr(value) if isinstance(value, float) else str(int(value))


def decode_cursor(cursor: str, *kinds: type[datetime] | type[int] | type[float] | type[bool]) -> tuple[Any, ...]:
    """Returns the position of a cursor as values of these types. Raises InvalidCursor unless every time has an offset
    and every number fits into a column."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        values = text.split(_SEPARATOR)
        if len(values) != len(kinds):
            raise InvalidCursor
        return tuple(_PARSERS[kind](value) for kind, value in zip(kinds, values, strict=True))
    except (ValueError, binascii.Error):
        raise InvalidCursor from None


def _parse_time(value: str) -> datetime:
    time = datetime.fromisoformat(value)
    if time.tzinfo is None:
        raise ValueError("the time has no offset")
    return time


def _parse_number(value: str) -> int:
    number = int(value)
    if not 0 <= number <= MAX_ID:
        raise ValueError("the number does not fit into a column")
    return number


def _parse_real(value: str) -> float:
    number = float(value)
    if not isfinite(number):
        raise ValueError("the number is not finite")
    return number


def _parse_flag(value: str) -> int:
    if value not in ("0", "1"):
        raise ValueError("the flag is neither 0 nor 1")
    return int(value)


_PARSERS: dict[type, Callable[[str], datetime | int | float]] = {
    datetime: _parse_time,
    int: _parse_number,
    float: _parse_real,
    bool: _parse_flag,
}
