"""The dashboard's JavaScript: ES modules, bundled by `npm run build` into `dist/`, from where it is served."""

from functools import cache
from hashlib import sha256
from pathlib import Path

_DIST = Path(__file__).parent / "dist"


@cache
def bundle(name: str) -> str:
    """The text of `dist/NAME.js`, an ES module without imports."""
    return (_DIST / f"{name}.js").read_text(encoding="utf-8")


@cache
def script_path(name: str) -> str:
    """The URL of a bundle that the browser loads by itself, below the dashboard's base URL. It contains a hash of the
    bundle, so browsers may cache it forever."""
    return f"{name.replace('_', '-')}-{sha256(bundle(name).encode()).hexdigest()[:16]}.js"


def log_viewer_path() -> str:
    return script_path("log_viewer")
