"""Streamlit's static files and the pages' documents, compressed once and served from memory."""

import zlib
from functools import cache
from mimetypes import guess_type
from pathlib import Path

from anyio import to_thread
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.routes import PAGES
from app.server.request_checks import base_path
from app.streamlit_patches.document import STREAMLIT, document
from app.widgets.panel import STYLES
from core.http.headers import accepts_gzip

_COMPRESSIBLE_SUFFIXES = (".css", ".js", ".json", ".svg")
MIN_COMPRESS_BYTES = 1_000
# The name of a file of Streamlit changes with its content.
CACHE_IMMUTABLE = "public, immutable, max-age=31536000"
_GZIP_WBITS = 16 + zlib.MAX_WBITS


class PageDocumentMiddleware:
    """Serves the document of each page. Streamlit answers other paths and methods."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        base = base_path()
        self._pages = {f"{base}/{page}" if page or not base else base: page for page in PAGES}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        page = self._pages.get(scope.get("path", "")) if scope["type"] == "http" else None
        if page is None or scope["method"] not in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        is_compressed = accepts_gzip(Headers(scope=scope).get("accept-encoding", ""))
        content = _compressed_document(page) if is_compressed else document(page, STYLES)
        headers = {"cache-control": "no-cache", "vary": "accept-encoding"}
        headers |= {"content-encoding": "gzip"} if is_compressed else {}
        await Response(content, media_type="text/html", headers=headers)(scope, receive, send)


class PrecompressedFilesMiddleware:
    """Serves Streamlit's own files from memory, scripts and styles gzipped (6 MB in all).

    Streamlit reads each file from the disk in a thread and sends it uncompressed, four times the bytes; a page requests
    a hundred of them. Only known names are looked up, so that no path leads to another file.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._files = static_files()
        self._responses: dict[str, Response] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        name = path[path.find("/static/") :] if "/static/" in path else ""
        file = self._files.get(name)
        if scope["type"] != "http" or file is None or scope["method"] not in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        if not accepts_gzip(Headers(scope=scope).get("accept-encoding", "")):
            await self._app(_without_accept_encoding(scope), receive, send)
            return
        response = self._responses.get(name)
        if response is None:
            response = self._responses[name] = await to_thread.run_sync(_file_response, file)
        await response(scope, receive, send)


def _without_accept_encoding(scope: Scope) -> Scope:
    """Streamlit compresses whenever the header contains the word gzip, even for `gzip;q=0`."""
    return {**scope, "headers": [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]}


def _file_response(file: Path) -> Response:
    headers = {"cache-control": CACHE_IMMUTABLE}
    # Fonts are compressed already.
    if _is_compressible(file):
        headers |= {"content-encoding": "gzip", "vary": "accept-encoding"}
        content = compress_file(file)
    else:
        content = file.read_bytes()
    return Response(content, media_type=guess_type(file.name)[0], headers=headers)


def static_files() -> dict[str, Path]:
    """Streamlit's scripts, styles and fonts by their path below the dashboard's base path."""
    files = (file for file in (STREAMLIT / "static").rglob("*") if file.suffix in (*_COMPRESSIBLE_SUFFIXES, ".woff2"))
    return {f"/{file.relative_to(STREAMLIT).as_posix()}": file for file in files}


def _is_compressible(file: Path) -> bool:
    return file.suffix in _COMPRESSIBLE_SUFFIXES and file.stat().st_size >= MIN_COMPRESS_BYTES


@cache
def compress_file(file: Path) -> bytes:
    return _gzip(file.read_bytes())


@cache
def _compressed_document(page: str) -> bytes:
    return _gzip(document(page, STYLES))


def _gzip(content: bytes) -> bytes:
    compressor = zlib.compressobj(6, zlib.DEFLATED, _GZIP_WBITS)
    return compressor.compress(content) + compressor.flush()


def compress_all() -> None:
    """Compresses every document and file ahead of the first request."""
    for page in PAGES:
        _compressed_document(page)
    for file in static_files().values():
        if _is_compressible(file):
            compress_file(file)
