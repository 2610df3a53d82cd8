"""Secrets are kept out of the log: those of the settings by their values, and whatever looks like one. Pure.

Text that servers, libraries and files hand in, made fit to become the text of an error, a stored text, a log line or
a line on a terminal: one line of limited length, without control characters and without secrets.

The secrets are those of this process: settings register theirs when they are loaded, and whoever is given one by a
server (a GitHub App's token) or by its caller (a channel's password) registers it as well.

Text in CSV files that people open in a spreadsheet.
"""

import json
import re
import threading
import unicodedata
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import quote, quote_plus, unquote

MASK = "***"
# A shorter one may be part of many a word; then only its place gives it away.
_MIN_SECRET_LENGTH = 8
# So long, it is taken where it stands as a word by itself.
_MIN_WORD_LENGTH = 6
# Passwords of many a database for development, known to all, and words of other lines (postgresql://, "password
# authentication failed"): taken by themselves they would make those unreadable. In a URL their place gives them away.
_COMMON_WORDS = frozenset({"postgres", "password", "health"})
# Each begins with something fixed, so that no text makes them slow.
_PATTERNS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"(://[^\s:/@]{0,200}):(?!PASSWORD@)[^\s/@]{1,400}@", rf"\1:{MASK}@"),
        (r"\b(gh[pousr]_|github_pat_)\w{10,255}", rf"\1{MASK}"),
        (r"\b(xox[a-z]-|xapp-)[\w-]{8,255}", rf"\1{MASK}"),
        (r"(hooks\.slack\.com/)[^\s\"')\]}]{1,400}", rf"\1{MASK}"),
        (r"\b([Bb]earer|[Bb]asic|[Tt]oken) [A-Za-z0-9._~+/=-]{16,4000}", rf"\1 {MASK}"),
        # Takes the whole first part even where nothing follows: it is not read again from each `eyJ` within it.
        (r"\beyJ[\w-]{10,}+(\.[\w-]{10,}+\.[\w-]{10,}+)?", lambda match: MASK if match[1] else match[0]),
        (r"([?&](?i:sig|signature|token|access_token|key|secret|password|x-amz-(?:signature|credential|security-token))"
         r"=)[^&\s\"')]{1,4000}", rf"\1{MASK}"),
        (r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^-]{0,20000}(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?", MASK),
    )
)  # fmt: skip
_IN_URL = re.compile(r"://[^\s:/@]{0,200}+:([^\s@]{1,400}+)@")


def make_redactor(secrets: Iterable[str]) -> Callable[[str], str]:
    """Takes the values out of a text, with the passwords of those that are URLs and the parts of those that are lists
    with commas between, and then all that looks like a secret."""
    values = _values(secrets)

    def redact(text: str) -> str:
        if values:
            text = values.sub(MASK, text)
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text

    return redact


def _parts(secret: str) -> list[str]:
    found = [secret.strip(), *(part.strip() for part in secret.split(","))]
    # Of a key in PEM: whoever repeats it may break its lines elsewhere.
    found += [line.strip() for line in secret.splitlines() if not line.startswith("-----")]
    if match := _IN_URL.search(secret):
        found += [match[1], unquote(match[1])]
    return [part for part in found if len(part) >= _MIN_WORD_LENGTH and part.lower() not in _COMMON_WORDS]


def _encodings(value: str) -> Iterator[str]:
    """A value as others may write it: in an address, in JSON, and as a part of what is encoded in Base64, as headers
    and logins are."""
    yield from (value, quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1])
    raw = value.encode("utf-8", "replace")
    if len(raw) >= _MIN_SECRET_LENGTH:
        for before in range(3):
            # The characters that hold nothing but bits of the value.
            encoded = b64encode(b"\0" * before + raw).decode()
            first, last = -(-before * 8 // 6), (before + len(raw)) * 8 // 6
            yield encoded[first:last]


def _values(secrets: Iterable[str]) -> re.Pattern[str] | None:
    forms = {form for secret in secrets for part in _parts(secret) for form in _encodings(part)}
    words = [
        re.escape(form) if len(form) >= _MIN_SECRET_LENGTH else rf"(?<!\w){re.escape(form)}(?!\w)"
        for form in sorted(forms, key=len, reverse=True)
    ]
    return re.compile("|".join(words)) if words else None


MAX_LENGTH = 1_000
# What is longer is cut before anything looks at it.
_MAX_INPUT = 40_000
# Tokens that are renewed, by the hour.
_MAX_RENEWED = 50
# C0 and C1 but tab and line breaks, which PostgreSQL does not store (NUL) or terminals obey; what turns the direction
# of reading around (Unicode, UAX #9); what is not seen and no script needs, tags among it.
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
    "\U000e0000-\U000e0fff]"
)
# Control sequences and strings (ECMA-48), which would leave their parameters behind.
_SEQUENCE = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*+[ -/]*+[@-~]|(?:\x1b\\]|\x9d)[^\x07\x1b\x9b-\x9d\n]*+(?:\x07|\x1b\\\\|\x9c)"
)


class _SecretRegistry:
    """Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lasting: frozenset[str] = frozenset()
        self._renewed: deque[str] = deque(maxlen=_MAX_RENEWED)
        self.redact: Callable[[str], str] = make_redactor(())

    def add(self, values: Iterable[str | None], *, renewed: bool) -> None:
        new = {value for value in values if value} - self._lasting
        with self._lock:
            if renewed:
                self._renewed.extend(sorted(new - set(self._renewed)))
            else:
                self._lasting |= new
            if new:
                self.redact = make_redactor((*self._lasting, *self._renewed))

    def clear(self) -> None:
        with self._lock:
            self._lasting = frozenset()
            self._renewed.clear()
            self.redact = make_redactor(())


_secrets = _SecretRegistry()


def register_secrets(*values: str | None, expires: bool = False) -> None:
    """From now on no cleaned text of this process holds one of these. `renewed`: a token that is valid for a while; of
    those the last ones are remembered."""
    _secrets.add(values, renewed=expires)


def clear_secrets() -> None:
    """Of all that was registered, for a process that loads other settings."""
    _secrets.clear()


def printable(text: str) -> str:
    """Lines and tabs stay. Half a surrogate pair, which no encoding and no database takes, becomes a question mark."""
    return _FORBIDDEN.sub("", text).encode("utf-8", "replace").decode()


def strip_control_sequences(text: str) -> str:
    """What a terminal would show of a text: without control sequences, too."""
    return printable(_SEQUENCE.sub("", text))


def one_line(text: object) -> str:
    # Separators of lines are among the control characters.
    return " ".join(printable(" ".join(str(text).split())).split())


def clean(text: object, max_length: int = MAX_LENGTH) -> str:
    """One line of at most `longest` characters. Secrets are looked for in what would be seen, as control characters
    within one hide it, and before it is cut, as a part of one is a secret, too."""
    given = str(text)
    if len(given) > _MAX_INPUT:
        # Without the word that is cut in two.
        given = given[:_MAX_INPUT].rpartition(" ")[0] + "…"
    found = _secrets.redact(one_line(_SEQUENCE.sub("", given)))
    return found if len(found) <= max_length else f"{found[: max_length - 1]}…"


# https://owasp.org/www-community/attacks/CSV_Injection; also behind what a spreadsheet does not show.
_FORMULA = ("=", "+", "-", "@")


def escape_formula(value: str) -> str:
    """The value, with an apostrophe in front where a spreadsheet would take it for a formula: also after spaces and
    invisible characters, and in the full-width forms, which some turn into the usual ones."""
    for character in value:
        if unicodedata.category(character)[0] not in "ZC":
            return f"'{value}" if unicodedata.normalize("NFKC", character).startswith(_FORMULA) else value
    return value
