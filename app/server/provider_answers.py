"""What a login's provider answers, limited in time and size: it is asked before anybody is signed in."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.integrations.starlette_client import StarletteOAuth2App

# Of one answer: its description, its keys, or a token.
SECONDS, MOST_BYTES = 15.0, 1_000_000


class _Limited(AsyncOAuth2Client):  # type: ignore[misc]
    async def send(self, request: httpx2.Request, *args: Any, stream: bool = False, **named: Any) -> httpx2.Response:
        """Raises httpx2.TransportError where an answer exceeds its limits, or is packed though nobody asked for it."""
        request.headers["accept-encoding"] = "identity"
        try:
            async with asyncio.timeout(SECONDS):
                response: httpx2.Response = await super().send(request, *args, stream=True, **named)
                await self._read(response)
        except TimeoutError:
            reason = f"{request.url.host} did not answer completely within {SECONDS:g} s"
            raise httpx2.ReadTimeout(reason, request=request) from None
        return response

    async def _read(self, response: httpx2.Response) -> None:
        try:
            if response.headers.get("content-encoding", "identity").lower() != "identity":
                raise httpx2.DecodingError("the answer is packed, which nobody asked for", request=response.request)
            response.stream = _Counted(response.stream)
            await response.aread()
        finally:
            await response.aclose()


class _Counted(httpx2.AsyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for piece in self._stream:
            size += len(piece)
            if size > MOST_BYTES:
                raise httpx2.ReadError(f"the answer is larger than {MOST_BYTES:,} bytes")
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()


def limit_answers() -> None:
    """From now on, of every provider."""
    StarletteOAuth2App.client_cls = _Limited
