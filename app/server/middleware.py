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

_STREAMLIT = Path(streamlit.__file__).parent / "static"
_INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_PACKED = (".css", ".js", ".json", ".svg")
_WORTH_PACKING = 1_000
# The names of these files change with their content; our own keep their names.
FOREVER = "public, immutable, max-age=31536000"
_A_DAY = "public, max-age=86400"
_GZIP = 16 + zlib.MAX_WBITS


def content_security_policy() -> str:
    """Scripts are the dashboard's own files, Streamlit's one inline script (by its hash), and components, which it
    loads as blobs; Plotly makes the shaders of large scatter plots with eval, and shows none without. Styles are set
    inline by all of them. Nothing comes from, or goes to, another host."""
    inline = [_hash(each) for each in _INLINE.findall((_STREAMLIT / "index.html").read_text("utf-8"))]
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


class SecurityHeaders:
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
                    headers["cache-control"] = _A_DAY
            await send(message)

        await self._app(scope, receive, sending)


class PackedFiles:
    """Streamlit's own scripts and styles, gzipped once and kept (6 MB in all): Streamlit sends them as they are, four
    times the bytes. Only known names are looked up, so no path leads elsewhere."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._files = packable()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        found = self._files.get(path[path.find("/static/") :]) if "/static/" in path else None
        if scope["type"] != "http" or found is None or scope["method"] not in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        if not takes_gzip(Headers(scope=scope).get("accept-encoding", "")):
            await self._app(scope, receive, send)
            return
        content = await to_thread.run_sync(pack, found)
        headers = {"content-encoding": "gzip", "vary": "accept-encoding", "cache-control": FOREVER}
        response = Response(content, media_type=guess_type(found.name)[0], headers=headers)
        await response(scope, receive, send)


def packable() -> dict[str, Path]:
    """Path below the dashboard's address to file."""
    files = (each for each in (_STREAMLIT / "static").rglob("*") if each.suffix in _PACKED)
    return {f"/{each.relative_to(_STREAMLIT).as_posix()}": each for each in files
            if each.stat().st_size >= _WORTH_PACKING}  # fmt: skip


@cache
def pack(file: Path) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, _GZIP)
    return packer.compress(file.read_bytes()) + packer.flush()


def pack_all() -> None:
    for file in packable().values():
        pack(file)


def takes_gzip(accepted: str) -> bool:
    for each in accepted.lower().split(","):
        name, _, quality = each.partition(";")
        if name.strip() in ("gzip", "*"):
            return quality.replace(" ", "").rstrip("0").rstrip(".") != "q="
    return False


MIDDLEWARE = [
    Middleware(SecurityHeaders),
    Middleware(PackedFiles),
    # The first document, which Streamlit leaves as it is.
    Middleware(GZipMiddleware, minimum_size=_WORTH_PACKING, compresslevel=5),
]
