"""The warm start: imports the pages' modules, opens the database and computes the Overview's figures, so that the first
user does not wait for them."""

import gc
import logging
import pkgutil
from importlib import import_module

from app import charts, components, frames, session
from app.components import attention, workflows
from app.data import figures, findings
from app.data.outages import Unavailable
from app.data.status import load_status, window_end
from app.data.viewer import EVERYTHING, viewing
from app.filters.controls import OPTIONS_PERIOD
from app.filters.url_state import DEFAULT_PERIOD, PERIODS
from db.definitions.scope import Scope, Window
from db.enums import Interval

log = logging.getLogger(__name__)


def warm_up() -> None:
    """Logs an unavailable database and failing figures and does not raise: pages show both and try again."""
    _import_all()
    try:
        # Users who see all repositories: without private teams, everybody.
        with viewing(EVERYTHING):
            status = load_status()
            if status.has_runs:
                _load_overview(status.version)
    except Unavailable as error:
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
    until = window_end(version)
    scope, window = Scope(), Window(until - PERIODS[DEFAULT_PERIOD], until)
    items = findings.attention(scope, until, version)
    attention.remember_list((scope, False), attention.attention_html(items, until))
    figures.trends(scope, window, Interval.DAY, version)
    figures.failure_hours(scope, window, session.UTC, version)
    listed = figures.workflows(scope, window, version)
    listed.histories(listed.items[: workflows.TOP_COUNT])
    figures.filter_options(scope, until - OPTIONS_PERIOD, version)
