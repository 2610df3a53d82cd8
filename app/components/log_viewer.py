"""A log of any length: what is seen of it is asked for from the dashboard's server, window by window."""

from urllib.parse import urlencode

import streamlit as st

from app.logs.script import address

# Streamlit sends this with every viewer of a page; the program itself comes once, and stays in the browser.
_START = """
export default function (component) {
  const program = import(new URL(component.data.script, document.baseURI).href);
  const failed = "The log viewer could not be loaded; reload the page.";
  program.then(({ show }) => show(component), () => {
    component.parentElement.querySelector(".ph-lv").textContent = failed;
  });
  return () => { program.then(({ close }) => close(component), () => {}); };
}
"""
_viewer = st.components.v2.component(
    "pipeline_health_log",
    html='<div class="ph-lv"></div>',
    js=_START,
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
