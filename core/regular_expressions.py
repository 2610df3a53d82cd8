"""Regular expressions from users: RE2, whose time is linear in the length of the text for every expression.

Syntax: https://github.com/google/re2/wiki/Syntax. The package `google-re2` has no type stubs."""

import re
from collections.abc import Iterator
from typing import Any

import re2

MAX_LENGTH = 500
# Memory of one compiled expression, in bytes: RE2 rejects larger programs, and its cache of states stays below it.
_MAX_MEMORY = 8 << 20
# Instructions of a compiled expression. In the worst case each byte of a text takes time for each of them.
_MAX_PROGRAM = 10_000
# An escape sequence; \C is any byte, also that of a line break.
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


class InvalidExpression(ValueError):
    """The message is one line for users."""


class Expression:
    """A compiled expression. It matches within lines: `^` and `$` are the ends of a line, and no part of it matches a
    line break."""

    def __init__(self, pattern: str, *, case_sensitive: bool) -> None:
        """Raises InvalidExpression."""
        if not pattern or len(pattern) > MAX_LENGTH:
            raise InvalidExpression(f"expected 1 to {MAX_LENGTH} characters; got {len(pattern)}")
        if not pattern.isprintable():
            raise InvalidExpression("the expression contains characters that cannot be searched for")
        if "C" in _ESCAPE.findall(pattern):
            raise InvalidExpression(r"\C is not supported; write . for any character")
        options: Any = re2.Options()
        options.never_nl, options.never_capture, options.log_errors = True, True, False
        options.case_sensitive, options.max_mem = case_sensitive, _MAX_MEMORY
        try:
            self._compiled: Any = re2.compile(f"(?m){pattern}", options)
        except re2.error as error:
            raise InvalidExpression(_message(error)) from None
        if self.program_size > _MAX_PROGRAM:
            raise InvalidExpression("the expression is too complex; shorten it or lower the numbers of its repetitions")

    @property
    def program_size(self) -> int:
        """Instructions of the compiled expression."""
        return int(max(self._compiled.programsize, self._compiled.reverseprogramsize))

    def spans(self, text: bytes, start: int = 0) -> Iterator[tuple[int, int]]:
        """First byte and end of each match, in UTF-8 text, from the byte `start`. Matches can be empty. The time of
        each match is linear in the length of the text; that of all of them is not."""
        for match in self._compiled.finditer(text, start):
            yield match.span()

    def matches_empty(self) -> bool:
        """Whether the expression matches the empty text, so that it matches every line."""
        return self._compiled.search(b"") is not None


def _message(error: Exception) -> str:
    detail = error.args[0] if error.args else ""
    text = detail.decode("utf-8", "replace") if isinstance(detail, bytes) else str(detail)
    return f"invalid regular expression: {text.replace('(?m)', '', 1)[:200]} (syntax: RE2)"
