"""From the start of the dashboard's server to its end."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from threading import Thread

import streamlit as st
from anyio import to_thread

from app.server.middleware import pack_all
from app.server.provider import install
from app.server.provider_answers import limit_answers
from db.telemetry.foreign import clean
from front.connections import watch_descriptors

log = logging.getLogger(__name__)
_LOGIN_LOG = "streamlit.web.server.starlette.starlette_auth_routes"
_LONGEST = 200


def in_one_line(record: logging.LogRecord) -> bool:
    """A login that failed is one line with the reason, not fifty: anybody can make one fail."""
    if record.exc_info and record.exc_info[1] is not None:
        why = clean(record.exc_info[1], _LONGEST) or type(record.exc_info[1]).__name__
        record.msg, record.args, record.exc_info = f"{record.getMessage()} {why}", (), None
    return True


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    from app.server.warm import warm

    install()
    logging.getLogger(_LOGIN_LOG).addFilter(in_one_line)
    limit_answers()
    # zlib works beside Python, so this costs the start nothing; whoever comes first compresses what is still missing.
    Thread(target=pack_all, name="pack", daemon=True).start()
    await to_thread.run_sync(warm)
    log.info("the dashboard is ready on port %s", st.get_option("server.port"))
    watch = asyncio.create_task(watch_descriptors())
    yield
    watch.cancel()
