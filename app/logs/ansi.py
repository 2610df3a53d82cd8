"""Colours of terminals on a light and on a dark ground. Pure.

Escape sequences of terminals: colours and weights (SGR) become styles, everything else is left out. Pure.

A style ends with its line, as in GitHub's own viewer: a window of lines can be shown without those before it.
"""

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from core.terminal import ESC, ESCAPE, normalize_escapes, visible_fragment

Rgb = tuple[int, int, int]

# The sixteen that programs name: as in Visual Studio Code's terminal, before they are made readable.
_BASIC_COLOURS: tuple[Rgb, ...] = (
    (0, 0, 0), (205, 49, 49), (13, 188, 121), (229, 229, 16), (36, 114, 200), (188, 63, 188), (17, 168, 205),
    (229, 229, 229), (102, 102, 102), (241, 76, 76), (35, 209, 139), (245, 245, 67), (59, 142, 234), (214, 112, 214),
    (41, 184, 219), (255, 255, 255),
)  # fmt: skip
_CUBE = (0, 95, 135, 175, 215, 255)
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
# The ground of the viewer's rows in either mode on which text is hardest to read: that of marked lines.
LIGHT_BACKGROUND: Rgb = (246, 228, 228)
DARK_BACKGROUND: Rgb = (44, 26, 33)
# WCAG 2.2, success criterion 1.4.3.
_MIN_CONTRAST = 4.5


def palette_colour(index: int) -> Rgb:
    """Of the 256: sixteen named ones, a cube of 6 × 6 × 6, and 24 greys."""
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
    """As it is written on a light ground and on a dark one: the hue kept, mixed with black or white until it can be
    read."""
    return _hex(_mixed(colour, BLACK, LIGHT_BACKGROUND)), _hex(_mixed(colour, WHITE, DARK_BACKGROUND))


@lru_cache(maxsize=4096)
def on_background(colour: Rgb | None, background: Rgb) -> tuple[str, str]:
    """Text on a ground that the log itself sets: the same in both modes."""
    pole = BLACK if contrast(BLACK, background) > contrast(WHITE, background) else WHITE
    written = _hex(_mixed(colour or pole, pole, background))
    return written, written


def background_colours(colour: Rgb) -> tuple[str, str]:
    return _hex(colour), _hex(colour)


def contrast(first: Rgb, second: Rgb) -> float:
    """From 1 to 21, as WCAG 2.2 defines it."""
    lighter, darker = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: Rgb) -> float:
    """Relative luminance, WCAG 2.2."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
              for part in (each / 255 for each in colour)]  # fmt: skip
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _mixed(colour: Rgb, pole: Rgb, background: Rgb) -> Rgb:
    """The least of the pole that makes it readable."""
    for share in range(0, 101, 5):
        found = _mix(colour, pole, share)
        if contrast(found, background) >= _MIN_CONTRAST:
            return found
    return pole


def _mix(colour: Rgb, pole: Rgb, share: int) -> Rgb:
    red, green, blue = (round(a + (b - a) * share / 100) for a, b in zip(colour, pole, strict=True))
    return red, green, blue


def _hex(colour: Rgb) -> str:
    return "#" + "".join(f"{part:02x}" for part in colour)


_SGR = re.compile(r"\x1b\[([0-9;:]*)m")
# Characters without width that turn the direction of the text around them.
_BIDI_CONTROLS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_MAX_CODES = 64


@dataclass(frozen=True)
class Style:
    """Colours are null where the viewer's own hold."""

    foreground: Rgb | None = None
    background: Rgb | None = None
    bold: bool = False
    dim: bool = False
    italic: bool = False
    underline: bool = False
    strike: bool = False
    inverse: bool = False

    def colours(self) -> tuple[tuple[str, str] | None, tuple[str, str] | None]:
        """Of the text and of its ground, each for light and for dark."""
        text, ground = self.foreground, self.background
        if self.inverse:
            text, ground = ground, text or (128, 128, 128)
        if ground:
            return on_background(text, ground), background_colours(ground)
        return (for_both_themes(text) if text else None), None


PLAIN = Style()
_FLAGS: dict[int, dict[str, Any]] = {
    1: {"bold": True}, 2: {"dim": True}, 3: {"italic": True}, 4: {"underline": True}, 7: {"inverse": True},
    9: {"strike": True}, 21: {"underline": True}, 22: {"bold": False, "dim": False}, 23: {"italic": False},
    24: {"underline": False}, 27: {"inverse": False}, 29: {"strike": False},
}  # fmt: skip


def strip_codes(line: str) -> str:
    """What is read of it."""
    return _BIDI_CONTROLS.sub("", visible_fragment(line))


def styled_segments(line: str) -> list[tuple[str, Style]]:
    """The text in pieces of one style each."""
    line = normalize_escapes(line)
    if ESC not in line:
        return [(strip_codes(line), PLAIN)]
    found: list[tuple[str, Style]] = []
    style, place = PLAIN, 0
    for escape in ESCAPE.finditer(line):
        _add(found, line[place : escape.start()], style)
        place = escape.end()
        codes = _SGR.fullmatch(escape[0])
        if codes:
            style = _styled(style, codes[1])
    _add(found, line[place:], style)
    return found or [("", PLAIN)]


def _add(segments: list[tuple[str, Style]], text: str, style: Style) -> None:
    text = strip_codes(text)
    if not text:
        return
    if segments and segments[-1][1] == style:
        segments[-1] = (segments[-1][0] + text, style)
    else:
        segments.append((text, style))


def _styled(style: Style, written: str) -> Style:
    codes = [int(each) if each and len(each) < 6 else 0 for each in re.split("[;:]", written)][:_MAX_CODES]
    place = 0
    while place < len(codes):
        code = codes[place]
        if code in (38, 48):
            colour, used = _extended_colour(codes[place + 1 :])
            if colour is not None:
                style = replace(style, foreground=colour) if code == 38 else replace(style, background=colour)
            place += 1 + used
            continue
        style = _apply_code(style, code)
        place += 1
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
    """5;n of the 256, or 2;r;g;b; and how many codes that took."""
    if len(codes) >= 2 and codes[0] == 5:
        return (palette_colour(codes[1]) if codes[1] < 256 else None), 2
    if len(codes) >= 4 and codes[0] == 2:
        red, green, blue = (min(each, 255) for each in codes[1:4])
        return (red, green, blue), 4
    return None, len(codes)
