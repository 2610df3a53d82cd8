"""Failed runs over time by the class of their causes, of a selection or of one cause."""

from collections.abc import Sequence
from datetime import datetime

from app import frames, session
from app.charts import causes as charts
from app.components import chart_links
from app.filters import selection
from app.widgets.panel import figure, panel
from db.definitions.scope import Window
from health.insights.causes.class_trend import ClassPoint


def class_chart(
    points: Sequence[ClassPoint],
    window: Window,
    now: datetime,
    *,
    cause: str | None = None,
    title: str = "Failed runs by class",
) -> None:
    """`points`: of the selected interval. `cause`: the fingerprint of the cause to which the chart is limited."""
    interval = selection.interval()
    clock = frames.bucket_zone(interval, session.zone())
    frame = frames.runs_by_class(points, clock, window=window, now=now)
    since, until = frames.axis(window, clock, interval)
    spec = charts.runs_by_class(frame, since, until, zone=str(clock), of_one_cause=cause is not None)
    subtitle = frames.bucket_text(interval, frame)
    if cause is None:
        subtitle += " · a run with causes of several classes counts once in each"
    with panel(title, subtitle):
        figure(
            spec,
            "cause" if cause else "classes",
            f"{title} over time",
            chart_links.of_causes(window, interval, now, clock, cause=cause),
        )
