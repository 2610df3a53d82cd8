"""The viewer's program and its styles as one file, which browsers keep until it changes."""

import json
from functools import cache
from hashlib import sha256
from pathlib import Path

_HERE = Path(__file__).parent / "viewer"
# In this order: each uses those before it.
_PARTS = ("rows.js", "source.js", "line.js", "toolbar.js", "viewer.js")


@cache
def script() -> str:
    styles = json.dumps((_HERE / "viewer.css").read_text(encoding="utf-8"))
    parts = [(_HERE / name).read_text(encoding="utf-8") for name in _PARTS]
    return "\n".join([f"const STYLES = {styles};", *parts])


@cache
def address() -> str:
    """Below the dashboard's own; another one for every change."""
    return f"log-viewer-{sha256(script().encode()).hexdigest()[:16]}.js"
