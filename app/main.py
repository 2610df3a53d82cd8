"""streamlit run app/main.py"""
# ruff: noqa: E402

import sys
from pathlib import Path

# Streamlit puts this folder on the path; the packages stand beside it.
_HERE = Path(__file__).resolve().parent
if str(_HERE.parent) not in sys.path:
    sys.path.insert(0, str(_HERE.parent))

import streamlit as st

from app.access.login import login
from app.server.lifespan import lifespan
from app.server.log_lines import set_up_logging
from app.server.middleware import MIDDLEWARE
from app.server.requests import check_access
from app.server.routes import routes
from core.http.connections import limit_connections
from core.settings import ConfigError

try:
    _login = login()
    check_access()
except ConfigError as error:
    print(error, file=sys.stderr, flush=True)
    sys.exit(2)

set_up_logging(_login.secret_values if _login else ())
limit_connections()
# Streamlit finds the server by this very line; its settings are read by now.
app = st.App(
    _HERE / "shell.py",
    lifespan=lifespan,
    routes=routes(),
    middleware=MIDDLEWARE,
    secrets=_login.secrets if _login else None,
)
