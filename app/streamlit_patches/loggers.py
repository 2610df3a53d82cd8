"""Streamlit's loggers.

Streamlit gives each of its loggers a handler of its own when the logger is first requested, also after the start; its
format can neither be JSON nor hide secrets. Written for Streamlit 1.67.
"""

import logging

from streamlit import logger as streamlit_logger


def use_root_handlers() -> None:
    """Sends the lines of all of Streamlit's loggers, present and future, to the handlers of the root logger."""
    streamlit_logger.setup_formatter = _propagate
    streamlit_logger.update_formatter()


def _propagate(logger: logging.Logger) -> None:
    logger.handlers.clear()
    logger.propagate = True
