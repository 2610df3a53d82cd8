"""Flaky page: workflows whose runs fail and then pass on the same code."""

import streamlit as st

from app import session
from app.components import flaky_workflows, page_states
from app.components.freshness import completeness
from app.data import figures, findings
from app.data.status import load_status, window_end
from app.filters import selection
from app.widgets.exports import listed_note
from app.widgets.panel import panel
from health.insights.flaky import RERUN_DELAY

status = load_status()
if not status.has_runs:
    page_states.nothing_collected(status)
    st.stop()

now = window_end(status.version)
scope, window = selection.scope(), selection.window(now)
listing = findings.flaky(scope, window, status.version)
workflows = listing.items
if workflows:
    flaky_workflows.key_figures(listing)
completeness(figures.completeness(scope, window, status.version), window.since, scope.repos)
subtitle = f"failed, then passed on re-run with no code change, in {selection.describe()} · highest confidence first"
with panel("Flaky workflows", subtitle, export=("flaky", lambda: flaky_workflows.flaky_export(workflows, now))):
    if workflows:
        flaky_workflows.flaky_table(workflows, now, selection.time_query())
        if selection.window(now).until > now - RERUN_DELAY:
            st.caption("Runs from the last 24 hours may still be re-run, so their flaky count is provisional.")
    else:
        st.caption("No run failed and then passed on the same code in this period.")

if workflows:
    cases = findings.flaky_cases(scope, window, status.version)
    rows = "flaky-cases", lambda: flaky_workflows.cases_export(cases, session.zone())
    note = listed_note(len(cases.items), cases.total)
    with panel("Cases", flaky_workflows.cases_text(cases), export=rows, export_note=note):
        flaky_workflows.case_table(cases, session.zone(), selection.time_query())

same_commit = findings.same_commit_cases(scope, window, status.version)
if same_commit.items:
    rows = "same-commit", lambda: flaky_workflows.same_commit_export(same_commit, session.zone())
    note = listed_note(len(same_commit.items), same_commit.total)
    with panel("Same commit", flaky_workflows.same_commit_text(same_commit), export=rows, export_note=note):
        flaky_workflows.same_commit_table(same_commit, session.zone(), selection.time_query())
