"""The script that Streamlit runs for every interaction: the frame around all pages."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import streamlit as st

from app import routes as at
from app import session
from app.access.policy import AccessDenied
from app.components import account, page_head, page_states, saved_views, sidebar
from app.components.freshness import freshness
from app.components.kiosk import kiosk_style
from app.data.connection import FailedOver
from app.data.outages import Unavailable, current_outage
from app.data.status import load_status
from app.filters import controls, problems, selection, url_state, view_state
from app.streamlit_patches.navigation import navigation
from app.widgets.text import markdown
from core.roles import Role

_HERE = Path(__file__).parent
_RETRY_SECONDS = 4
_FAILED_KEY = "page-failed"
_ICONS = {
    at.OVERVIEW: "monitoring",
    at.WORKFLOW: "account_tree",
    at.RUNS: "list",
    at.FAILURES: "bug_report",
    at.SEARCH: "manage_search",
    at.FLAKY: "shuffle",
    at.COST: "payments",
    at.TEAMS: "group",
    at.ALERTS: "notifications",
    at.COLLECTOR: "cloud_sync",
    at.AUDIT: "history",
    at.RUN: "timeline",
    at.LOG: "article",
    at.COMPARE: "compare_arrows",
    at.SETUP: "tune",
    at.DIGEST: "summarize",
}
_KEYS = {
    "o": at.OVERVIEW,
    "w": at.WORKFLOW,
    "r": at.RUNS,
    "f": at.FAILURES,
    "s": at.SEARCH,
    "l": at.FLAKY,
    "m": at.COST,
    "t": at.TEAMS,
    "a": at.ALERTS,
    "c": at.COLLECTOR,
}


@st.fragment(run_every=_RETRY_SECONDS)
def _retry_when_down() -> None:
    # The fragment first runs within the page that has just failed: a retry would then follow without a pause.
    if st.session_state.pop(_FAILED_KEY, False):
        return
    try:
        load_status()
    except Unavailable:
        return
    if current_outage() is None:
        st.rerun()


@st.fragment(run_every=_RETRY_SECONDS)
def _data_notices() -> None:
    """The banners of an outage and of data that may be out of date, in a fragment of their own: they appear although
    no new data is stored, and the rest of the page does not rerun, so that typed text is kept."""
    stale = None
    with suppress(Unavailable):
        stale = load_status().stale
    if outage := current_outage():
        page_states.outage_banner(outage)
    if stale:
        page_states.stale_warning(stale)


st.set_page_config(page_icon=str(_HERE / "static" / "icon.svg"), layout="wide")
user = session.current_user()
if isinstance(user, AccessDenied):
    account.signed_out(user)
    st.stop()
kiosk = session.is_kiosk()
if kiosk:
    kiosk_style()
st.logo(str(_HERE / "static" / "logo.svg"), size="medium", icon_image=str(_HERE / "static" / "icon.svg"))
hidden = {*at.PARENTS, *(() if session.may(Role.ADMIN) else at.FOR_ADMINS)}
pages = {
    path: st.Page(
        f"views/{path or 'overview'}.py",
        title=name,
        icon=f":material/{_ICONS[path]}:",
        url_path=path or None,
        default=path == at.OVERVIEW,
        visibility="hidden" if path in hidden else "visible",
    )
    for path, name in at.NAMES.items()
}
page_head.begin(at.NAMES[at.page_of(st.context.url)])
page = st.navigation(list(pages.values()))
session.record_page(page.url_path)
navigation(at.NAMES, _KEYS, at.PARENTS, url_state.FILTER_KEYS)
is_screen = kiosk and page.url_path == at.OVERVIEW
name = "Kiosk" if is_screen else page.title
heading = st.container(key="page-heading")
# Before the page, which may stop the script.
if user:
    account.watch_session(user)
    if not kiosk:
        account.user_menu(user)
try:
    status = load_status()
    filtered = page.url_path in at.FILTERED
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key="head"):
        if filtered and not kiosk:
            controls.render(status.version, page.url_path, problems.visible_filters(page.url_path))
        elif filtered:
            url_state.load_query_params()
        if not kiosk:
            saved_views.tools(page.url_path, page.title, has_views=filtered)
        with st.container(width=190, key="freshness"):
            freshness(status.version, selection.trends if page.url_path == at.OVERVIEW else None)
    if not kiosk:
        sidebar.sidebar_foot()
    shows_names = filtered and status.has_runs and problems.shows_names(page.url_path)
    unknown = problems.unknown_names(status.version) if shows_names else None
    has_no_data = (filtered and not status.has_runs) or bool(unknown and unknown.none_known)
    with heading:
        if has_no_data or not at.has_subject(page.url_path, st.query_params):
            page_head.default_head(name)
        if not kiosk:
            page_head.print_line(selection.describe() if filtered else "")
    _data_notices()
    notice = st.empty()
    query_problems = (
        problems.query_problems(status.version, page.url_path) + session.kiosk_problems() if filtered else []
    )

    def show_problems(messages: Sequence[str]) -> None:
        with notice.container():
            page_states.query_problems([*query_problems, *messages])

    if query_problems:
        show_problems([])
    view_state.begin_problems(show_problems)
    if status.demo:
        page_states.demo_banner()
    if unknown and unknown.none_known and not is_screen:
        page_states.unknown_names_state(unknown)
    else:
        page.run()
except FailedOver:
    st.rerun()
except session.ActionRefused as error:
    st.error(markdown(error), icon=":material/lock:")
except Unavailable as error:
    page_states.unavailable(str(error))
    st.session_state[_FAILED_KEY] = True
    _retry_when_down()
    if not page_head.has_title():
        with heading:
            page_head.default_head(name)
