"""All runs: filter, search, open one."""

import streamlit as st

from app import data, filters, frames
from app.components import states, tables
from app.components.paging import cursor, pager
from app.components.panel import panel
from db.metrics import units

status = data.status()
filters.render_for_runs(status.version)
scope = filters.run_scope()
window = filters.window(data.now(status.version))

if not status.has_runs:
    states.nothing_collected(status)
    st.stop()

place = cursor((scope, filters.period(), filters.text()))
page, total = data.run_page(scope, window, filters.text(), place, status.version)
if not page.items:
    states.nothing_matches()
    st.stop()

with panel("Runs", f"{units.count(total)} in the last {filters.period()} · newest first · times in UTC"):
    tables.runs(frames.runs(page.items, data.clock()))
    pager(page.next, len(page.items), total)
