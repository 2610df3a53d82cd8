"""Text from outside, made fit for a message, a log line and a database."""

import re

# PostgreSQL takes no NUL, a terminal obeys the others, and what turns the direction of reading around (Unicode, UAX #9)
# makes the rest of a line read as something else.
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """Lines and tabs stay. Half a surrogate pair cannot be sent as UTF-8."""
    return _UNFIT.sub("", text).encode("utf-8", "replace").decode()


def one_line(text: object) -> str:
    # Separators of lines are among the control characters.
    return " ".join(printable(" ".join(str(text).split())).split())


def line(reason: object) -> str:
    """One short line."""
    return one_line(reason)[:200]
