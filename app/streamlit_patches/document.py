"""The HTML document of a page.

Streamlit's `index.html` finds its server by requests, some of which fail, and loads a page's scripts one after
another. Here the document names the server and the scripts of the page, so that all load at once, and contains the
styles, so that no element appears without them. Written for Streamlit 1.67; a marker that is missing in its
`index.html` leaves that part unchanged.
"""

import json
import re
from collections.abc import Iterator
from functools import cache
from html import escape
from pathlib import Path

import streamlit as st

from app.javascript import bundle
from app.routes import CHART_PAGES, NAMES, PAGES

STREAMLIT = Path(st.__file__).parent / "static"
_SCRIPTS = STREAMLIT / "static" / "js"
# Streamlit's scripts by the beginnings of their names: those of every page, and the one that draws charts.
COMMON_COMPONENTS = (
    "BidiComponent",
    "Html",
    "ButtonGroup",
    "Multiselect",
    "DownloadButton",
    "LinkButton",
    "Button",
    "TextInput",
    "Pagination",
    "Selectbox",
    "PageLink",
)
CHART_COMPONENTS = ("PlotlyChart",)
# A script begins with its imports.
_HEAD_BYTES = 20_000
_IMPORT = re.compile(r"""(?:from|import)\s*["']\./([\w.-]+\.js)["']""")
_SCRIPT_REFERENCE = re.compile(r"\./static/js/([\w.-]+\.js)")
DEFAULT_TITLE, BODY = "<title>Streamlit</title>", "<body>"
# The first element that the Tab key reaches; visible only then. The dashboard's styles are not loaded yet.
_SKIP_LINK = """<a class="ph-skip" href="#content">Skip to content</a><style>.ph-skip { position: fixed;
  z-index: 2000000; top: -60px; left: 8px; padding: 8px 14px; border-radius: 6px; background: #1565BB; color: #FFFFFF;
  font: 600 14px Inter, sans-serif; } .ph-skip:focus { top: 8px; }
  @media print { .ph-skip { display: none; } }</style>"""
DEFAULT_FONT = re.compile(r"<link\s[^<>]{0,500}SourceSans[^<>]{0,500}>", re.DOTALL)
# Streamlit's "bypass" mode: with these globals its script connects at once instead of requesting its configuration.
_CONNECT_SCRIPT = """(() => {
  const pages = %s
  const path = location.pathname.replace(/\\/+$/, ""), end = path.lastIndexOf("/")
  const base = pages.includes(path.slice(end + 1)) ? path.slice(0, end) : path
  window.__streamlit = {
    BACKEND_BASE_URL: location.origin + base,
    HOST_CONFIG: {allowedOrigins: [location.origin], useExternalAuthToken: false},
  }
  // A reload and a step through the history show the page that was open.
  const [entry] = performance.getEntriesByType("navigation")
  if (path !== base || location.search || location.hash || (entry && entry.type !== "navigate")) return
  // The default view of this browser (app/javascript/navigation/default_view.js). Streamlit has not read the URL yet.
  try {
    const view = JSON.parse(localStorage.getItem(`pipeline_health_default_view ${base}/`))
    const url = view && new URL(view.address, `${location.origin}${base}/`)
    const isPage = url && ["", ...pages].some(name => url.pathname === `${base}/${name}`)
    if (isPage && url.origin === location.origin) return history.replaceState(null, "", url)
  } catch {}
  // The team of this browser (app/javascript/navigation/my_team.js).
  try {
    const team = localStorage.getItem(`pipeline_health_my_team ${base}/`)
    if (team) history.replaceState(null, "", `${base}/?${new URLSearchParams({team})}`)
  } catch {}
})()"""
# Marks the document until its first elements have their final size: when the script of the page has finished, or 600 ms
# after its first elements. Up to 20 s, it waits for elements that are still placeholders (not for charts, whose size is
# fixed), for a list of unknown height, and for the fields of a wall screen, which a script fits to the screen.
REVEAL_SCRIPT = """
{
  const marks = document.documentElement.classList, now = () => performance.now()
  const isWall = !["", "0", null].includes(new URLSearchParams(location.search).get("wall"))
  marks.add("ph-loading", ...(isWall ? ["ph-loading-wall"] : []))
  let first = 0, finished = 0
  const isComplete = () => {
    const main = document.querySelector("[data-testid=stMainBlockContainer]")
    const isFinished = document.querySelector("[data-testid=stApp]")?.dataset.testScriptState === "notRunning"
    const hasContent = main?.querySelector(isFinished ? ".stElementContainer" : ".st-key-head")
    if (!hasContent) return now() > 8000
    first ||= now()
    // After a script that has failed, the place of the list remains empty.
    finished = isFinished ? finished || now() : 0
    const unfilled = finished && now() - finished > 300 ? "" : ", .ph-unknown-height"
    const placeholders = [...main.querySelectorAll(`[data-testid=stSkeleton]${unfilled}`)]
    const isFitting = main.querySelector(".ph-wall section:not([hidden]) .ph-wall-fields:not([style])")
    if (isFitting || placeholders.some((element) => !element.closest(".stPrintGraphic"))) return now() - first > 20000
    return isFinished || now() - first > 600
  }
  const timer = setInterval(() => {
    if (!isComplete()) return
    clearInterval(timer)
    marks.remove("ph-loading")
  }, 30)
}"""
# Plotly is larger than all other scripts together: the browser loads it after the document's load event, so that it
# does not delay the first content.
_PREFETCH_SCRIPT = """
addEventListener("load", () => {
  const link = document.createElement("link")
  Object.assign(link, {rel: "modulepreload", crossOrigin: "", href: "./static/js/%s"})
  document.head.append(link)
})"""


@cache
def document(page: str, styles: str = "") -> bytes:
    """The HTML of a page, which is the same for all users."""
    original = (STREAMLIT / "index.html").read_text("utf-8")
    referenced = set(_SCRIPT_REFERENCE.findall(original))
    preloaded = [name for name in preload_assets(*COMMON_COMPONENTS) if name not in referenced]
    links = "".join(f'<link rel="modulepreload" crossorigin href="./static/js/{name}">' for name in preloaded)
    links += '<link rel="preload" href="./app/static/inter-latin.woff2" as="font" type="font/woff2" crossorigin>'
    html = DEFAULT_FONT.sub("", original)
    html = html.replace(DEFAULT_TITLE, f"<title>{escape(NAMES[page])} · Pipeline Health</title>", 1)
    html = html.replace(BODY, f"{BODY}{_SKIP_LINK}", 1)
    html = html.replace("<head>", f"<head><script>{script(page)}</script>", 1)
    html = html.replace("</head>", f"{links}</head>", 1)
    # At the end of the body, after the head to which Streamlit adds its own styles: of two rules with equal specificity
    # the later one applies.
    return html.replace("</body>", f"<style>{styles}</style></body>", 1).encode()


def script(page: str) -> str:
    """The inline script of a page. It finds the base path, below which a proxy may serve the dashboard."""
    # A block of its own: the names of an inline script would be names of the whole document.
    theme = f"(() => {{{bundle('theme')}}})();"
    connect = _CONNECT_SCRIPT % json.dumps([name for name in PAGES if name])
    charts = preload_assets(*CHART_COMPONENTS) if page in CHART_PAGES else ()
    return theme + connect + REVEAL_SCRIPT + (_PREFETCH_SCRIPT % charts[0] if charts else "")


@cache
def preload_assets(*prefixes: str) -> tuple[str, ...]:
    """File names of the scripts with these prefixes and of all scripts that they import."""
    assets: dict[str, None] = {}
    queue = [file.name for prefix in prefixes for file in sorted(_SCRIPTS.glob(f"{prefix}.*.js"))]
    while queue:
        name = queue.pop(0)
        if name not in assets:
            assets[name] = None
            queue += _imports(name)
    return tuple(assets)


def _imports(name: str) -> Iterator[str]:
    with (_SCRIPTS / name).open(encoding="utf-8") as file:
        head = file.read(_HEAD_BYTES)
    return (imported for imported in _IMPORT.findall(head) if (_SCRIPTS / imported).exists())
