"""The Host header of websockets.

Streamlit compares a websocket's Origin with its Host as texts, and looks up this machine's public address on the
internet if they differ. The dashboard's own check (`core.http.middleware`) runs before and allows several names of one
host. Written for Streamlit 1.67 (`starlette_websocket._is_origin_allowed`).
"""

from starlette.types import ASGIApp, Receive, Scope, Send


class WebSocketHostMiddleware:
    """Replaces a websocket's Host by the host of its Origin, which has been checked already."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            scope = {**scope, "headers": _with_host_of_origin(scope["headers"])}
        await self._app(scope, receive, send)


def _with_host_of_origin(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    origin = next((value for name, value in headers if name == b"origin"), None)
    if origin is None:
        return list(headers)
    host = origin.strip().partition(b"://")[2]
    return [(name, host if name == b"host" else value) for name, value in headers]
