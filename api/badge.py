"""Badges as SVG, in the proportions that shields.io made usual."""

from html import escape

# Widths of Verdana at 11 px, in tenths of a pixel, by class of character; the text is stretched to the sum, so that a
# font that is missing changes nothing.
_NARROW, _WIDE, _USUAL = 42, 98, 69
_SLIM = set("ijl.,:;'|!()[]{}It fr/\\-`")
_LONGEST = 60
PASSING, FAILING, UNKNOWN = "#1f7a3d", "#b3261e", "#6b7280"


def badge(label: str, message: str, color: str) -> str:
    """`label` and `message` are plain text from anybody."""
    label, message = _short(label), _short(message)
    left, right = _width(label) + 10, _width(message) + 10
    spoken = escape(f"{label}: {message}")
    texts = _text(label, 5, left - 10) + _text(message, left + 5, right - 10)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" aria-label="{spoken}">'
        f"<title>{spoken}</title>"
        f'<clipPath id="r"><rect width="{left + right}" height="20" rx="3"/></clipPath>'
        f'<g clip-path="url(#r)"><rect width="{left}" height="20" fill="#3f4651"/>'
        f'<rect x="{left}" width="{right}" height="20" fill="{color}"/></g>'
        f'<g fill="#fff" font-family="Verdana,Geneva,DejaVu Sans,sans-serif" font-size="11">{texts}</g></svg>'
    )


def _text(text: str, x: int, width: int) -> str:
    return f'<text x="{x}" y="14" textLength="{width}" lengthAdjust="spacingAndGlyphs">{escape(text)}</text>'


def _short(text: str) -> str:
    """Without what XML does not take."""
    plain = "".join(char if char.isprintable() else " " for char in text).strip() or " "
    return plain if len(plain) <= _LONGEST else plain[: _LONGEST - 1] + "…"


def _width(text: str) -> int:
    tenths = sum(_NARROW if char in _SLIM else _WIDE if char in "mwMW@%" or ord(char) > 0x2E80 else _USUAL
                 for char in text)  # fmt: skip
    return (tenths + 9) // 10
