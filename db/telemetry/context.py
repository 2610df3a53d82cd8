"""What every log line says of the work in which it is written. Follows a request into the threads that answer it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

# Names of the fields beside the message, in their order; docs/monitoring.md says what each means.
FIELDS = (
    "request_id", "delivery_id", "event", "outcome", "task", "repository", "run_id", "job_id", "alert_ids", "channel",
    "method", "path", "status", "seconds",
)  # fmt: skip
_now: ContextVar[dict[str, Any] | None] = ContextVar("log_fields", default=None)


@contextmanager
def bound(**fields: Any) -> Iterator[None]:
    """Lines written inside carry these fields, beside those of the blocks around."""
    token = _now.set({**(_now.get() or {}), **fields})
    try:
        yield
    finally:
        _now.reset(token)


def note(**fields: Any) -> None:
    """From here on the innermost block's lines carry these, too; the one that ends it as well. Nothing outside of
    any."""
    found = _now.get()
    if found is not None:
        found.update(fields)


def current() -> dict[str, Any]:
    return _now.get() or {}
