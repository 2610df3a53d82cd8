"""Around every answer of the dashboard: security headers, and files that are compressed once instead of every time."""

import re
import zlib
from base64 import b64encode
from functools import cache
from hashlib import sha256
from mimetypes import guess_type
from pathlib import Path

import streamlit
from anyio import to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.routes import PAGES
from app.server.guard import LoginMiddleware
from app.server.requests import AllowedPathsMiddleware, FrontMiddleware
from app.streamlit_patches.document import STREAMLIT, document, script
from core.http.bodies import RequestBodyMiddleware

_INLINE = re.compile(r"<script>([^<]*+(?:<(?!/?script>)[^<]*+)*+)</script>", re.DOTALL)
_COMPRESSIBLE_SUFFIXES = (".css", ".js", ".json", ".svg")
_MIN_COMPRESS_BYTES = 1_000
# The names of these files change with their content; our own keep their names.
CACHE_IMMUTABLE = "public, immutable, max-age=31536000"
_CACHE_ONE_DAY = "public, max-age=86400"
_GZIP_WBITS = 16 + zlib.MAX_WBITS


def content_security_policy() -> str:
    """Scripts are the dashboard's own files, the inline scripts of the first document (by their hashes), and
    components, which Streamlit loads as blobs; Plotly makes the shaders of large scatter plots with eval, and shows
    none without. Styles are set inline by all of them. Nothing comes from, or goes to, another host."""
    inline = [_hash(each) for each in _INLINE.findall((STREAMLIT / "index.html").read_text("utf-8"))]
    inline += sorted({_hash(script(page)) for page in PAGES})
    rules = {
        "default-src": ["'self'"],
        "script-src": ["'self'", "blob:", "'unsafe-eval'", *inline],
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:", "blob:"],
        "font-src": ["'self'", "data:"],
        "connect-src": ["'self'"],
        "worker-src": ["'self'", "blob:"],
        "object-src": ["'none'"],
        "base-uri": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'self'"],
    }
    return "; ".join(f"{name} {' '.join(allowed)}" for name, allowed in rules.items())


def _hash(script: str) -> str:
    return f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'"


class SecurityHeadersMiddleware:
    """On every HTTP answer; websockets pass untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._headers = {
            "content-security-policy": content_security_policy(),
            "x-content-type-options": "nosniff",
            "x-frame-options": "SAMEORIGIN",
            "referrer-policy": "no-referrer",
            "cross-origin-opener-policy": "same-origin",
            "permissions-policy": "camera=(), microphone=(), geolocation=()",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers[name] = value
                if "/app/static/" in scope["path"] and message["status"] == 200:
                    headers["cache-control"] = _CACHE_ONE_DAY
            await send(message)

        await self._app(scope, receive, sending)


class PageDocumentMiddleware:
    """The first document of each page, packed once. What Streamlit would redirect or refuse is left to it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        base = (streamlit.get_option("server.baseUrlPath") or "").strip("/")
        prefix = f"/{base}" if base else ""
        self._pages = {f"{prefix}/{page}" if page or not base else prefix: page for page in PAGES}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        page = self._pages.get(scope.get("path", "")) if scope["type"] == "http" else None
        if page is None or scope["method"] not in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        packed = accepts_gzip(Headers(scope=scope).get("accept-encoding", ""))
        content = _compressed_document(page) if packed else document(page)
        headers = {"cache-control": "no-cache", "vary": "accept-encoding"}
        headers |= {"content-encoding": "gzip"} if packed else {}
        await Response(content, media_type="text/html", headers=headers)(scope, receive, send)


class PrecompressedFiles:
    """Streamlit's own files from memory, scripts and styles gzipped once (6 MB in all): Streamlit reads each from the
    disk in a thread and sends it as it is, four times the bytes, and a page asks for a hundred of them. Only known
    names are looked up, so no path leads elsewhere."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._files = compressible()
        self._kept: dict[str, Response] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        known = path[path.find("/static/") :] if "/static/" in path else ""
        found = self._files.get(known)
        if scope["type"] != "http" or found is None or scope["method"] not in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        if not accepts_gzip(Headers(scope=scope).get("accept-encoding", "")):
            await self._app(scope, receive, send)
            return
        response = self._kept.get(known)
        if response is None:
            response = self._kept[known] = await to_thread.run_sync(_response, found)
        await response(scope, receive, send)


def _response(file: Path) -> Response:
    """Of a font, which is packed already, as it is."""
    headers = {"cache-control": CACHE_IMMUTABLE}
    packed = _is_compressible(file)
    headers |= {"content-encoding": "gzip", "vary": "accept-encoding"} if packed else {}
    return Response(
        compress_file(file) if packed else file.read_bytes(), media_type=guess_type(file.name)[0], headers=headers
    )


def compressible() -> dict[str, Path]:
    """Path below the dashboard's address to file."""
    files = (each for each in (STREAMLIT / "static").rglob("*") if each.suffix in (*_COMPRESSIBLE_SUFFIXES, ".woff2"))
    return {f"/{each.relative_to(STREAMLIT).as_posix()}": each for each in files}


def _is_compressible(file: Path) -> bool:
    return file.suffix in _COMPRESSIBLE_SUFFIXES and file.stat().st_size >= _MIN_COMPRESS_BYTES


@cache
def compress_file(file: Path) -> bytes:
    return _gzip(file.read_bytes())


@cache
def _compressed_document(page: str) -> bytes:
    return _gzip(document(page))


def _gzip(content: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, _GZIP_WBITS)
    return packer.compress(content) + packer.flush()


def compress_all() -> None:
    for page in PAGES:
        _compressed_document(page)
    for file in compressible().values():
        if _is_compressible(file):
            compress_file(file)


def accepts_gzip(accept_encoding: str) -> bool:
    for each in accept_encoding.lower().split(","):
        name, _, quality = each.partition(";")
        if name.strip() in ("gzip", "*"):
            return quality.replace(" ", "").rstrip("0").rstrip(".") != "q="
    return False


MIDDLEWARE = [
    Middleware(SecurityHeadersMiddleware),
    Middleware(FrontMiddleware),
    Middleware(LoginMiddleware),
    Middleware(AllowedPathsMiddleware),
    Middleware(RequestBodyMiddleware),
    Middleware(PrecompressedFiles),
    Middleware(PageDocumentMiddleware),
    # What Streamlit leaves as it is.
    Middleware(GZipMiddleware, minimum_size=_MIN_COMPRESS_BYTES, compresslevel=5),
]
