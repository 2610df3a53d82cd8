"""Text for a message; what comes from outside is cleaned by db.telemetry.foreign."""

from db.telemetry.foreign import clean, one_line, printable, seen

__all__ = ["clean", "line", "one_line", "printable", "seen"]


def line(reason: object) -> str:
    """One short line, without secrets."""
    return clean(reason, 200)
