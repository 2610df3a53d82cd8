"""Escape sequences of terminals: colours and weights (SGR) become styles, everything else is left out. Pure.

A style ends with its line, as in GitHub's own viewer: a window of lines can be shown without those before it."""

import re
from dataclasses import dataclass, replace
from typing import Any

from app.logs.colours import Rgb, as_ground, indexed, on_both_grounds, on_ground
from db.insights.terminal import ESC, ESCAPE, settled, shown

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
