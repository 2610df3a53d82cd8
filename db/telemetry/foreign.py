"""Text that servers, libraries and files hand in, made fit to become the text of an error, a stored text, a log line or
a line on a terminal: one line of limited length, without control characters and without secrets.

The secrets are those of this process: settings register theirs when they are loaded, and whoever is given one by a
server (a GitHub App's token) or by its caller (a channel's password) registers it as well."""

import re
import threading
from collections import deque
from collections.abc import Callable, Iterable

from db.telemetry.redaction import redaction

LONGEST = 1_000
# What is longer is cut before anything looks at it.
_READ = 40_000
# Tokens that are renewed, by the hour.
_RENEWED = 50
# C0 and C1 but tab and line breaks, which PostgreSQL does not store (NUL) or terminals obey; what turns the direction
# of reading around (Unicode, UAX #9); what is not seen and no script needs, tags among it.
_UNFIT = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
    "\U000e0000-\U000e0fff]"
)
# Control sequences and strings (ECMA-48), which would leave their parameters behind.
_SEQUENCE = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*+[ -/]*+[@-~]|(?:\x1b\\]|\x9d)[^\x07\x1b\x9b-\x9d\n]*+(?:\x07|\x1b\\\\|\x9c)"
)


class _Secrets:
    """Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lasting: frozenset[str] = frozenset()
        self._renewed: deque[str] = deque(maxlen=_RENEWED)
        self.redact: Callable[[str], str] = redaction(())

    def add(self, values: Iterable[str | None], *, renewed: bool) -> None:
        new = {value for value in values if value} - self._lasting
        with self._lock:
            if renewed:
                self._renewed.extend(sorted(new - set(self._renewed)))
            else:
                self._lasting |= new
            if new:
                self.redact = redaction((*self._lasting, *self._renewed))

    def clear(self) -> None:
        with self._lock:
            self._lasting = frozenset()
            self._renewed.clear()
            self.redact = redaction(())


_secrets = _Secrets()


def hide(*values: str | None, renewed: bool = False) -> None:
    """From now on no cleaned text of this process holds one of these. `renewed`: a token that is valid for a while; of
    those the last ones are remembered."""
    _secrets.add(values, renewed=renewed)


def forget_secrets() -> None:
    """Of all that was registered, for a process that loads other settings."""
    _secrets.clear()


def printable(text: str) -> str:
    """Lines and tabs stay. Half a surrogate pair, which no encoding and no database takes, becomes a question mark."""
    return _UNFIT.sub("", text).encode("utf-8", "replace").decode()


def seen(text: str) -> str:
    """What a terminal would show of a text: without control sequences, too."""
    return printable(_SEQUENCE.sub("", text))


def one_line(text: object) -> str:
    # Separators of lines are among the control characters.
    return " ".join(printable(" ".join(str(text).split())).split())


def clean(text: object, longest: int = LONGEST) -> str:
    """One line of at most `longest` characters. Secrets are looked for in what would be seen, as control characters
    within one hide it, and before it is cut, as a part of one is a secret, too."""
    given = str(text)
    if len(given) > _READ:
        # Without the word that is cut in two.
        given = given[:_READ].rpartition(" ")[0] + "…"
    found = _secrets.redact(one_line(_SEQUENCE.sub("", given)))
    return found if len(found) <= longest else f"{found[: longest - 1]}…"
