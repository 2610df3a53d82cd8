"""The start of the dashboard's server: imports the pages' modules, opens the database and computes the Overview's
figures, so that the first user does not wait for them."""

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
from app.server import oidc
from app.server.log_setup import shorten_login_errors
from app.server.static_files import compress_all
from core.http.connections import watch_descriptors
from db.definitions.scope import Scope, Window
from db.enums import Interval

log = logging.getLogger(__name__)


def warm_up() -> None:
    """Logs an unavailable database and failing figures and does not raise: pages show both and try again."""
    _import_all()
    try:
        status = data.status()
        if status.has_runs:
            _load_overview(status.version)
    except data.Unavailable as error:
        log.warning("%s", error)
    except Exception:  # a failing figure must not prevent the start
        log.exception("the figures of the Overview cannot be computed")
    # Objects that live as long as the process need no garbage collection.
    gc.collect()
    gc.freeze()


def _import_all() -> None:
    """Imports what pages import at their first run."""
    for package in (charts, components, frames):
        for module in pkgutil.walk_packages(getattr(package, "__path__", ()), f"{package.__name__}."):
            import_module(module.name)


def _load_overview(version: int) -> None:
    """Fills the caches with what the Overview reads without filters."""
    until = data.now(version)
    scope, window = Scope(), Window(until - filters.PERIODS[filters.DEFAULT_PERIOD], until)
    data.attention(scope, until, version)
    data.trends(scope, window, Interval.DAY, version)
    data.failure_hours(scope, window, session.UTC, version)
    data.workflows(scope, window, version)
    data.filter_options(scope, until - filters.PERIODS["90d"], version)


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    oidc.install()
    shorten_login_errors()
    # zlib releases the GIL, so that this does not delay the start; a request compresses what it needs itself.
    Thread(target=compress_all, name="compress-static-files", daemon=True).start()
    await to_thread.run_sync(warm_up)
    log.info("the dashboard is ready on port %s", st.get_option("server.port"))
    watch = asyncio.create_task(watch_descriptors())
    yield
    watch.cancel()
