"""What the dashboard's server writes about itself: in production one JSON object a line, Streamlit's own lines too."""

import logging

from streamlit import logger as streamlit_logger

from app.config import Settings
from db.config import ConfigError
from db.telemetry.setup import PROD, set_up


def set_up_logging() -> None:
    """In development Streamlit writes as it always does. Settings that cannot be used are told by every page."""
    try:
        settings = Settings.load()
    except ConfigError:
        return
    set_up("app", settings.backend_env, settings.secret_values())
    if settings.backend_env != PROD:
        return
    # Streamlit gives each of its loggers a handler of its own when it is first asked for, now and later.
    streamlit_logger.setup_formatter = _to_root
    streamlit_logger.update_formatter()


def _to_root(logger: logging.Logger) -> None:
    logger.handlers.clear()
    logger.propagate = True
