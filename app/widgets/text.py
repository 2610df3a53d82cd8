"""Untrusted text in Markdown, HTML and URLs."""

import re
from hashlib import sha256
from html import escape

from core.text import printable

_ACTIVE = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&^=\"'])")
# Streamlit replaces these after Markdown is parsed, when backslashes no longer protect them: URLs and mail addresses,
# names of icons and emoji, and arrows and dashes between blanks. Times of day are not affected.
_AUTOLINK = re.compile(
    r"https?:(?=//)|www(?=\.)|(?<=[-.\w+])@(?=[-\w])|:(?!\d\d:)(?=[\w+/-]{1,100}:)|(?<!\S)[<>~-](?=(?:->|[->=])(?!\S))",
    re.IGNORECASE,
)
# Invisible, and prevents a line break.
_WORD_JOINER = "\u2060"
_MAX_KEY_LENGTH = 80


def markdown(text: object) -> str:
    """Text that st.markdown and labels show literally, on one line, without formatting, links, icons or formulas. Text
    copied from the page may contain invisible word joiners (U+2060) that prevent these."""
    shown = " ".join(printable(str(text)).split())
    return _ACTIVE.sub(r"\\\1", _AUTOLINK.sub(rf"\g<0>{_WORD_JOINER}", shown))


def html(text: object) -> str:
    return escape(printable(str(text)), quote=True)


def truncate(text: str, max_length: int = 160) -> str:
    """At most `max_length` characters; a longer text ends with an ellipsis."""
    return text if len(text) <= max_length else f"{text[: max_length - 1]}…"


def url_key(name: str) -> str:
    """A name such as that of a job in the URL; a prefix with a hash if it is long."""
    if len(name) <= _MAX_KEY_LENGTH:
        return name
    return f"{name[:40]}~{sha256(name.encode(errors='replace')).hexdigest()[:12]}"
