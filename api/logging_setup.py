"""What the API logs, and how."""

from typing import Any

_QUIET = ("uvicorn", "uvicorn.access", "uvicorn.error", "alembic")


def logging_config(backend_env: str) -> dict[str, Any]:
    """In the shape of logging.config.dictConfig, which uvicorn takes."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": "db.log_lines.formatter", "backend_env": backend_env}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "stream": "ext://sys.stderr"}},
        "root": {"level": "INFO", "handlers": ["stderr"]},
        # Also where uvicorn's own command configured them before: everything goes through the root's handler.
        "loggers": {name: {"level": "WARNING", "handlers": [], "propagate": True} for name in _QUIET},
    }
