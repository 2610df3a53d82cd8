"""Terminal escape sequences: colours and weights (SGR) become styles, all others are removed. Pure.

A style ends with its line, as in GitHub's own viewer, so that a window of lines can be shown without the lines before.
Colours are adjusted until they are readable on a light and on a dark background.
"""

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from core.terminal import ESC, ESCAPE, normalize_escapes, visible_fragment

Rgb = tuple[int, int, int]

# The 16 named colours, as in the terminal of Visual Studio Code.
_BASIC_COLOURS: tuple[Rgb, ...] = (
    (0, 0, 0), (205, 49, 49), (13, 188, 121), (229, 229, 16), (36, 114, 200), (188, 63, 188), (17, 168, 205),
    (229, 229, 229), (102, 102, 102), (241, 76, 76), (35, 209, 139), (245, 245, 67), (59, 142, 234), (214, 112, 214),
    (41, 184, 219), (255, 255, 255),
)  # fmt: skip
_CUBE = (0, 95, 135, 175, 215, 255)
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
# The background of the viewer's rows on which text is hardest to read in each theme: that of marked lines.
LIGHT_BACKGROUND: Rgb = (246, 228, 228)
DARK_BACKGROUND: Rgb = (44, 26, 33)
# WCAG 2.2, success criterion 1.4.3.
_MIN_CONTRAST = 4.5


def palette_colour(index: int) -> Rgb:
    """A colour of the 256-colour palette: 16 named ones, a cube of 6 × 6 × 6, and 24 greys."""
    if index < 16:
        return _BASIC_COLOURS[index]
    if index < 232:
        red, rest = divmod(index - 16, 36)
        green, blue = divmod(rest, 6)
        return _CUBE[red], _CUBE[green], _CUBE[blue]
    grey = 8 + 10 * (index - 232)
    return grey, grey, grey


@lru_cache(maxsize=4096)
def for_both_themes(colour: Rgb) -> tuple[str, str]:
    """(hex on light, hex on dark). The colour is mixed with black or white until it is readable."""
    return (
        _hex(_mix_until_readable(colour, BLACK, LIGHT_BACKGROUND)),
        _hex(_mix_until_readable(colour, WHITE, DARK_BACKGROUND)),
    )


@lru_cache(maxsize=4096)
def on_background(colour: Rgb | None, background: Rgb) -> tuple[str, str]:
    """(hex on light, hex on dark) of text on a background that the log sets, which is the same in both themes."""
    target = BLACK if contrast(BLACK, background) > contrast(WHITE, background) else WHITE
    text = _hex(_mix_until_readable(colour or target, target, background))
    return text, text


def background_colours(colour: Rgb) -> tuple[str, str]:
    return _hex(colour), _hex(colour)


def contrast(first: Rgb, second: Rgb) -> float:
    """The contrast ratio, from 1 to 21 (WCAG 2.2)."""
    lighter, darker = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: Rgb) -> float:
    """Relative luminance, WCAG 2.2."""
    linear = [
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
        for channel in (value / 255 for value in colour)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _mix_until_readable(colour: Rgb, target: Rgb, background: Rgb) -> Rgb:
    """The colour with the smallest share of the target that is readable."""
    for percent in range(0, 101, 5):
        mixed = _mix(colour, target, percent)
        if contrast(mixed, background) >= _MIN_CONTRAST:
            return mixed
    return target


def _mix(colour: Rgb, target: Rgb, percent: int) -> Rgb:
    red, green, blue = (round(a + (b - a) * percent / 100) for a, b in zip(colour, target, strict=True))
    return red, green, blue


def _hex(colour: Rgb) -> str:
    return "#" + "".join(f"{value:02x}" for value in colour)


_SGR = re.compile(r"\x1b\[([0-9;:]*)m")
# Invisible characters that change the direction of the text.
_BIDI_CONTROLS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_MAX_CODES = 64


@dataclass(frozen=True)
class Style:
    """A null colour is the viewer's own."""

    foreground: Rgb | None = None
    background: Rgb | None = None
    bold: bool = False
    dim: bool = False
    italic: bool = False
    underline: bool = False
    strike: bool = False
    inverse: bool = False

    def colours(self) -> tuple[tuple[str, str] | None, tuple[str, str] | None]:
        """(text, background), each (hex on light, hex on dark) or null for the viewer's own."""
        text, background = self.foreground, self.background
        if self.inverse:
            text, background = background, text or (128, 128, 128)
        if background:
            return on_background(text, background), background_colours(background)
        return (for_both_themes(text) if text else None), None


PLAIN = Style()
_FLAGS: dict[int, dict[str, Any]] = {
    1: {"bold": True}, 2: {"dim": True}, 3: {"italic": True}, 4: {"underline": True}, 7: {"inverse": True},
    9: {"strike": True}, 21: {"underline": True}, 22: {"bold": False, "dim": False}, 23: {"italic": False},
    24: {"underline": False}, 27: {"inverse": False}, 29: {"strike": False},
}  # fmt: skip


def strip_codes(line: str) -> str:
    """The line as plain text."""
    return _BIDI_CONTROLS.sub("", visible_fragment(line))


def styled_segments(line: str) -> list[tuple[str, Style]]:
    """(text, style) for each part of the line with one style."""
    line = normalize_escapes(line)
    if ESC not in line:
        return [(strip_codes(line), PLAIN)]
    segments: list[tuple[str, Style]] = []
    style, position = PLAIN, 0
    for escape in ESCAPE.finditer(line):
        _add(segments, line[position : escape.start()], style)
        position = escape.end()
        codes = _SGR.fullmatch(escape[0])
        if codes:
            style = _apply_codes(style, codes[1])
    _add(segments, line[position:], style)
    return segments or [("", PLAIN)]


def _add(segments: list[tuple[str, Style]], text: str, style: Style) -> None:
    text = strip_codes(text)
    if not text:
        return
    if segments and segments[-1][1] == style:
        segments[-1] = (segments[-1][0] + text, style)
    else:
        segments.append((text, style))


def _apply_codes(style: Style, text: str) -> Style:
    codes = [int(part) if part and len(part) < 6 else 0 for part in re.split("[;:]", text)][:_MAX_CODES]
    position = 0
    while position < len(codes):
        code = codes[position]
        if code in (38, 48):
            colour, used = _extended_colour(codes[position + 1 :])
            if colour is not None:
                style = replace(style, foreground=colour) if code == 38 else replace(style, background=colour)
            position += 1 + used
            continue
        style = _apply_code(style, code)
        position += 1
    return style


def _apply_code(style: Style, code: int) -> Style:
    if code == 0:
        return PLAIN
    if code in _FLAGS:
        return replace(style, **_FLAGS[code])
    if 30 <= code <= 37 or 90 <= code <= 97:
        return replace(style, foreground=palette_colour(code - 30 if code < 90 else code - 82))
    if 40 <= code <= 47 or 100 <= code <= 107:
        return replace(style, background=palette_colour(code - 40 if code < 100 else code - 92))
    if code in (39, 49):
        return replace(style, foreground=None) if code == 39 else replace(style, background=None)
    return style


def _extended_colour(codes: list[int]) -> tuple[Rgb | None, int]:
    """(colour, number of codes) of `5;n`, a palette colour, or `2;r;g;b`."""
    if len(codes) >= 2 and codes[0] == 5:
        return (palette_colour(codes[1]) if codes[1] < 256 else None), 2
    if len(codes) >= 4 and codes[0] == 2:
        red, green, blue = (min(code, 255) for code in codes[1:4])
        return (red, green, blue), 4
    return None, len(codes)
