"""Logging of the dashboard's server, including Streamlit's own lines: one JSON object a line in production.

Text from outside can neither start a new line nor send an escape sequence to the terminal.
"""

import logging
from collections.abc import Iterable

from app.settings import AccessSettings, DashboardSettings
from app.streamlit_patches import auth_routes, loggers
from core.logging import configure_logging
from core.settings import ConfigError
from core.text import clean

_MAX_REASON_LENGTH = 200


def set_up_logging(redacted: Iterable[str] = ()) -> None:
    """`redacted` are the secrets of a login, which never appear in a line. With invalid settings nothing is configured:
    every page shows what is wrong with them."""
    try:
        settings, secrets = DashboardSettings.load(), (*secret_values(), *redacted)
    except ConfigError:
        return
    configure_logging("app", settings.backend_env, secrets)
    loggers.use_root_handlers()


def secret_values() -> tuple[str, ...]:
    """The secrets in the settings of the database and of the login."""
    return DashboardSettings.load().secret_values() + AccessSettings.load().secret_values()


def shorten_login_errors() -> None:
    """A failed login is logged as one line with the reason instead of a traceback: anyone can cause one."""
    logging.getLogger(auth_routes.LOGGER_NAME).addFilter(collapse_traceback)


def collapse_traceback(record: logging.LogRecord) -> bool:
    if record.exc_info and record.exc_info[1] is not None:
        reason = clean(record.exc_info[1], _MAX_REASON_LENGTH) or type(record.exc_info[1]).__name__
        record.msg, record.args, record.exc_info = f"{record.getMessage()} {reason}", (), None
    return True
