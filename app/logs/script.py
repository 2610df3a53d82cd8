"""The log viewer's script, with its styles, under an address that browsers may cache forever."""

from functools import cache
from hashlib import sha256

from app.javascript import bundle


def script() -> str:
    return bundle("log_viewer")


@cache
def script_path() -> str:
    """The script's URL below the dashboard's base URL. It contains a hash, so every change has its own URL."""
    return f"log-viewer-{sha256(script().encode()).hexdigest()[:16]}.js"
