"""What Streamlit runs for every click: the frame around all pages."""

from contextlib import suppress
from pathlib import Path

import streamlit as st

from app import data, filters, session
from app import routes as at
from app.access.policy import Refusal
from app.streamlit_patches.navigation import navigation
from app.widgets import account, states
from app.widgets.panel import style
from app.widgets.states import freshness
from app.widgets.tiles import wall_style

_HERE = Path(__file__).parent
_RETRY_SECONDS = 4
_KEYS = {
    "o": at.OVERVIEW,
    "w": at.WORKFLOW,
    "r": at.RUNS,
    "f": at.FAILURES,
    "l": at.FLAKY,
    "m": at.COST,
    "a": at.ALERTS,
    "c": at.COLLECTOR,
}


@st.fragment(run_every=_RETRY_SECONDS)
def _try_again() -> None:
    try:
        data.status()
    except data.Unavailable:
        return
    if data.outage() is None:
        st.rerun()


@st.fragment(run_every=_RETRY_SECONDS)
def _say_if_away() -> None:
    """Comes and goes by itself: the rest of the page is not drawn again, so that what somebody types stays."""
    with suppress(data.Unavailable):
        data.status()
    if outage := data.outage():
        states.away(outage)


st.set_page_config(page_title="Pipeline Health", page_icon=str(_HERE / "static" / "icon.svg"), layout="wide")
style()
who = session.account()
if isinstance(who, Refusal):
    account.signed_out(who)
    st.stop()
wall = session.on_wall()
if wall:
    wall_style()
st.logo(str(_HERE / "static" / "logo.svg"), size="medium", icon_image=str(_HERE / "static" / "icon.svg"))
overview = st.Page("views/overview.py", title="Overview", icon=":material/monitoring:", default=True)
workflow = st.Page("views/workflow.py", title="Workflows", icon=":material/account_tree:", url_path=at.WORKFLOW)
failures = st.Page("views/failures.py", title="Failures", icon=":material/bug_report:", url_path=at.FAILURES)
flaky = st.Page("views/flaky.py", title="Flaky", icon=":material/shuffle:", url_path=at.FLAKY)
cost = st.Page("views/cost.py", title="Cost & capacity", icon=":material/payments:", url_path=at.COST)
alerts = st.Page("views/alerts.py", title="Alerts", icon=":material/notifications:", url_path=at.ALERTS)
runs = st.Page("views/runs.py", title="Runs", icon=":material/list:", url_path=at.RUNS)
run = st.Page("views/run.py", title="Run", icon=":material/timeline:", url_path=at.RUN, visibility="hidden")
compare = st.Page(
    "views/compare.py",
    title="Compare",
    icon=":material/compare_arrows:",
    url_path=at.COMPARE,
    visibility="hidden",
)
log = st.Page("views/log.py", title="Log", icon=":material/article:", url_path=at.LOG, visibility="hidden")
collector = st.Page("views/collector.py", title="Collector", icon=":material/cloud_sync:", url_path=at.COLLECTOR)
pages = [overview, workflow, runs, failures, flaky, cost, alerts, collector, run, log, compare]
page = st.navigation(pages)
navigation({each.url_path: each.title for each in pages}, _KEYS)
try:
    status = data.status()
    filtered = page not in (run, log, compare, alerts, collector)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key="head"):
        if filtered and not wall:
            filters.render(status.version, page.url_path, filters.shown_on(page.url_path))
        elif filtered:
            filters.read_address()
        with st.container(width=190, key="freshness"):
            freshness(status.version, filters.trends if page is overview else None)
    _say_if_away()
    if filtered:
        states.problems(filters.problems(status.version, page.url_path))
    if status.demo:
        states.demo_banner()
    if status.stale:
        states.stale(status.stale)
    named = filtered and status.has_runs and filters.page_names(page.url_path)
    unknown = filters.unknown(status.version) if named else None
    if unknown and unknown.all_of:
        states.unknown(unknown)
    else:
        page.run()
    if who:
        account.watch(who)
        if not wall:
            account.signed_in(who)
except data.Moved:
    st.rerun()
except data.Unavailable as error:
    states.unavailable(str(error))
    _try_again()
