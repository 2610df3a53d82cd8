"""Runs as points, and lines by branch."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from zoneinfo import ZoneInfo

import pandas as pd

from app.frames.trends import UTC, place
from app.marks import word
from db.breakdown import Dot
from db.metrics import units
from db.metrics.distribution import percentile, ratio

_KINDS = ("success", "failure", "cancelled")
_REST = "other branches"


def dots(listed: Sequence[Dot], zone: ZoneInfo = UTC) -> pd.DataFrame:
    """Runs whose duration is known; a click on one leads to its page."""
    rows = [
        {
            "at": place(dot.created_at, zone),
            "seconds": dot.duration_seconds,
            "kind": dot.outcome if dot.outcome in _KINDS else "other",
            "address": f"run?run_id={dot.run_id}",
            "hover": f"{word(dot.outcome)} · {units.duration(dot.duration_seconds)} · {dot.branch or units.NO_DATA} · "
            f"{dot.title[:70]}",
        }
        for dot in listed
        if dot.duration_seconds is not None
    ]
    return pd.DataFrame(rows, columns=["at", "seconds", "kind", "address", "hover"])


def by_branch(listed: Sequence[Dot], *, shown: int = 4) -> pd.DataFrame:
    """Success rate and median duration a day (UTC) of the default branch, of the busiest others and of the rest.
    Columns: at, name, rate, rate_written, p50, p50_written."""
    names = _branches(listed, shown)
    parts: dict[tuple[str, str], list[Dot]] = defaultdict(list)
    for dot in listed:
        parts[names.get(dot.branch, _REST), f"{dot.created_at:%Y-%m-%d}"].append(dot)
    order = list(dict.fromkeys([*names.values(), _REST]))
    rows = [
        _day(name, day, found) for (name, day), found in sorted(parts.items(), key=lambda part: _place(order, part[0]))
    ]
    return pd.DataFrame(rows, columns=["at", "name", "rate", "rate_written", "p50", "p50_written"])


def _branches(listed: Sequence[Dot], shown: int) -> dict[str | None, str]:
    counted = Counter((not dot.on_default_branch, dot.branch) for dot in listed)
    ranked = sorted(counted, key=lambda key: (key[0], -counted[key]))
    return {branch: branch or units.NO_DATA for _, branch in ranked[: shown + 1]}


def _place(order: list[str], key: tuple[str, str]) -> tuple[int, str]:
    return order.index(key[0]), key[1]


def _day(name: str, day: str, found: Sequence[Dot]) -> dict[str, object]:
    decided = [dot for dot in found if dot.outcome in ("success", "failure")]
    rate = ratio(sum(1 for dot in decided if dot.outcome == "success"), len(decided))
    p50 = percentile(sorted(dot.duration_seconds for dot in decided if dot.duration_seconds is not None), 0.5)
    return {
        "at": day, "name": name, "rate": rate, "rate_written": f"{units.percent(rate)} of {len(decided)}",
        "p50": p50, "p50_written": units.duration(p50),
    }  # fmt: skip
