"""A log of any length: what is seen of it is asked for from the dashboard's server, window by window."""

from urllib.parse import urlencode

import streamlit as st

from app.javascript import bundle
from app.logs.script import address

_viewer = st.components.v2.component(
    "pipeline_health_log",
    html='<div class="ph-lv"></div>',
    js=bundle("log_viewer_loader"),
    # The dashboard's keys and links see into it.
    isolate_styles=False,
)


def log_viewer(run_id: int, job_id: int, name: str, *, embedded: bool, line: str = "") -> None:
    """`embedded`: low, beginning shortly before the cause; else as high as the window, and chosen lines go into the
    address. `line`: 12 or 12-20, to begin there."""
    data = {
        "script": address(),
        "base": f"logs/{run_id}/{job_id}",
        "page": f"log?{urlencode({'run_id': run_id, 'job_id': job_id})}",
        "name": name,
        "embedded": embedded,
        "line": line,
    }
    _viewer(data=data, key=f"log-viewer-{job_id}")
