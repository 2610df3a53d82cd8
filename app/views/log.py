"""One log, from its first line to its last."""

import streamlit as st

from app import data, session
from app.components import logs, run
from app.components.logs import absent, log_viewer
from db.enums import LogState

status = data.status()
run_id = run.wanted_run()
if run_id is None:
    run.nothing_chosen()
    st.stop()

newest = data.run_detail(run_id, None, status.version)
if newest is None:
    run.unknown(run_id)
    st.stop()

found = logs.find(newest, status.version)
if found is None:
    logs.no_log(newest.run)
    st.stop()

logs.header(newest.run, found, session.zone())
if found.row.state == LogState.STORED:
    log_viewer(run_id, found.row.job_id, found.row.name, embedded=False, line=st.query_params.get("line", ""))
else:
    absent(found.row, run_id)
