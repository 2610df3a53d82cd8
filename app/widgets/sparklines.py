"""Small SVG pictures as data URIs: the last outcomes of a workflow, and trends without axes."""

from collections.abc import Sequence
from itertools import dropwhile
from urllib.parse import quote

from app.status_style import FAILURE, SUCCESS, outcome_colour

_LINE = "#3D8BE0"
_TONES = {"good": SUCCESS, "bad": FAILURE, "even": "#7A8696"}
_BAR, _GAP, _HEIGHT, _WIDTH = 4, 1.1, 22, 84


def outcome_strip(outcomes: Sequence[str]) -> str:
    """The last outcomes as bars, oldest on the left. The height differs too, so that colour is not the only sign."""
    bars: dict[str, list[str]] = {}
    for index, outcome in enumerate(outcomes):
        high = _HEIGHT if outcome == "failure" else 14 if outcome == "success" else 8
        x = round(index * (_BAR + _GAP), 1)
        bars.setdefault(outcome_colour(outcome), []).append(f"M{x} {_HEIGHT - high}h{_BAR}v{high}h-{_BAR}z")
    width = round(max(len(outcomes), 20) * (_BAR + _GAP))
    paths = "".join(f'<path fill="{fill}" d="{"".join(commands)}"/>' for fill, commands in bars.items())
    return _data_uri(width, paths)


def sparkline(
    values: Sequence[float | None], *, low: float = 0.0, high: float | None = None, mark: float | None = None
) -> str:
    """A line without axes, with gaps for None. `mark`: the position of a vertical line, from 0 to 1."""
    if mark is None:
        values = list(dropwhile(lambda value: value is None, values))
    known = [value for value in values if value is not None]
    if not known:
        return ""
    top = max(known) if high is None else high
    span, step = (top - low) or 1.0, _WIDTH / max(len(values) - 1, 1)
    parts: list[list[str]] = [[]]
    for index, value in enumerate(values):
        if value is None:
            parts.append([])
            continue
        parts[-1].append(f"{index * step:.1f} {(_HEIGHT - 3) * (1 - (value - low) / span) + 1.5:.1f}")
    lines = "".join(f"M{'L'.join(part)}" for part in parts if len(part) > 1)
    # A stroke of length 0 draws a value between two gaps as a dot.
    dots = "".join(f"M{part[0]}h0" for part in parts if len(part) == 1)
    line = _stroke(lines, 1.5) + _stroke(dots, 3)
    if mark is not None:
        x = min(max(mark, 0.0), 1.0) * (_WIDTH - 1) + 0.5
        line += f'<path d="M{x:.1f} 0V{_HEIGHT}" stroke="{FAILURE}" stroke-dasharray="3 2"/>'
    return _data_uri(_WIDTH, line)


def _stroke(commands: str, width: float) -> str:
    path = f'<path d="{commands}" fill="none" stroke="{_LINE}" stroke-width="{width}" stroke-linecap="round"/>'
    return path if commands else ""


def column_sparkline(values: Sequence[float], colour: str = FAILURE) -> str:
    """Counts per day as small columns."""
    top, step = max([*values, 1]), _WIDTH / max(len(values), 1)
    wide = max(step - 1, 1)
    bars = "".join(
        f"M{index * step:.1f} {_HEIGHT}v{-max(value / top * (_HEIGHT - 2), 1):.1f}h{wide:.1f}V{_HEIGHT}z"
        for index, value in enumerate(values)
        if value
    )
    ground = f'<path d="M0 {_HEIGHT - 0.5}H{_WIDTH}" stroke="{_LINE}" opacity=".3"/>'
    return _data_uri(_WIDTH, f'{ground}<path d="{bars}" fill="{colour}"/>')


def wide_line_sparkline(values: Sequence[float | None], tone: str) -> str:
    """A line stretched to the width of its card."""
    known = [value for value in values if value is not None]
    low, span = (min(known), (max(known) - min(known)) or 1.0) if known else (0.0, 1.0)
    step, commands, pen = 100 / max(len(values) - 1, 1), [], "M"
    for index, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        commands.append(f"{pen}{index * step:.2f} {36 - (value - low) / span * 32:.1f}")
        pen = "L"
    return _stretched_svg(
        f'<path d="{"".join(commands)}" fill="none" stroke="{_TONES[tone]}" stroke-width="2" stroke-linejoin="round" '
        f'vector-effect="non-scaling-stroke"/>'
    )


def wide_bar_sparkline(values: Sequence[float | None], tone: str) -> str:
    top, step = max([value or 0 for value in values], default=0) or 1, 100 / max(len(values), 1)
    bars = "".join(
        f"M{index * step + step * 0.15:.2f} 40v{-max(value / top * 36, 1):.1f}h{step * 0.7:.2f}V40z"
        for index, value in enumerate(values)
        if value
    )
    return _stretched_svg(f'<path d="{bars}" fill="{_TONES[tone]}"/>')


def _stretched_svg(body: str) -> str:
    return _encoded(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 40" preserveAspectRatio="none">{body}</svg>'
    )


def _data_uri(width: int, body: str) -> str:
    """A picture as a data URI, as st.html removes inline SVG."""
    return _encoded(f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{_HEIGHT}">{body}</svg>')


def _encoded(svg: str) -> str:
    return "data:image/svg+xml," + quote(svg, safe="/:=")
