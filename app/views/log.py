"""One log, from its first line to its last."""

import streamlit as st

from app import data, viewer
from app.components import log_parts, run_parts
from app.components.log_view import absent
from app.components.log_viewer import log_viewer
from db.vocabulary import LogState

status = data.status()
run_id = run_parts.wanted_run()
if run_id is None:
    run_parts.nothing_chosen()
    st.stop()

newest = data.run_detail(run_id, None, status.version)
if newest is None:
    run_parts.unknown(run_id)
    st.stop()

found = log_parts.find(newest, status.version)
if found is None:
    log_parts.no_log(newest.run)
    st.stop()

log_parts.header(newest.run, found, viewer.zone())
if found.row.state == LogState.STORED:
    log_viewer(run_id, found.row.job_id, found.row.name, embedded=False, line=st.query_params.get("line", ""))
else:
    absent(found.row, run_id)
