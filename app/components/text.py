"""Untrusted text in places that read Markdown or HTML."""

import re
from html import escape

_ACTIVE = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&^=\"'])")
# Characters that turn the direction of the text around them.
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")


def markdown(text: object) -> str:
    """Shown as it is by st.markdown and by labels: nothing in it formats, links or becomes an icon or a formula."""
    return _ACTIVE.sub(r"\\\1", " ".join(_BIDI.sub("", str(text)).split()))


def html(text: object) -> str:
    return escape(_BIDI.sub("", str(text)), quote=True)


def short(text: str, most: int = 160) -> str:
    """At most so many characters, the last of them an ellipsis where the text is longer."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
