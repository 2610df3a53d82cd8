"""What Streamlit runs for every click: the frame around all pages."""

from pathlib import Path

import streamlit as st

from app import data, filters
from app.components import states
from app.components.freshness import freshness
from app.components.style import style

_HERE = Path(__file__).parent
_RETRY_SECONDS = 4


@st.fragment(run_every=_RETRY_SECONDS)
def _try_again() -> None:
    try:
        data.status()
    except data.Unavailable:
        return
    st.rerun()


st.set_page_config(page_title="Pipeline Health", page_icon=str(_HERE / "static" / "icon.svg"), layout="wide")
style()
st.logo(str(_HERE / "static" / "logo.svg"), size="medium", icon_image=str(_HERE / "static" / "icon.svg"))
overview = st.Page("views/overview.py", title="Overview", icon=":material/monitoring:", default=True)
runs = st.Page("views/runs.py", title="Runs", icon=":material/list:", url_path="runs")
run = st.Page("views/run.py", title="Run", icon=":material/timeline:", url_path="run")
log = st.Page("views/log.py", title="Log", icon=":material/article:", url_path="log", visibility="hidden")
collector = st.Page("views/collector.py", title="Collector", icon=":material/cloud_sync:", url_path="collector")
page = st.navigation([overview, runs, run, log, collector])
try:
    status = data.status()
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key="head"):
        if page not in (run, log, collector):
            filters.render(status.version, page.url_path)
        with st.container(width=190, key="freshness"):
            freshness(status.version, filters.overview if page is overview else None)
    if status.demo:
        states.demo_banner()
    if status.stale:
        states.stale(status.stale)
    page.run()
except data.Unavailable as error:
    states.unavailable(str(error))
    _try_again()
