"""Figures against the previous period."""

from typing import Any

from pydantic import Field

from api.schemas.base import Schema, Window, example
from api.schemas.metrics import _METRICS, _WINDOW, Metrics, figures
from db.analytics import Comparison
from db.metrics.catalogue import FIGURES
from db.metrics.change import Change as ChangeFigures

_PREVIOUS = {"since": "2026-09-19T12:00:00Z", "until": "2026-10-19T12:00:00Z"}
_CHANGES = {
    "success_rate": {
        "difference": -2.4, "unit": "pp", "text": "−2.4 pp", "n": 1211, "n_before": 1174, "interval": (-4.6, -0.2),
        "verdict": "worse",
    },
    "runs": {
        "difference": 3.3, "unit": "%", "text": "+3.3%", "n": 1280, "n_before": 1239, "interval": None,
        "verdict": "undecided",
    },
    "recovery_p50": None,
}  # fmt: skip
_EXAMPLE = {
    "window": _WINDOW, "previous_window": _PREVIOUS, "comparable": True, "current": _METRICS, "previous": _METRICS,
    "changes": _CHANGES,
    "duration_change": {"ratio": 1.07, "interval": (1.02, 1.12), "workflows": 14, "share": 0.93},
}  # fmt: skip


class Change(Schema):
    difference: float | None = Field(description="In `unit`; null where a side has too few runs")
    unit: str = Field(description="pp (percentage points) for rates, % for everything else")
    text: str = Field(description="As the dashboard writes it; “not enough runs” where a side has too few")
    n: int = Field(description="Runs (commits for the rate by commit) behind the figure now")
    n_before: int
    interval: tuple[float, float] | None = Field(
        description="95 % confidence interval of the difference; null for amounts, and where there are too few runs"
    )
    verdict: str = Field(
        description="better or worse: the interval excludes zero; not_enough: fewer than 10 runs on a side (20 for a "
        "p95); undecided: everything else"
    )


class DurationChange(Schema):
    """Of the same workflows: the weighted geometric mean of the ratios of their median durations of successes."""

    ratio: float = Field(description="1.07: 7 % longer")
    interval: tuple[float, float] = Field(description="95 % confidence interval of the ratio")
    workflows: int = Field(description="Workflows with at least 5 successes in both windows")
    share: float = Field(description="Share of the window's runs that are of these workflows")


class ComparedMetrics(Schema):
    model_config = example(_EXAMPLE)
    window: Window
    previous_window: Window = Field(description="The same weekdays and hours, by whole weeks earlier")
    comparable: bool = Field(description="False where the previous window was not collected to its start")
    current: Metrics
    previous: Metrics | None = Field(description="Null where the windows are not comparable")
    changes: dict[str, Change | None] = Field(
        description="By figure, as in `display` of /api/metrics; null where one side has no value"
    )
    duration_change: DurationChange | None = Field(
        description="Null where no workflow has enough successes in both windows"
    )


def compared(found: Comparison) -> dict[str, Any]:
    """Ready for the schema above."""
    return {
        "window": found.window,
        "previous_window": found.window_before,
        "comparable": found.comparable,
        "current": figures(found.now),
        "previous": figures(found.before) if found.comparable else None,
        "changes": {name: _change(name, found.change(name)) for name in FIGURES},
        "duration_change": found.duration_change,
    }


def _change(name: str, found: ChangeFigures | None) -> dict[str, Any] | None:
    if found is None:
        return None
    verdict = "undecided" if found.good is None else "better" if found.good else "worse"
    return {
        **{field: getattr(found, field) for field in ("difference", "text", "n", "n_before", "interval")},
        "unit": "pp" if FIGURES[name].is_rate else "%",
        "verdict": verdict if found.enough else "not_enough",
    }
