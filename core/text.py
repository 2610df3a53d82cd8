"""Untrusted text: redaction of secrets, removal of control characters, one-line form, escaping for spreadsheets.

Text from servers, libraries and files passes through `clean` before it becomes part of an error, a log line, a stored
message or terminal output: one line of limited length, without control characters and without secrets.

The secrets are those of this process. Settings register theirs when they are loaded; code that obtains one later (a
GitHub App's token, a channel's password) registers it with `register_secrets`."""

import json
import re
import threading
import unicodedata
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import quote, quote_plus, unquote

MASK = "***"
# Shorter values are also parts of ordinary words; they are masked only as whole words.
_MIN_SECRET_LENGTH = 8
# Values of at least this length are masked as whole words; shorter ones only in the patterns below.
_MIN_WORD_LENGTH = 6
# Well-known passwords of development databases that are also ordinary words ("password authentication failed"):
# masking them would make messages unreadable. In a URL the pattern masks them by their position.
_COMMON_WORDS = frozenset({"postgres", "password", "health"})
# Each pattern begins with a literal, which keeps the search linear for any text.
_PATTERNS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"(://[^\s:/@]{0,200}):(?!PASSWORD@)[^\s/@]{1,400}@", rf"\1:{MASK}@"),
        (r"\b(gh[pousr]_|github_pat_)\w{10,255}", rf"\1{MASK}"),
        (r"\b(xox[a-z]-|xapp-)[\w-]{8,255}", rf"\1{MASK}"),
        (r"(hooks\.slack\.com/)[^\s\"')\]}]{1,400}", rf"\1{MASK}"),
        (r"\b([Bb]earer|[Bb]asic|[Tt]oken) [A-Za-z0-9._~+/=-]{16,4000}", rf"\1 {MASK}"),
        # Consumes the first segment even without the others, so that the search does not restart at each `eyJ` in it.
        (r"\beyJ[\w-]{10,}+(\.[\w-]{10,}+\.[\w-]{10,}+)?", lambda match: MASK if match[1] else match[0]),
        (r"([?&](?i:sig|signature|token|access_token|key|secret|password|x-amz-(?:signature|credential|security-token))"
         r"=)[^&\s\"')]{1,4000}", rf"\1{MASK}"),
        (r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^-]{0,20000}(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?", MASK),
    )
)  # fmt: skip
_IN_URL = re.compile(r"://[^\s:/@]{0,200}+:([^\s@]{1,400}+)@")


def make_redactor(secrets: Iterable[str]) -> Callable[[str], str]:
    """Returns a function that masks the given secrets, their passwords where they are URLs, the items where they are
    comma-separated lists, and everything that matches a known form of secret."""
    values = _values(secrets)

    def redact(text: str) -> str:
        if values:
            text = values.sub(MASK, text)
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text

    return redact


def _parts(secret: str) -> list[str]:
    parts = [secret.strip(), *(part.strip() for part in secret.split(","))]
    # Lines of a PEM key: other programs may wrap it differently.
    parts += [line.strip() for line in secret.splitlines() if not line.startswith("-----")]
    if match := _IN_URL.search(secret):
        parts += [match[1], unquote(match[1])]
    return [part for part in parts if len(part) >= _MIN_WORD_LENGTH and part.lower() not in _COMMON_WORDS]


def _encodings(value: str) -> Iterator[str]:
    """The value itself, percent-encoded, as part of a JSON string, and as part of a Base64 text at each of the three
    alignments (as in Authorization headers)."""
    yield from (value, quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1])
    raw = value.encode("utf-8", "replace")
    if len(raw) >= _MIN_SECRET_LENGTH:
        for before in range(3):
            # Only the characters that depend on nothing but the value.
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
# Longer input is truncated before it is searched.
_MAX_INPUT = 40_000
# Short-lived tokens, renewed about once an hour.
_MAX_EXPIRING = 50

# Sets of characters, for use within [] of a regular expression.
# Marks that change the direction of the text around them (Unicode Standard Annex #9), and the byte order mark.
DIRECTION_MARKS = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff"
# Other characters without width that no script needs.
ZERO_WIDTH = "\xad\u200b\u2060-\u2064\u206a-\u206f"
SURROGATES = "\ud800-\udfff"
_TAGS = "\U000e0000-\U000e0fff"

# C0 controls, DEL and unpaired surrogates: not allowed in names, filters and other text of a single line.
CONTROL_CHARACTERS = re.compile(f"[\x00-\x1f\x7f{SURROGATES}]")
# PostgreSQL stores no NUL, and UTF-8 encodes no unpaired surrogate.
UNSTORABLE_CHARACTERS = re.compile(f"[\x00{SURROGATES}]")
# C0 and C1 controls except tab and line breaks, and invisible characters.
_NOT_PRINTABLE = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f{DIRECTION_MARKS}{ZERO_WIDTH}{_TAGS}]")
# Control sequences and control strings (ECMA-48), which are removed together with their parameters.
_CONTROL_SEQUENCE = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*+[ -/]*+[@-~]|(?:\x1b\\]|\x9d)[^\x07\x1b\x9b-\x9d\n]*+(?:\x07|\x1b\\\\|\x9c)"
)


class _SecretRegistry:
    """Secrets of this process. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._permanent: frozenset[str] = frozenset()
        self._expiring: deque[str] = deque(maxlen=_MAX_EXPIRING)
        self.redact: Callable[[str], str] = make_redactor(())

    def add(self, values: Iterable[str | None], *, expires: bool) -> None:
        new = {value for value in values if value} - self._permanent
        with self._lock:
            if expires:
                self._expiring.extend(sorted(new - set(self._expiring)))
            else:
                self._permanent |= new
            if new:
                self.redact = make_redactor((*self._permanent, *self._expiring))

    def clear(self) -> None:
        with self._lock:
            self._permanent = frozenset()
            self._expiring.clear()
            self.redact = make_redactor(())


_secrets = _SecretRegistry()


def register_secrets(*values: str | None, expires: bool = False) -> None:
    """Masks these values in all text that `clean` returns from now on. `expires`: short-lived tokens, of which the
    latest 50 are remembered."""
    _secrets.add(values, expires=expires)


def clear_secrets() -> None:
    """Forgets all registered secrets, before a process loads other settings."""
    _secrets.clear()


def printable(text: str) -> str:
    """Removes control characters and invisible characters; line breaks and tabs stay. An unpaired surrogate becomes a
    question mark."""
    return _NOT_PRINTABLE.sub("", text).encode("utf-8", "replace").decode()


def strip_control_sequences(text: str) -> str:
    """As `printable`, also without control sequences."""
    return printable(_CONTROL_SEQUENCE.sub("", text))


def collapse_whitespace(text: object) -> str:
    """The text on one line: each run of spaces and line breaks becomes one space."""
    return " ".join(str(text).split())


def one_line(text: object) -> str:
    """The printable text on one line."""
    # Whitespace first: some line separators are control characters, which `printable` removes without a space.
    return collapse_whitespace(printable(collapse_whitespace(text)))


def clean(text: object, max_length: int = MAX_LENGTH) -> str:
    """Returns one line of at most `max_length` characters, with secrets masked.

    Control characters are removed before secrets are searched, because they would split a secret; the line is truncated
    afterwards, because a part of a secret is no longer recognized."""
    source = str(text)
    if len(source) > _MAX_INPUT:
        # Up to the last whole word.
        source = source[:_MAX_INPUT].rpartition(" ")[0] + "…"
    line = _secrets.redact(one_line(_CONTROL_SEQUENCE.sub("", source)))
    return line if len(line) <= max_length else f"{line[: max_length - 1]}…"


# https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA_PREFIXES = ("=", "+", "-", "@")


def escape_formula(value: str) -> str:
    """The value for a CSV file, with a leading apostrophe where a spreadsheet would evaluate it as a formula: also
    after spaces and invisible characters, and in full-width forms, which some spreadsheets normalize."""
    for character in value:
        if unicodedata.category(character)[0] not in "ZC":
            return f"'{value}" if unicodedata.normalize("NFKC", character).startswith(_FORMULA_PREFIXES) else value
    return value
