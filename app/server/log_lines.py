"""What the dashboard's server writes about itself, Streamlit's own lines too: in production one JSON object a line.
What comes from outside can neither break a line nor reach the terminal as an escape sequence."""

import logging
from collections.abc import Iterable

from streamlit import logger as streamlit_logger

from app.settings import AccessSettings, DashboardSettings
from core.logging import configure_logging
from core.settings import ConfigError


def set_up_logging(redacted: Iterable[str] = ()) -> None:
    """`hidden` are the secrets of a login, wherever they are written. Settings that cannot be used are told
    by every page."""
    try:
        settings, secrets = DashboardSettings.load(), (*secret_values(), *redacted)
    except ConfigError:
        return
    configure_logging("app", settings.backend_env, secrets)
    # Streamlit gives each of its loggers a handler of its own when it is first asked for, now and later.
    streamlit_logger.setup_formatter = _to_root
    streamlit_logger.update_formatter()


def secret_values() -> tuple[str, ...]:
    """Of the database and of the login."""
    return DashboardSettings.load().secret_values() + AccessSettings.load().secret_values()


def _to_root(logger: logging.Logger) -> None:
    logger.handlers.clear()
    logger.propagate = True
