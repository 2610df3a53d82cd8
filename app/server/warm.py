"""What the first visitor would wait for is done before: libraries imported, the database opened, the Overview's
figures made."""

import gc
import logging
import pkgutil
from importlib import import_module

from app import charts, components, data, filters, frames, viewer
from db.metrics.scope import Scope
from db.metrics.window import Window
from db.vocabulary import Interval

log = logging.getLogger(__name__)


def warm() -> None:
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
    data.hours(scope, window, viewer.UTC, version)
    data.workflows(scope, window, version)
    data.options(scope, until - filters.PERIODS["90d"], version)
