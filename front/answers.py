"""Refusals of the front layer: RFC 9457 problem documents, for HTTP and for the handshake of a websocket."""

import json
from collections.abc import Mapping
from http import HTTPStatus

from starlette.types import Receive, Scope, Send

MEDIA_TYPE = b"application/problem+json"


async def refuse(
    scope: Scope, receive: Receive, send: Send, status: int, detail: str, headers: Mapping[str, str] | None = None
) -> None:
    """`detail` is one line: what is wrong and what to do."""
    kind = ""
    if scope["type"] == "websocket":
        await receive()
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008, "reason": detail[:120]})
            return
        kind = "websocket."
    title = HTTPStatus(status).phrase
    body = json.dumps({"type": "about:blank", "title": title, "status": status, "detail": detail}).encode()
    sent = {"content-length": str(len(body)), "cache-control": "no-store", **(headers or {})}
    raw = [(b"content-type", MEDIA_TYPE), *((name.lower().encode(), value.encode()) for name, value in sent.items())]
    await send({"type": f"{kind}http.response.start", "status": status, "headers": raw})
    await send({"type": f"{kind}http.response.body", "body": b"" if scope.get("method") == "HEAD" else body})
