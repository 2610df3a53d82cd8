"""Failures page: failure causes; with `?cause=`, the runs of one cause."""

import streamlit as st

from app import session
from app.components import cause_filter, cause_page, cause_rules, cause_triage, failure_causes, page_states
from app.components.cause_chart import class_chart
from app.components.freshness import completeness
from app.data import figures, findings
from app.data.status import load_status, window_end
from app.filters import selection
from app.widgets.exports import SearchResult, listed_note
from app.widgets.panel import panel
from core.formatting import pluralize
from health.insights.causes.class_trend import class_trend

status = load_status()
if not status.has_runs:
    page_states.nothing_collected(status)
    st.stop()

now = window_end(status.version)
scope, window, time = selection.scope(), selection.window(now), selection.time_query()
if cause_rules.is_requested():
    cause_rules.section(scope, window, now, status.version, session.zone())
    st.stop()
fingerprint = cause_filter.requested_cause()
data = figures.completeness(scope, window, status.version)
if fingerprint:
    cause_runs = findings.cause_runs(fingerprint, scope, window, now, status.version)
    if cause_runs is None:
        completeness(data, window.since, scope.repos)
        cause_page.unknown_cause(selection.describe(), is_stored=findings.has_cause(fingerprint, status.version))
        st.stop()
    cause_page.cause_head(cause_runs, cause_filter.shared_query())
    cause_triage.cause_actions(cause_runs)
    failure_causes.limit_note(cause_runs)
    completeness(data, window.since, scope.repos)
    key, zone = cause_runs.cause.fingerprint, session.zone()
    context = findings.cause_context(fingerprint, scope, window, now, zone, status.version)
    if context:
        files = "distinctions", lambda: cause_page.distinctions_export(context, cause_runs, time)
        export = files if context.distinctions else None
        with panel("What distinguishes its runs", cause_page.distinction_text(context, cause_runs), export=export):
            cause_page.distinction_table(context, cause_runs, time)
    jobs = [(cause_runs.cause.kind, job.run_id, job.created_at) for job in cause_runs.failed_jobs]
    points = class_trend(jobs, window, selection.interval())
    class_chart(points, window, now, cause=key, title="Runs with this cause")
    rows = "cause-runs", lambda: cause_page.runs_export(cause_runs, zone)
    note = listed_note(len(cause_runs.runs), cause_runs.cause.runs)
    with panel("Runs", f"newest first · {zone}", export=rows, export_note=note):
        cause_page.run_list(cause_runs, zone)
    st.stop()

causes = findings.causes(scope, window, now, status.version, selection.interval())
trends = selection.trends(status.version)
since = cause_filter.new_since(data, window, status.version)
chosen = cause_filter.requested_filter(failure_causes.search_text(), since)
if trends.comparison.current.runs.failure or causes.items:
    summary = findings.cause_summary(scope, window, now, status.version, selection.interval())
    failure_causes.key_figures(causes, summary, trends, selection.period_length(), now, since)
completeness(data, window.since, scope.repos)
failure_causes.limit_note(causes)
if causes.items:
    class_chart(causes.trend, window, now)
subtitle = (
    f"{'newest ' if causes.truncated else ''}{pluralize(causes.looked_at, 'failed job')} in {selection.describe()}"
)
subtitle += f" · {failure_causes.unnamed_text(causes.unnamed)}"
export = "causes", lambda: failure_causes.causes_export(causes.items, now, since)
listed = chosen.matching(causes.items, since)
st.html(cause_rules.rules_link())
matching = SearchResult(len(listed), lambda: failure_causes.causes_export(listed, now, since))
with panel("Failure causes", subtitle, export=export, search=matching if chosen.is_active else None):
    if causes.items:
        failure_causes.search_box()
        cause_filter.filter_chips(causes.items, chosen, since)
        if note := failure_causes.class_note(causes, chosen.classes, trends):
            st.caption(note)
        if listed:
            failure_causes.cause_table(listed, now, cause_filter.shared_query(), since, chosen)
        else:
            st.caption("No failure causes in this period match the search and the filters.")
        if chosen.text:
            failure_causes.log_search_link(chosen.text, time)
    else:
        st.caption("No error was extracted from the logs of failed jobs in this period.")
