"""Secrets are kept out of the log: those of the settings by their values, and whatever looks like one. Pure."""

import re
from collections.abc import Callable, Iterable
from urllib.parse import unquote

MASK = "***"
# A shorter one may be part of many a word; then only its place gives it away.
_SHORTEST = 8
# Each begins with something fixed, so that no text makes them slow.
_PATTERNS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"(://[^\s:/@]{0,200}):[^\s/@]{1,400}@", rf"\1:{MASK}@"),
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
_IN_URL = re.compile(r"://[^\s:/@]*:([^\s@]+)@")


def redaction(secrets: Iterable[str]) -> Callable[[str], str]:
    """Takes the values out of a text, with the passwords of those that are URLs and the parts of those that are lists
    with commas between, and then all that looks like a secret."""
    known = sorted({part for secret in secrets for part in _parts(secret)}, key=len, reverse=True)
    values = re.compile("|".join(map(re.escape, known))) if known else None

    def redact(text: str) -> str:
        if values:
            text = values.sub(MASK, text)
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text

    return redact


def _parts(secret: str) -> list[str]:
    found = [secret.strip(), *(part.strip() for part in secret.split(","))]
    if match := _IN_URL.search(secret):
        found += [match[1], unquote(match[1])]
    return [part for part in found if len(part) >= _SHORTEST]
