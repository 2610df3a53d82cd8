"""The dashboard's server: `streamlit run app/main.py`."""
# ruff: noqa: E402

import sys
from pathlib import Path

# Streamlit puts this folder on sys.path, but not its parent, which contains the packages.
_HERE = Path(__file__).resolve().parent
if str(_HERE.parent) not in sys.path:
    sys.path.insert(0, str(_HERE.parent))

import streamlit as st

from app.access.login import login
from app.server.lifespan import lifespan
from app.server.log_setup import set_up_logging
from app.server.middleware import MIDDLEWARE
from app.server.request_checks import check_access
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
# Streamlit finds the server by an assignment of st.App in the source of this module.
app = st.App(
    _HERE / "shell.py",
    lifespan=lifespan,
    routes=routes(),
    middleware=MIDDLEWARE,
    secrets=_login.secrets if _login else None,
)
