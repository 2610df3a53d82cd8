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
def log_viewer_path() -> str:
    """The URL of the log viewer's bundle below the dashboard's base URL. It contains a hash of the bundle, so browsers
    may cache it forever."""
    return f"log-viewer-{sha256(bundle('log_viewer').encode()).hexdigest()[:16]}.js"
