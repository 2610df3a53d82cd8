"""From the start of the dashboard's server to its end."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from threading import Thread

import streamlit as st
from anyio import to_thread

from app.server.middleware import pack_all

log = logging.getLogger(__name__)


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    from app.server.warm import warm

    # zlib works beside Python, so this costs the start nothing; whoever comes first compresses what is still missing.
    Thread(target=pack_all, name="pack", daemon=True).start()
    await to_thread.run_sync(warm)
    log.info("the dashboard is ready on port %s", st.get_option("server.port"))
    yield
