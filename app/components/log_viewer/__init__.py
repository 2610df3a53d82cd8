"""A log of any length: what is seen of it is asked for from the dashboard's server, window by window."""

from pathlib import Path
from urllib.parse import urlencode

import streamlit as st

_HERE = Path(__file__).parent
# One program in five files; in this order, since each uses those before it.
_SCRIPTS = ("rows.js", "source.js", "line.js", "toolbar.js", "viewer.js")
_viewer = st.components.v2.component(
    "pipeline_health_log",
    html='<div class="ph-lv"></div>',
    js="\n".join((_HERE / name).read_text(encoding="utf-8") for name in _SCRIPTS),
    css=(_HERE / "viewer.css").read_text(encoding="utf-8"),
    # The dashboard's keys and links see into it.
    isolate_styles=False,
)


def log_viewer(run_id: int, job_id: int, name: str, *, embedded: bool, line: str = "") -> None:
    """`embedded`: low, beginning shortly before the cause; else as high as the window, and chosen lines go into the
    address. `line`: 12 or 12-20, to begin there."""
    data = {
        "base": f"logs/{run_id}/{job_id}",
        "page": f"log?{urlencode({'run_id': run_id, 'job_id': job_id})}",
        "name": name,
        "embedded": embedded,
        "line": line,
    }
    _viewer(data=data, key=f"log-viewer-{job_id}")
