"""What runs from the start of the dashboard's server to its end."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from threading import Thread

import streamlit as st
from anyio import to_thread

from app.access.login import login
from app.server import oidc
from app.server.log_setup import shorten_login_errors
from app.server.static_files import compress_all
from core.http.connections import watch_descriptors

log = logging.getLogger(__name__)


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    from app.server.warm_up import warm_up

    oidc.install()
    shorten_login_errors()
    if (config := login()) and not config.has_admins:
        log.warning(
            "AUTH_ROLES: no entry gives the role admin, so that no user may change rules, channels, teams and keys; "
            "set for example AUTH_ROLES=admin:email=ann@example.com"
        )
    # zlib releases the GIL, so that this does not delay the start; a request compresses what it needs itself.
    Thread(target=compress_all, name="compress-static-files", daemon=True).start()
    await to_thread.run_sync(warm_up)
    log.info("the dashboard is ready on port %s", st.get_option("server.port"))
    watch = asyncio.create_task(watch_descriptors())
    yield
    watch.cancel()
