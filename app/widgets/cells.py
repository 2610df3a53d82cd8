"""Cells of tables: safe HTML to display, and a plain value for sorting and for CSV files."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from types import EllipsisType
from typing import Literal
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from app.status_style import cause_class_colour, cause_class_label, colour_group, outcome_label
from app.widgets.sparklines import column_sparkline, outcome_strip, sparkline
from app.widgets.text import html
from core import formatting
from core.formatting import pluralize
from health.metrics.definitions.change import MIN_SAMPLE, Change, percent_change
from health.metrics.definitions.percentiles import Distribution, is_small_sample

Value = str | float | int | None
_NEW = 1e9


@dataclass(frozen=True)
class Cell:
    """`value`: the value for sorting and for files; None sorts last. `sort`: the value for sorting if it differs."""

    html: str
    value: Value
    sort: Value | EllipsisType = ...

    @property
    def sort_value(self) -> Value:
        return self.value if isinstance(self.sort, EllipsisType) else self.sort


def text(content: object, *, mono: bool = False) -> Cell:
    shown = html(content)
    return Cell(f"<code>{shown}</code>" if mono else shown, str(content))


def muted(content: object) -> Cell:
    return Cell(f'<span class="ph-dim">{html(content)}</span>', str(content))


def link(label: object, page: str, query: Sequence[tuple[str, object]] = (), *, hover: str = "") -> Cell:
    return Cell(anchor(label, page, query, hover=hover), str(label))


def anchor(label: object, page: str, query: Sequence[tuple[str, object]] = (), *, hover: str = "") -> str:
    """A link within the dashboard, which changes the page without a reload."""
    title = f' title="{html(hover)}"' if hover else ""
    return f'<a href="{html(address(page, query))}" target="_self"{title}>{html(label)}</a>'


def address(page: str, query: Sequence[tuple[str, object]] = ()) -> str:
    return f"{page or './'}{'?' if query else ''}{urlencode([(name, str(value)) for name, value in query])}"


def count(number: int) -> Cell:
    return Cell(formatting.count(number), number)


def approximate_count(number: int | None) -> Cell:
    return Cell(formatting.NO_DATA if number is None else formatting.count(number), number)


def size(size_bytes: int | None) -> Cell:
    return Cell(formatting.size(size_bytes), size_bytes)


def duration(seconds: float | None) -> Cell:
    return Cell(formatting.duration(seconds), seconds)


def money(usd: float) -> Cell:
    return Cell(formatting.money(usd), usd)


def minutes(seconds: float) -> Cell:
    """Compute time, whose value is in minutes."""
    return Cell(formatting.minutes(seconds), seconds / 60)


def rate(share: float | None, *, tone: Literal["green", "red", "blue"] = "green", of: int | None = None) -> Cell:
    """A share as a bar and a percentage. `of`: the number of runs; a share of few runs is muted, without a bar, and
    sorts last, as it is no estimate."""
    if share is not None and of is not None and of < MIN_SAMPLE:
        title = f"only {pluralize(of, 'run')}"
        return Cell(f'<span class="ph-rate ph-dim" title="{title}"><span>of {of}</span><span>'
                    f"{formatting.percent(share)}</span></span>", share, None)  # fmt: skip
    width = 0.0 if share is None else share * 100
    bar = f'<span class="ph-bar ph-{tone}" aria-hidden="true"><i style="width:{width:.1f}%"></i></span>'
    return Cell(f'<span class="ph-rate">{bar}<span>{formatting.percent(share)}</span></span>', share)


def change_cell(delta: Change | None) -> Cell:
    """The change of a figure with its sample sizes; muted and without a number if there are too few runs."""
    if delta is None:
        return Cell(formatting.NO_DATA, None)
    title = f"{pluralize(delta.n, 'run')} now, {formatting.count(delta.n_before)} before"
    tone = {True: "ph-green", False: "ph-red", None: "ph-dim"}[delta.is_improvement]
    shown = delta.text if delta.has_enough_runs else "few runs"
    difference = None if delta.difference is None else delta.difference / 100
    return Cell(f'<span class="{tone}" title="{title}">{html(shown)}</span>', difference)


def median(distribution: Distribution) -> Cell:
    """The median in seconds; muted, with the sample size, if the sample is small."""
    return percentile(distribution.p50, distribution.n)


def p95(distribution: Distribution) -> Cell:
    return percentile(distribution.p95, distribution.n)


def percentile(seconds: float | None, samples: int | None) -> Cell:
    """A percentile of durations; muted, with the sample size, if the sample is small."""
    written = formatting.duration(seconds)
    if seconds is None or not is_small_sample(samples):
        return Cell(written, seconds)
    return Cell(f'<span class="ph-dim" title="only {pluralize(samples or 0, "run")}">{written}</span>', seconds)


def amount_change(share: float | None) -> Cell:
    """The relative change of an amount such as cost or failures (0.25: a quarter more). It has no colour, as an amount
    depends on the number of runs."""
    if share is None:
        return Cell(formatting.NO_DATA, None)
    return Cell(f'<span class="ph-dim">{percent_change(1 + share)}</span>', share)


def change(share: float | None, *, of: int | None = None) -> Cell:
    """The relative change of a duration (0.25: a quarter longer), red if longer. `of`: the number of runs, below ten of
    which it is no estimate."""
    if share is None:
        return Cell(formatting.NO_DATA, None)
    if of is not None and of < MIN_SAMPLE:
        return Cell(f'<span class="ph-dim" title="only {pluralize(of, "run")}">few runs</span>', share, None)
    rounded = round(share * 100, 1)
    if rounded == 0:
        return Cell('<span class="ph-dim">0.0%</span>', share)
    written = f"{rounded:+,.1f}".replace("-", "−")
    return Cell(f'<span class="ph-{"red" if rounded > 0 else "green"}">{written}%</span>', share)


def occurrences(now: int, before: int | None) -> Cell:
    """The change of the number of failures from the previous period, in percent, or in number if there were few; `new`
    if there were none before, which sorts as the largest change."""
    if before == 0:
        return Cell('<span class="ph-dim">new</span>', None, _NEW)
    if before is None or before >= MIN_SAMPLE:
        return amount_change(now / before - 1 if before else None)
    shown = f"{now - before:+,}".replace("-", "−") if now != before else "0"
    title = f"{formatting.count(now)} now, {formatting.count(before)} before"
    return Cell(f'<span class="ph-dim" title="{title}">{shown}</span>', now / before - 1)


def state(name: str) -> Cell:
    return Cell(f'<span class="ph-state ph-{colour_group(name)}">{html(outcome_label(name))}</span>', name)


def cause_class(kind: str) -> Cell:
    """The class of a failure cause as a pill."""
    shown = f'<span class="ph-class ph-{cause_class_colour(kind)}">{html(cause_class_label(kind))}</span>'
    return Cell(shown, kind)


def outcomes(names: Sequence[str]) -> Cell:
    """The last outcomes as a strip, oldest on the left."""
    failed = sum(1 for name in names if name == "failure")
    label = f"Last {pluralize(len(names), 'run')}, oldest on the left; {failed} failed"
    return Cell(f'<img class="ph-image" src="{outcome_strip(names)}" alt="{label}" title="{label}">', failed)


def trend(values: Sequence[float | None], label: str, *, mark: float | None = None) -> Cell:
    """`mark`: the position of a vertical line, from 0 to 1."""
    known = [value for value in values if value is not None]
    if not known:
        return Cell("", None)
    return Cell(f'<img class="ph-image" src="{sparkline(values, mark=mark)}" alt="{html(label)}">', known[-1])


def by_day(values: Sequence[float], label: str) -> Cell:
    """Counts per day as columns."""
    return Cell(f'<img class="ph-image" src="{column_sparkline(values)}" alt="{html(label)}">', sum(values))


def timestamp(moment: datetime | None, zone: ZoneInfo) -> Cell:
    """A moment in the time zone of the viewer, with UTC in the tooltip."""
    if moment is None:
        return Cell(formatting.NO_DATA, None)
    return Cell(stamp(moment, zone), moment.isoformat())


def ago(moment: datetime | None, now: datetime) -> Cell:
    if moment is None:
        return Cell(formatting.NO_DATA, None)
    written = formatting.relative((now - moment).total_seconds())
    return Cell(f'<time title="{formatting.timestamp(moment)}">{written}</time>', moment.isoformat())


def stamp(moment: datetime, zone: ZoneInfo) -> str:
    shown = moment.astimezone(zone)
    return f'<time title="{formatting.timestamp(moment)}">{shown:%d %b, %H:%M}</time>'
