"""What needs a person, why runs fail, and what is flaky."""

from datetime import datetime

import streamlit as st

from app.data.connection import session
from app.data.outages import serve_stale
from db.definitions.scope import Scope, Window
from health.alerts import attention as attention_list
from health.insights import causes as failure_causes
from health.insights import flaky as flaky_workflows
from health.insights import regressions as regression_detector


@serve_stale
@st.cache_resource(ttl=60, max_entries=64, show_spinner=False)
def attention(scope: Scope, now: datetime, version: int) -> list[attention_list.Attention]:
    worse = regressions(scope, now)
    with session() as found:
        return attention_list.attention(found, scope, now, known_regressions=worse)


def regressions(scope: Scope, now: datetime) -> list[regression_detector.Regression]:
    return _regressions(scope, regression_detector.evaluation_time(now))


@serve_stale
@st.cache_resource(ttl=1200, max_entries=64, show_spinner=False)
def _regressions(scope: Scope, now: datetime) -> list[regression_detector.Regression]:
    with session() as found:
        return regression_detector.regressions(found, scope, now)


@serve_stale
@st.cache_resource(ttl=300, max_entries=64, show_spinner=False)
def causes(scope: Scope, window: Window, now: datetime, version: int) -> failure_causes.Causes:
    with session() as found:
        return failure_causes.causes(found, scope, window, now)


@serve_stale
@st.cache_resource(ttl=300, max_entries=64, show_spinner=False)
def cause_runs(
    fingerprint: str, scope: Scope, window: Window, now: datetime, version: int
) -> failure_causes.CauseRuns | None:
    with session() as found:
        return failure_causes.cause_runs(found, fingerprint, scope, window, now)


@serve_stale
@st.cache_resource(ttl=60, max_entries=256, show_spinner=False)
def run_cause(run_id: int, attempt: int, version: int) -> failure_causes.RunCause | None:
    with session() as found:
        return failure_causes.cause_of_run(found, run_id, attempt)


@serve_stale
@st.cache_resource(ttl=300, max_entries=64, show_spinner=False)
def flaky(scope: Scope, window: Window, version: int) -> list[flaky_workflows.FlakyWorkflow]:
    with session() as found:
        return flaky_workflows.flaky(found, scope, window)
