"""Untrusted text in places that read Markdown or HTML."""

import re
from html import escape

from core.text import printable

_ACTIVE = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&^=\"'])")
# What Streamlit looks for once the text is read, when no backslash is left: addresses and mail addresses to link, names
# of icons and emoji, and arrows and dashes between blanks. A time of day is none of them.
_AUTOLINK = re.compile(
    r"https?:(?=//)|www(?=\.)|(?<=[-.\w+])@(?=[-\w])|:(?!\d\d:)(?=[\w+/-]{1,100}:)|(?<!\S)[<>~-](?=(?:->|[->=])(?!\S))",
    re.IGNORECASE,
)
# Seen nowhere, and no place for a line break.
_WORD_JOINER = "\u2060"


def markdown(text: object) -> str:
    """Shown as it is by st.markdown and by labels: nothing in it formats, links or becomes an icon or a formula. Where
    it would have, what is copied from the page holds an invisible word joiner (U+2060)."""
    shown = " ".join(printable(str(text)).split())
    return _ACTIVE.sub(r"\\\1", _AUTOLINK.sub(rf"\g<0>{_WORD_JOINER}", shown))


def html(text: object) -> str:
    return escape(printable(str(text)), quote=True)


def truncate(text: str, max_length: int = 160) -> str:
    """At most so many characters, the last of them an ellipsis where the text is longer."""
    return text if len(text) <= max_length else f"{text[: max_length - 1]}…"
