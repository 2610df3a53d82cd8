"""What the collector logs, and how."""

import logging
import sys

from db.log_lines import formatter


def set_up_logging(backend_env: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(backend_env))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for chatty in ("urllib3", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # A poll that falls due while a long first pass runs is skipped; that is no news.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
