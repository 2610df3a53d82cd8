"""The dashboard's middleware in its order, and the security headers of its responses."""

import re
from base64 import b64encode
from hashlib import sha256

from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.routes import PAGES
from app.server.authentication import LoginMiddleware
from app.server.request_checks import AllowedHostsMiddleware, AllowedPathsMiddleware
from app.server.static_files import MIN_COMPRESS_BYTES, PageDocumentMiddleware, PrecompressedFilesMiddleware
from app.streamlit_patches.document import STREAMLIT, script
from core.http.bodies import RequestBodyMiddleware

_INLINE_SCRIPT = re.compile(r"<script>([^<]*+(?:<(?!/?script>)[^<]*+)*+)</script>", re.DOTALL)
# Fonts and images of the dashboard do not change their names with their content.
_CACHE_ONE_DAY = "public, max-age=86400"


def content_security_policy() -> str:
    """The value of the Content-Security-Policy header.

    Allowed scripts are the dashboard's own files, the inline scripts of the document (by their hashes) and components,
    which Streamlit loads as blobs. Plotly creates the shaders of large scatter plots with eval and draws none without.
    All of them set inline styles. No request goes to another host.
    """
    inline = [_csp_hash(text) for text in _INLINE_SCRIPT.findall((STREAMLIT / "index.html").read_text("utf-8"))]
    inline += sorted({_csp_hash(script(page)) for page in PAGES})
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


def _csp_hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


class SecurityHeadersMiddleware:
    """Adds security headers to every HTTP response. Websockets pass unchanged."""

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

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers[name] = value
                if "/app/static/" in scope["path"] and message["status"] == 200:
                    headers["cache-control"] = _CACHE_ONE_DAY
            await send(message)

        await self._app(scope, receive, send_with_headers)


# From the outermost to the innermost.
MIDDLEWARE = [
    Middleware(SecurityHeadersMiddleware),
    Middleware(AllowedHostsMiddleware),
    Middleware(LoginMiddleware),
    Middleware(AllowedPathsMiddleware),
    Middleware(RequestBodyMiddleware),
    Middleware(PrecompressedFilesMiddleware),
    Middleware(PageDocumentMiddleware),
    # Compresses the responses that Streamlit sends uncompressed.
    Middleware(GZipMiddleware, minimum_size=MIN_COMPRESS_BYTES, compresslevel=5),
]
