"""Minutes and money, what of them served nothing, and how long jobs wait for a runner."""

import streamlit as st

from app import data, filters, frames, viewer
from app.charts import usage
from app.components import spend_tables, states
from app.components.freshness import completeness
from app.components.panel import figure, panel
from app.components.tiles import SPENT, tiles

status = data.status()
if not status.has_runs:
    states.nothing_collected(status)
    st.stop()

now = data.now(status.version)
scope, window, time = filters.scope(), filters.window(now), filters.time_query()
use = data.use(scope, window, filters.interval(), status.version)
by = filters.spend_by(spend_tables.BY)
spent = data.spend(scope, window, spend_tables.BY[by], status.version)
if not spent.items:
    completeness(data.completeness(scope, window, status.version), window.since, scope.repos)
    states.nothing_matches()
    st.stop()

clock = frames.bucket_zone(filters.interval(), viewer.zone())
found = filters.trends(status.version)
series = frames.series(found.points, found.before, clock, window=window, now=now)
minutes = frames.spending(use.series, clock, window=window, now=now)
cards = (
    spend_tables.waste_card(use.wasted, minutes["wasted"].tolist()),
    spend_tables.defect_card(use.wasted, minutes["defect"].tolist()),
)
tiles(found.comparison, found.points, filters.span(), now, SPENT, cards)
completeness(found.comparison.now.data, window.since, scope.repos)
spend_tables.unpriced(use.wasted)
since, until = frames.axis(window, clock, filters.interval())
week = frames.clock_shift(viewer.zone(), window)
labels = [runner.label for runner in use.queues.runners[:8]]
with st.grid(2, min_column_width=320, gap="small"):
    with panel(
        "Compute minutes", f"of all jobs, not rounded, {frames.bucket_words(filters.interval(), series)}", stretch=True
    ):
        figure(usage.minutes(minutes, since, until, zone=str(clock)), "minutes",
               "Compute minutes of all jobs: used, of attempts that found a defect, and waste")  # fmt: skip
    with panel("Waiting for a runner", f"p95 by hour of the day, {week.zone} · empty: fewer than 5 jobs", stretch=True):
        cells = frames.queue_cells(use.queues.cells, labels, week.hours, week.zone)
        figure(usage.queues(cells, frames.labels(labels), dark=viewer.is_dark()), "queues", "Queue time by hour")

with panel("Where it goes", filters.in_words(), csv=("spend", lambda: spend_tables.spend_file(spent))):
    filters.spend_choice(spend_tables.BY)
    spend_tables.spend_table(spent, time)
    spend_tables.limited(spent)
with panel(
    "Waste and defects",
    "most waste first · a failed attempt that no re-run turned green found a defect",
    csv=("waste", lambda: spend_tables.wasted_file(use.wasted)),
):
    spend_tables.wasted_table(use.wasted, time)
with panel(
    "Runners", "most jobs first", csv=("queues", lambda: spend_tables.queue_file(use.queues.runners, viewer.zone()))
):
    spend_tables.queue_table(use.queues.runners, viewer.zone())
