"""The dashboard's JavaScript: ES modules, bundled by `npm run build` into `dist/`, from where it is served."""

from functools import cache
from pathlib import Path

_DIST = Path(__file__).parent / "dist"


@cache
def bundle(name: str) -> str:
    """The text of `dist/NAME.js`, an ES module without imports."""
    return (_DIST / f"{name}.js").read_text(encoding="utf-8")
