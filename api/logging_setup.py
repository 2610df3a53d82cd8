"""Log lines: readable in development, one JSON object a line in production."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

_QUIET = ("uvicorn", "uvicorn.access", "uvicorn.error", "alembic")


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def logging_config(backend_env: str) -> dict[str, Any]:
    """In the shape of logging.config.dictConfig, which uvicorn takes."""
    plain = {"format": "%(asctime)s %(levelname)-7s %(message)s", "datefmt": "%H:%M:%S"}
    lines = {"()": "api.logging_setup.JsonLines"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": lines if backend_env == "prod" else plain},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "stream": "ext://sys.stderr"}},
        "root": {"level": "INFO", "handlers": ["stderr"]},
        # Also where uvicorn's own command configured them before: everything goes through the root's handler.
        "loggers": {name: {"level": "WARNING", "handlers": [], "propagate": True} for name in _QUIET},
    }
