"""What the first visitor would wait for is done before: libraries imported, the database opened, the Overview's
figures made.

From the start of the dashboard's server to its end.
"""

import asyncio
import gc
import logging
import pkgutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from threading import Thread

import streamlit as st
from anyio import to_thread

from app import charts, components, data, filters, frames, session
from app.server.middleware import compress_all
from app.server.oidc import install, limit_responses
from core.http.connections import watch_descriptors
from core.text import clean
from db.definitions.scope import Scope, Window
from db.enums import Interval

log = logging.getLogger(__name__)


def warm_up() -> None:
    """A database that is away is no reason not to start, and neither is a figure that cannot be made: pages say so,
    and try again."""
    _import_all()
    try:
        status = data.status()
        if status.has_runs:
            _first_page(status.version)
    except data.Unavailable as error:
        log.warning("%s", error)
    except Exception:  # whatever is wrong with one figure, the others can be shown
        log.exception("the figures of the first page could not be made")
    # What lives as long as the process is left out of every later collection.
    gc.collect()
    gc.freeze()


def _import_all() -> None:
    """Pages import these when they are first run."""
    for package in (charts, components, frames):
        for module in pkgutil.walk_packages(getattr(package, "__path__", ()), f"{package.__name__}."):
            import_module(module.name)


def _first_page(version: int) -> None:
    """What the Overview asks for without any filter, under the same keys."""
    until = data.now(version)
    scope, window = Scope(), Window(until - filters.PERIODS[filters.DEFAULT_PERIOD], until)
    data.attention(scope, until, version)
    data.trends(scope, window, Interval.DAY, version)
    data.failure_hours(scope, window, session.UTC, version)
    data.workflows(scope, window, version)
    data.filter_options(scope, until - filters.PERIODS["90d"], version)


_LOGIN_LOG = "streamlit.web.server.starlette.starlette_auth_routes"
_MAX_LENGTH = 200


def collapse_login_error(record: logging.LogRecord) -> bool:
    """A login that failed is one line with the reason, not fifty: anybody can make one fail."""
    if record.exc_info and record.exc_info[1] is not None:
        why = clean(record.exc_info[1], _MAX_LENGTH) or type(record.exc_info[1]).__name__
        record.msg, record.args, record.exc_info = f"{record.getMessage()} {why}", (), None
    return True


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:

    install()
    logging.getLogger(_LOGIN_LOG).addFilter(collapse_login_error)
    limit_responses()
    # zlib works beside Python, so this costs the start nothing; whoever comes first compresses what is still missing.
    Thread(target=compress_all, name="pack", daemon=True).start()
    await to_thread.run_sync(warm_up)
    log.info("the dashboard is ready on port %s", st.get_option("server.port"))
    watch = asyncio.create_task(watch_descriptors())
    yield
    watch.cancel()
