"""Overview page: items that need attention, key figures, trends and the workflows that fail most."""

import streamlit as st

from app import frames, session
from app.charts import heatmap, trends
from app.components import chart_links, kiosk_screen, page_states, workflows
from app.components.attention import SECTION, attention, attention_html, reserved_area
from app.components.freshness import completeness
from app.data import figures, findings
from app.data.status import load_status, window_end
from app.filters import controls, selection, view_state
from app.widgets.metric_cards import health_cards, metric_cards, secondary_metrics
from app.widgets.panel import figure, panel

if session.is_kiosk():
    kiosk_screen.show_kiosk()
    st.stop()

status = load_status()
if not status.has_runs:
    page_states.nothing_collected(status)
    st.stop()

now = window_end(status.version)
scope, window, interval = selection.scope(), selection.window(now), selection.interval()
trend_data = selection.trends(status.version)
if not trend_data.comparison.current.runs.total:
    attention(findings.attention(scope, now, status.version), now, caveat=status.caveat)
    completeness(trend_data.comparison.current.data, window.since, scope.repos)
    page_states.no_matches()
    st.stop()

is_open = view_state.is_open(SECTION)
show_attention = reserved_area((scope, is_open), is_update=session.is_update())
clock = frames.bucket_zone(interval, session.zone())
series = frames.series(trend_data.points, trend_data.previous, clock, window=window, now=now)
since, until = frames.axis(window, clock, interval)
bucket, regressions = frames.bucket_text(interval, series, "dashed"), findings.regressions(scope, now)
links = chart_links.over_time(window, interval, now, clock)
controls.rate_control()
metric_cards(
    trend_data.comparison,
    trend_data.points,
    selection.period_length(),
    now,
    health_cards(selection.success_rate().figure),
    links=chart_links.of_figures(),
)
with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key="footing"):
    secondary_metrics(trend_data.comparison, now)
    completeness(trend_data.comparison.current.data, window.since, scope.repos)

with st.grid(2, min_column_width=320, gap="small"):
    # One line beside "Duration": the legend names the other lines.
    with panel("Success rate", f"share of completed runs, {bucket}", stretch=True):
        marks = frames.markers(regressions, "success", window, clock)
        figure(
            trends.success_rate(series, since, until, dark=session.is_dark(), zone=str(clock), markers=marks),
            "success-rate",
            "Success rate over time",
            chart_links.with_markers(links, regressions, "success", window),
        )
    with panel("Duration", f"median and p95 of completed runs, {bucket}", stretch=True):
        marks = frames.markers(regressions, "duration", window, clock)
        figure(
            trends.durations(series, since, until, dark=session.is_dark(), zone=str(clock), markers=marks),
            "durations",
            "Median and 95th percentile of run duration",
            chart_links.with_markers(links, regressions, "duration", window),
        )
    with panel("Runs by outcome", f"stacked, {frames.bucket_text(interval, series)}", stretch=True):
        figure(trends.outcomes(series, since, until, zone=str(clock)), "outcomes", "Runs by outcome over time", links)
    local = frames.local_week(*figures.failure_hours(scope, window, session.zone(), status.version), session.zone())
    same = local.zone == str(session.zone())
    clock_words = local.zone if same else f"UTC: hours of {session.zone()} are not stored"
    with panel("Failure rate by hour", f"{clock_words}, weekday × hour · empty: fewer than 5 runs", stretch=True):
        figure(
            heatmap.failure_rate(local.frame, dark=session.is_dark()),
            "heat",
            "Failure rate by weekday and hour",
            chart_links.runs(),
        )

# The list at the top is filled after the charts: its queries read more, and the charts need not wait for it.
items = findings.attention(scope, now, status.version)
show_attention(attention_html(items, now, caveat=status.caveat, is_open=is_open))
listed = figures.workflows(scope, window, status.version)
export = "workflows", lambda: workflows.workflows_export(listed, now)
with panel(
    "Workflows", "failing first, then by the upper bound of the success rate", key="workflow-panel", export=export
):
    workflows.top_failing(listed, now, selection.time_query())
