"""Secrets are kept out of the log: those of the settings by their values, and whatever looks like one. Pure."""

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import quote, quote_plus, unquote

MASK = "***"
# A shorter one may be part of many a word; then only its place gives it away.
_SHORTEST = 8
# So long, it is taken where it stands as a word by itself.
_SHORTEST_WORD = 6
# Passwords of many a database for development, known to all, and words of other lines (postgresql://, "password
# authentication failed"): taken by themselves they would make those unreadable. In a URL their place gives them away.
_WORDS = frozenset({"postgres", "password", "health"})
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


def redaction(secrets: Iterable[str]) -> Callable[[str], str]:
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
    return [part for part in found if len(part) >= _SHORTEST_WORD and part.lower() not in _WORDS]


def _forms(value: str) -> Iterator[str]:
    """A value as others may write it: in an address, in JSON, and as a part of what is encoded in Base64, as headers
    and logins are."""
    yield from (value, quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1])
    raw = value.encode("utf-8", "replace")
    if len(raw) >= _SHORTEST:
        for before in range(3):
            # The characters that hold nothing but bits of the value.
            encoded = b64encode(b"\0" * before + raw).decode()
            first, last = -(-before * 8 // 6), (before + len(raw)) * 8 // 6
            yield encoded[first:last]


def _values(secrets: Iterable[str]) -> re.Pattern[str] | None:
    forms = {form for secret in secrets for part in _parts(secret) for form in _forms(part)}
    words = [
        re.escape(form) if len(form) >= _SHORTEST else rf"(?<!\w){re.escape(form)}(?!\w)"
        for form in sorted(forms, key=len, reverse=True)
    ]
    return re.compile("|".join(words)) if words else None
