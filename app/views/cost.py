"""Cost & capacity page: compute, cost, waste and queue times."""

import streamlit as st

from app import frames, session
from app.charts import heatmap, trends
from app.components import chart_links, cost, page_states
from app.components.freshness import completeness
from app.data import figures
from app.data.status import load_status, window_end
from app.filters import controls, selection
from app.widgets.metric_cards import COST_CARDS, metric_cards
from app.widgets.panel import figure, panel

status = load_status()
if not status.has_runs:
    page_states.nothing_collected(status)
    st.stop()

now = window_end(status.version)
scope, window, time = selection.scope(), selection.window(now), selection.time_query()
usage = figures.runner_usage(scope, window, selection.interval(), status.version)
by = selection.spend_group(cost.SPEND_GROUPS)
spent = figures.cost_breakdown(scope, window, cost.SPEND_GROUPS[by], status.version)
if not spent.items:
    completeness(figures.completeness(scope, window, status.version), window.since, scope.repos)
    page_states.no_matches()
    st.stop()

clock = frames.bucket_zone(selection.interval(), session.zone())
trends_data = selection.trends(status.version)
series = frames.series(trends_data.points, trends_data.previous, clock, window=window, now=now)
minutes = frames.spending(usage.series, clock, window=window, now=now)
cards = (
    cost.waste_card(usage.wasted, minutes["wasted"].tolist()),
    cost.defect_card(usage.wasted, minutes["defect"].tolist()),
)
metric_cards(trends_data.comparison, trends_data.points, selection.period_length(), now, COST_CARDS, cards)
completeness(trends_data.comparison.current.data, window.since, scope.repos)
cost.unpriced_note(usage.wasted)
since, until = frames.axis(window, clock, selection.interval())
week = frames.clock_shift(session.zone(), window)
labels = [runner.label for runner in usage.queues.runners[:8]]
with st.grid(2, min_column_width=320, gap="small"):
    with panel(
        "Compute minutes", f"all jobs, not rounded, {frames.bucket_text(selection.interval(), series)}", stretch=True
    ):
        figure(
            trends.compute_minutes(minutes, since, until, zone=str(clock)),
            "minutes",
            "Compute minutes of all jobs: used, genuine failures, and waste",
            chart_links.over_time(window, selection.interval(), now, clock),
        )
    with panel("Queue time by hour", f"p95 by hour of the day, {week.zone} · empty: fewer than 5 jobs", stretch=True):
        cells = frames.queue_cells(usage.queues.cells, labels, week.hours, week.zone)
        figure(
            heatmap.queues(cells, frames.runner_labels(labels), dark=session.is_dark()),
            "queues",
            "Queue time by hour",
            chart_links.runs(),
        )

with panel(f"Spend by {by.lower()}", selection.describe(), export=("spend", lambda: cost.spend_export(spent, by))):
    controls.spend_control(cost.SPEND_GROUPS)
    cost.spend_table(spent, time, by)
    cost.truncation_note(spent)
with panel(
    "Waste and defects",
    "most waste first · a failed attempt without a later success is a genuine failure",
    export=("waste", lambda: cost.wasted_export(usage.wasted)),
):
    cost.wasted_table(usage.wasted, time)
with panel(
    "Runners", "most jobs first", export=("queues", lambda: cost.queue_export(usage.queues.runners, session.zone()))
):
    cost.queue_table(usage.queues.runners, session.zone(), time)
