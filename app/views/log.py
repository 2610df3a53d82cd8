"""Log page: the complete log of one job."""

import streamlit as st

from app import session
from app.components import logs, run
from app.components.logs import log_viewer, missing_log
from app.data.runs import run_detail
from app.data.status import load_status, window_end
from db.enums import LogState

status = load_status()
run_id = run.requested_run_id()
if run_id is None:
    run.no_run_selected()
    st.stop()

newest = run_detail(run_id, None, status.version)
if newest is None:
    run.unknown_run(run_id)
    st.stop()

selected = logs.select_log(newest, status.version)
if selected is None:
    logs.no_log(newest.run)
    st.stop()

logs.header(newest.run, selected, session.zone())
logs.failure_cause(newest.run, selected, window_end(status.version), status.version, session.zone())
if selected.row.state == LogState.STORED:
    log_viewer(
        run_id,
        selected.row.job_id,
        selected.row.name,
        embedded=False,
        line=logs.requested_line(run_id, selected),
        find=st.query_params.get("find", ""),
    )
else:
    missing_log(selected.row, run_id)
