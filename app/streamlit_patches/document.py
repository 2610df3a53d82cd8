"""The first document of a page. Streamlit's own has the browser find out by requests that fail where the server is, and
name what a page is made of piece by piece; here both stand in the document, and everything comes at once."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import streamlit as st

from app.routes import CHART_PAGES, PAGES

STREAMLIT = Path(st.__file__).parent / "static"
_SCRIPTS = STREAMLIT / "static" / "js"
# Parts of Streamlit's program that every page uses, and the one that draws charts, by the beginnings of their names.
_COMMON_COMPONENTS, _CHART_COMPONENTS = ("BidiComponent", "Html", "ButtonGroup", "Multiselect"), ("PlotlyChart",)
# Imports stand at the beginning of a file.
_HEAD_BYTES = 20_000
_IMPORT = re.compile(r"""(?:from|import)\s*["']\./([\w.-]+\.js)["']""")
_SCRIPT_REFERENCE = re.compile(r"\./static/js/([\w.-]+\.js)")
_DEFAULT_FONT = re.compile(r"<link\s[^<>]{0,500}SourceSans[^<>]{0,500}>", re.DOTALL)
# Streamlit's "bypass": a page that is told where its server is connects at once, and asks for the rest beside it.
_CONNECT_SCRIPT = """(() => {
  const pages = %s
  const path = location.pathname.replace(/\\/+$/, ""), end = path.lastIndexOf("/")
  const base = pages.includes(path.slice(end + 1)) ? path.slice(0, end) : path
  window.__streamlit = {
    BACKEND_BASE_URL: location.origin + base,
    HOST_CONFIG: {allowedOrigins: [location.origin], useExternalAuthToken: false},
  }
})()"""
# What draws charts is larger than everything else together: it comes while the page waits for its first words, not
# before them.
_PREFETCH_SCRIPT = """
addEventListener("load", () => {
  const link = document.createElement("link")
  Object.assign(link, {rel: "modulepreload", crossOrigin: "", href: "./static/js/%s"})
  document.head.append(link)
})"""


@cache
def document(page: str) -> bytes:
    """HTML, the same for everyone. What is not found in Streamlit's own document is left as it is there."""
    plain = (STREAMLIT / "index.html").read_text("utf-8")
    known = set(_SCRIPT_REFERENCE.findall(plain))
    wanted = [each for each in preload_assets(*_COMMON_COMPONENTS) if each not in known]
    links = "".join(f'<link rel="modulepreload" crossorigin href="./static/js/{each}">' for each in wanted)
    links += '<link rel="preload" href="./app/static/inter-latin.woff2" as="font" type="font/woff2" crossorigin>'
    without = _DEFAULT_FONT.sub("", plain)
    with_script = without.replace("<head>", f"<head><script>{script(page)}</script>", 1)
    return with_script.replace("</head>", f"{links}</head>", 1).encode()


def script(page: str) -> str:
    """The page stands at the root or below a path that a proxy adds."""
    told = _CONNECT_SCRIPT % json.dumps([each for each in PAGES if each])
    charts = preload_assets(*_CHART_COMPONENTS) if page in CHART_PAGES else ()
    return told + (_PREFETCH_SCRIPT % charts[0] if charts else "")


@cache
def preload_assets(*beginnings: str) -> tuple[str, ...]:
    """File names of these parts and of all that they import."""
    found: dict[str, None] = {}
    waiting = [each.name for start in beginnings for each in sorted(_SCRIPTS.glob(f"{start}.*.js"))]
    while waiting:
        name = waiting.pop(0)
        if name not in found:
            found[name] = None
            waiting += _imports(name)
    return tuple(found)


def _imports(name: str) -> Iterator[str]:
    with (_SCRIPTS / name).open(encoding="utf-8") as file:
        head = file.read(_HEAD_BYTES)
    return (each for each in _IMPORT.findall(head) if (_SCRIPTS / each).exists())
