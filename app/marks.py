"""Outcomes as people recognise them: a sign and a word beside every colour."""

from base64 import b64encode
from collections.abc import Sequence

from db.vocabulary import LedgerState

_SIGNS = {
    "success": "✓", "failure": "✕", "timed_out": "⏱", "startup_failure": "✕", "cancelled": "⊘", "skipped": "↷",
    "in_progress": "●", "queued": "○", "waiting": "○", "pending": "○", "requested": "○", "neutral": "–", "stale": "–",
    "action_required": "!",
}  # fmt: skip
_WORDS = {
    "failure": "Failed", "in_progress": "Running", "startup_failure": "Not started", "timed_out": "Timed out",
    "action_required": "Needs approval",
}  # fmt: skip
_COLOURS = {
    "success": "#08A69E", "failure": "#D3261C", "cancelled": "#69727D", "skipped": "#A9B2BD", "in_progress": "#1A6FCB",
}  # fmt: skip
_GROUPS = {
    "success": "green", "failure": "red", "timed_out": "orange", "startup_failure": "red", "in_progress": "blue",
    "queued": "blue", "waiting": "blue", "pending": "blue", "requested": "blue", "action_required": "orange",
}  # fmt: skip
_LEDGER = {
    LedgerState.COMPLETE: ("✓ Complete", "green"),
    LedgerState.ARCHIVED: ("✓ Archived", "green"),
    LedgerState.CATCHING_UP: ("◌ Catching up", "blue"),
    LedgerState.GAPS: ("! Gaps", "orange"),
    LedgerState.FAILING: ("✕ Cannot be read", "red"),
}
STATES = ("success", "failure", "timed_out", "startup_failure", "cancelled", "skipped", "in_progress", "queued",
          "waiting", "pending", "requested", "neutral", "stale", "action_required")  # fmt: skip
_BAR, _GAP, _HIGH = 4.6, 1.2, 26


def word(state: str) -> str:
    """✓ Success; a value that nobody knows yet is shown as it is."""
    name = _WORDS.get(state) or state.replace("_", " ").capitalize()
    return f"{_SIGNS.get(state, '·')} {name}"


def colour_group(state: str) -> str:
    """The name of the theme's colour for text and badges."""
    return _GROUPS.get(state, "gray")


def ledger_word(state: LedgerState) -> str:
    return _LEDGER[state][0]


def ledger_colours() -> dict[str, str]:
    """Word to the name of the theme's colour."""
    return dict(_LEDGER.values())


def strip_svg(outcomes: Sequence[str]) -> str:
    """The last outcomes as bars, oldest left, as a data URI. Failures are full bars, the rest half: told apart
    without colour."""
    bars = []
    for index, outcome in enumerate(outcomes):
        high = _HIGH if outcome == "failure" else 15 if outcome == "success" else 8
        fill = _COLOURS.get(outcome, "#7457D1")
        x = round(index * (_BAR + _GAP), 1)
        bars.append(f'<rect x="{x}" y="{_HIGH - high}" width="{_BAR}" height="{high}" rx="1" fill="{fill}"/>')
    width = round(max(len(outcomes), 20) * (_BAR + _GAP))
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{_HIGH}">{"".join(bars)}</svg>'
    return "data:image/svg+xml;base64," + b64encode(svg.encode()).decode()
