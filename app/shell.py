"""The script that Streamlit runs for every interaction: the frame around all pages."""

from contextlib import suppress
from pathlib import Path

import streamlit as st

from app import routes as at
from app import session
from app.access.policy import AccessDenied
from app.components import account, page_states
from app.components.freshness import freshness
from app.components.kiosk import kiosk_style
from app.data.connection import FailedOver
from app.data.outages import Unavailable, current_outage
from app.data.status import load_status
from app.filters import controls, problems, selection, url_state
from app.streamlit_patches.navigation import navigation
from app.widgets.panel import style

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
def _retry_when_down() -> None:
    try:
        load_status()
    except Unavailable:
        return
    if current_outage() is None:
        st.rerun()


@st.fragment(run_every=_RETRY_SECONDS)
def _outage_notice() -> None:
    """The outage banner in a fragment of its own: the rest of the page does not rerun, so that typed text is kept."""
    with suppress(Unavailable):
        load_status()
    if outage := current_outage():
        page_states.outage_banner(outage)


st.set_page_config(page_title="Pipeline Health", page_icon=str(_HERE / "static" / "icon.svg"), layout="wide")
style()
user = session.current_user()
if isinstance(user, AccessDenied):
    account.signed_out(user)
    st.stop()
kiosk = session.is_kiosk()
if kiosk:
    kiosk_style()
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
navigation({entry.url_path: entry.title for entry in pages}, _KEYS)
try:
    status = load_status()
    filtered = page not in (run, log, compare, alerts, collector)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key="head"):
        if filtered and not kiosk:
            controls.render(status.version, page.url_path, problems.visible_filters(page.url_path))
        elif filtered:
            url_state.load_query_params()
        with st.container(width=190, key="freshness"):
            freshness(status.version, selection.trends if page is overview else None)
    _outage_notice()
    if filtered:
        page_states.query_problems(problems.query_problems(status.version, page.url_path))
    if status.demo:
        page_states.demo_banner()
    if status.stale:
        page_states.stale_warning(status.stale)
    shows_names = filtered and status.has_runs and problems.shows_names(page.url_path)
    unknown = problems.unknown_names(status.version) if shows_names else None
    if unknown and unknown.none_known:
        page_states.unknown_names_state(unknown)
    else:
        page.run()
    if user:
        account.watch_session(user)
        if not kiosk:
            account.user_menu(user)
except FailedOver:
    st.rerun()
except Unavailable as error:
    page_states.unavailable(str(error))
    _retry_when_down()
