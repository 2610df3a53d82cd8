"""Are we healthy, and what is broken now?"""

import streamlit as st

from app import data, filters, frames
from app.charts import heatmap, trends
from app.components import states, tables
from app.components.attention import attention
from app.components.freshness import completeness
from app.components.panel import figure, is_dark, panel
from app.components.tiles import rest, tiles

status = data.status()
scope = filters.scope()
window = filters.window(data.now(status.version))

if not status.has_runs:
    states.nothing_collected(status)
    st.stop()

found = filters.overview(status.version)
attention(found.broken, window.until)
if not found.comparison.now.runs.total:
    states.nothing_matches()
    st.stop()

series = frames.series(found.points)
since, until = frames.axis(window)
bucket = f"by full {filters.interval()}"
tiles(found.comparison, series, filters.period())
with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key="footing"):
    rest(found.comparison.now)
    completeness(data.completeness(scope, status.version), window.since)

with st.grid(2, min_column_width=320, gap="small"):
    with panel("Success rate", f"share of decided runs, {bucket} · dashed: 90%"):
        figure(trends.success_rate(series, since, until), "success-rate", "Success rate over time")
    with panel("Duration", f"median and p95 of decided runs, {bucket}"):
        figure(
            trends.durations(series, since, until, dark=is_dark()),
            "durations",
            "Median and 95th percentile of run duration",
        )
    with panel("Runs by outcome", f"stacked, {bucket}"):
        figure(trends.outcomes(series, since, until), "outcomes", "Runs by outcome over time")
    with panel("Failure rate by hour", "UTC, weekday × hour · empty: fewer than 5 runs"):
        figure(
            heatmap.failure_rate(frames.heat(found.cells), dark=is_dark()), "heat", "Failure rate by weekday and hour"
        )

with panel("Workflows", "broken ones first, then by lowest success rate"):
    tables.workflows(frames.workflows(found.workflows, window.until))
