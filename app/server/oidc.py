"""What a login's provider answers, limited in time and size: it is asked before anybody is signed in.

Streamlit's side of the login, with two changes: the provider's description is kept instead of asked for by each
request, and a session knows its generation.

Written for Streamlit 1.67, whose routes look both functions up in their module at each request.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx2
from anyio import to_thread
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.integrations.starlette_client import StarletteOAuth2App
from streamlit.web.server.starlette import starlette_auth_routes

from app.access.sessions import CLAIM, SESSIONS

# Of one answer: its description, its keys, or a token.
TIMEOUT_SECONDS, MAX_BYTES = 15.0, 1_000_000


class _LimitedClient(AsyncOAuth2Client):  # type: ignore[misc]
    async def send(self, request: httpx2.Request, *args: Any, stream: bool = False, **named: Any) -> httpx2.Response:
        """Raises httpx2.TransportError where an answer exceeds its limits, or is packed though nobody asked for it."""
        request.headers["accept-encoding"] = "identity"
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                response: httpx2.Response = await super().send(request, *args, stream=True, **named)
                await self._read(response)
        except TimeoutError:
            reason = f"{request.url.host} did not answer completely within {TIMEOUT_SECONDS:g} s"
            raise httpx2.ReadTimeout(reason, request=request) from None
        return response

    async def _read(self, response: httpx2.Response) -> None:
        try:
            if response.headers.get("content-encoding", "identity").lower() != "identity":
                raise httpx2.DecodingError("the answer is packed, which nobody asked for", request=response.request)
            response.stream = _LimitedStream(response.stream)
            await response.aread()
        finally:
            await response.aclose()


class _LimitedStream(httpx2.AsyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for piece in self._stream:
            size += len(piece)
            if size > MAX_BYTES:
                raise httpx2.ReadError(f"the answer is larger than {MAX_BYTES:,} bytes")
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()


def limit_responses() -> None:
    """From now on, of every provider."""
    StarletteOAuth2App.client_cls = _LimitedClient


log = logging.getLogger(__name__)
CACHE_SECONDS, RETRY_SECONDS = 3600.0, 60.0
_MAX_PROVIDERS = 16
_create_client = starlette_auth_routes._create_oauth_client
_set_cookie = starlette_auth_routes._set_auth_cookie


class ProviderMetadataCache:
    """By provider: what it says of itself. One that cannot be had anew stays for as long as that lasts."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, dict[str, Any]]] = {}

    async def load(self, provider: str, client: Any, fetch: Any) -> Mapping[str, Any]:
        """As `ask` does, into the client's own; raises what it raises where nothing is kept."""
        again_at, kept = self._kept.get(provider, (0.0, {}))
        if not client.server_metadata.get("_loaded_at") and time.monotonic() < again_at:
            client.server_metadata.update(kept)
        asked = not client.server_metadata.get("_loaded_at")
        try:
            # Of what is there already it only looks at the ways of signing in.
            found: Mapping[str, Any] = await fetch()
        except Exception as error:
            if not kept:
                raise
            log.warning(
                "The provider's discovery document cannot be read (%s); the previous one is used", type(error).__name__
            )
            self._store(provider, kept, RETRY_SECONDS)
            client.server_metadata.update(kept)
            return await fetch()  # type: ignore[no-any-return]
        if asked:
            # The provider's keys are asked for at each login: one that changed them is believed at once.
            self._store(provider, {name: value for name, value in found.items() if name != "jwks"}, CACHE_SECONDS)
        return found

    def clear(self) -> None:
        self._kept.clear()

    def _store(self, provider: str, metadata: dict[str, Any], seconds: float) -> None:
        if provider in self._kept or len(self._kept) < _MAX_PROVIDERS:
            self._kept[provider] = time.monotonic() + seconds, metadata


PROVIDER_METADATA = ProviderMetadataCache()


def _client(provider: str) -> tuple[Any, str]:
    client, redirect = _create_client(provider)
    ask = client.load_server_metadata

    async def load() -> Mapping[str, Any]:
        return await PROVIDER_METADATA.load(provider, client, ask)

    client.load_server_metadata = load
    return client, redirect


async def _cookie(response: Any, user_info: dict[str, Any], tokens: dict[str, Any]) -> None:
    generation = await to_thread.run_sync(lambda: SESSIONS.generation(user_info, refresh=True))
    await _set_cookie(response, user_info | {CLAIM: generation}, tokens)


def install() -> None:
    """May be repeated."""
    import app.data  # noqa: F401 # says where generations are

    starlette_auth_routes._create_oauth_client = _client
    starlette_auth_routes._set_auth_cookie = _cookie
