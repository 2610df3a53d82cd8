"""Colours of terminals on a light and on a dark ground. Pure.

Escape sequences of terminals: colours and weights (SGR) become styles, everything else is left out. Pure.

A style ends with its line, as in GitHub's own viewer: a window of lines can be shown without those before it.
"""

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from core.terminal import ESC, ESCAPE, settled, shown

Rgb = tuple[int, int, int]

# The sixteen that programs name: as in Visual Studio Code's terminal, before they are made readable.
_NAMED: tuple[Rgb, ...] = (
    (0, 0, 0), (205, 49, 49), (13, 188, 121), (229, 229, 16), (36, 114, 200), (188, 63, 188), (17, 168, 205),
    (229, 229, 229), (102, 102, 102), (241, 76, 76), (35, 209, 139), (245, 245, 67), (59, 142, 234), (214, 112, 214),
    (41, 184, 219), (255, 255, 255),
)  # fmt: skip
_CUBE = (0, 95, 135, 175, 215, 255)
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
# The ground of the viewer's rows in either mode on which text is hardest to read: that of marked lines.
LIGHT_GROUND: Rgb = (246, 228, 228)
DARK_GROUND: Rgb = (44, 26, 33)
# WCAG 2.2, success criterion 1.4.3.
_ENOUGH = 4.5


def indexed(number: int) -> Rgb:
    """Of the 256: sixteen named ones, a cube of 6 × 6 × 6, and 24 greys."""
    if number < 16:
        return _NAMED[number]
    if number < 232:
        red, rest = divmod(number - 16, 36)
        green, blue = divmod(rest, 6)
        return _CUBE[red], _CUBE[green], _CUBE[blue]
    grey = 8 + 10 * (number - 232)
    return grey, grey, grey


@lru_cache(maxsize=4096)
def on_both_grounds(colour: Rgb) -> tuple[str, str]:
    """As it is written on a light ground and on a dark one: the hue kept, mixed with black or white until it can be
    read."""
    return _hex(_mixed(colour, BLACK, LIGHT_GROUND)), _hex(_mixed(colour, WHITE, DARK_GROUND))


@lru_cache(maxsize=4096)
def on_ground(colour: Rgb | None, ground: Rgb) -> tuple[str, str]:
    """Text on a ground that the log itself sets: the same in both modes."""
    pole = BLACK if contrast(BLACK, ground) > contrast(WHITE, ground) else WHITE
    written = _hex(_mixed(colour or pole, pole, ground))
    return written, written


def as_ground(colour: Rgb) -> tuple[str, str]:
    return _hex(colour), _hex(colour)


def contrast(one: Rgb, other: Rgb) -> float:
    """From 1 to 21, as WCAG 2.2 defines it."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: Rgb) -> float:
    """Relative luminance, WCAG 2.2."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
              for part in (each / 255 for each in colour)]  # fmt: skip
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _mixed(colour: Rgb, pole: Rgb, ground: Rgb) -> Rgb:
    """The least of the pole that makes it readable."""
    for share in range(0, 101, 5):
        found = _mix(colour, pole, share)
        if contrast(found, ground) >= _ENOUGH:
            return found
    return pole


def _mix(colour: Rgb, pole: Rgb, share: int) -> Rgb:
    red, green, blue = (round(a + (b - a) * share / 100) for a, b in zip(colour, pole, strict=True))
    return red, green, blue


def _hex(colour: Rgb) -> str:
    return "#" + "".join(f"{part:02x}" for part in colour)


_SGR = re.compile(r"\x1b\[([0-9;:]*)m")
# Characters without width that turn the direction of the text around them.
_TURNING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_MOST_CODES = 64


@dataclass(frozen=True)
class Style:
    """Colours are null where the viewer's own hold."""

    text: Rgb | None = None
    ground: Rgb | None = None
    bold: bool = False
    dim: bool = False
    italic: bool = False
    underline: bool = False
    strike: bool = False
    inverse: bool = False

    def colours(self) -> tuple[tuple[str, str] | None, tuple[str, str] | None]:
        """Of the text and of its ground, each for light and for dark."""
        text, ground = self.text, self.ground
        if self.inverse:
            text, ground = ground, text or (128, 128, 128)
        if ground:
            return on_ground(text, ground), as_ground(ground)
        return (on_both_grounds(text) if text else None), None


PLAIN = Style()
_FLAGS: dict[int, dict[str, Any]] = {
    1: {"bold": True}, 2: {"dim": True}, 3: {"italic": True}, 4: {"underline": True}, 7: {"inverse": True},
    9: {"strike": True}, 21: {"underline": True}, 22: {"bold": False, "dim": False}, 23: {"italic": False},
    24: {"underline": False}, 27: {"inverse": False}, 29: {"strike": False},
}  # fmt: skip


def plain(line: str) -> str:
    """What is read of it."""
    return _TURNING.sub("", shown(line))


def pieces(line: str) -> list[tuple[str, Style]]:
    """The text in pieces of one style each."""
    line = settled(line)
    if ESC not in line:
        return [(plain(line), PLAIN)]
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


def _add(found: list[tuple[str, Style]], text: str, style: Style) -> None:
    text = plain(text)
    if not text:
        return
    if found and found[-1][1] == style:
        found[-1] = (found[-1][0] + text, style)
    else:
        found.append((text, style))


def _styled(style: Style, written: str) -> Style:
    codes = [int(each) if each and len(each) < 6 else 0 for each in re.split("[;:]", written)][:_MOST_CODES]
    place = 0
    while place < len(codes):
        code = codes[place]
        if code in (38, 48):
            colour, used = _extended(codes[place + 1 :])
            if colour is not None:
                style = replace(style, text=colour) if code == 38 else replace(style, ground=colour)
            place += 1 + used
            continue
        style = _one(style, code)
        place += 1
    return style


def _one(style: Style, code: int) -> Style:
    if code == 0:
        return PLAIN
    if code in _FLAGS:
        return replace(style, **_FLAGS[code])
    if 30 <= code <= 37 or 90 <= code <= 97:
        return replace(style, text=indexed(code - 30 if code < 90 else code - 82))
    if 40 <= code <= 47 or 100 <= code <= 107:
        return replace(style, ground=indexed(code - 40 if code < 100 else code - 92))
    if code in (39, 49):
        return replace(style, text=None) if code == 39 else replace(style, ground=None)
    return style


def _extended(codes: list[int]) -> tuple[Rgb | None, int]:
    """5;n of the 256, or 2;r;g;b; and how many codes that took."""
    if len(codes) >= 2 and codes[0] == 5:
        return (indexed(codes[1]) if codes[1] < 256 else None), 2
    if len(codes) >= 4 and codes[0] == 2:
        red, green, blue = (min(each, 255) for each in codes[1:4])
        return (red, green, blue), 4
    return None, len(codes)
