"""Colours of terminals on a light and on a dark ground. Pure."""

from functools import lru_cache

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
