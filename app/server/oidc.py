"""Streamlit's OpenID Connect login with limits and a cache.

Anyone can start a login, so the provider's responses are limited in time and size, and its discovery document is cached
instead of requested by each login. Each session gets the generation of its user (`app.access.sessions`), and of
the groups those that its cookie has room for.
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

from app.access.login import login
from app.access.roles import reduce_claims
from app.access.sessions import CLAIM, SESSIONS
from app.streamlit_patches import auth_routes

log = logging.getLogger(__name__)
# Limits of one response of a provider: its discovery document, its keys, or a token.
TIMEOUT_SECONDS, MAX_BYTES = 15.0, 1_000_000
CACHE_SECONDS, RETRY_SECONDS = 3600.0, 60.0
_MAX_PROVIDERS = 16


class _LimitedClient(AsyncOAuth2Client):  # type: ignore[misc] # Authlib has no types
    async def send(self, request: httpx2.Request, *args: Any, stream: bool = False, **kwargs: Any) -> httpx2.Response:
        """Raises httpx2.TransportError if the response exceeds a limit or is compressed, which was not requested."""
        request.headers["accept-encoding"] = "identity"
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                response: httpx2.Response = await super().send(request, *args, stream=True, **kwargs)
                await self._read(response)
        except TimeoutError:
            reason = f"{request.url.host} did not answer completely within {TIMEOUT_SECONDS:g} s"
            raise httpx2.ReadTimeout(reason, request=request) from None
        return response

    async def _read(self, response: httpx2.Response) -> None:
        try:
            if response.headers.get("content-encoding", "identity").lower() != "identity":
                reason = "the response is compressed, which was not requested"
                raise httpx2.DecodingError(reason, request=response.request)
            response.stream = _LimitedStream(response.stream)
            await response.aread()
        finally:
            await response.aclose()


class _LimitedStream(httpx2.AsyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._stream:
            size += len(chunk)
            if size > MAX_BYTES:
                raise httpx2.ReadError(f"the response is larger than {MAX_BYTES:,} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


def limit_responses() -> None:
    """Limits the responses of all providers to which Authlib connects from now on."""
    StarletteOAuth2App.client_cls = _LimitedClient


class ProviderMetadataCache:
    """Discovery documents by provider. While a document cannot be loaded again, the cached one remains in use."""

    def __init__(self) -> None:
        # Provider to (when the document is to be loaded again, the document).
        self._entries: dict[str, tuple[float, dict[str, Any]]] = {}

    async def load(self, provider: str, client: Any, fetch: Any) -> Mapping[str, Any]:
        """Loads the document into `client.server_metadata`, as `fetch` does, and returns it. Raises what `fetch` raises
        if no document is cached."""
        expires_at, cached = self._entries.get(provider, (0.0, {}))
        if not client.server_metadata.get("_loaded_at") and time.monotonic() < expires_at:
            client.server_metadata.update(cached)
        is_request = not client.server_metadata.get("_loaded_at")
        try:
            # With a loaded document `fetch` sends no request; it only checks the login methods.
            metadata: Mapping[str, Any] = await fetch()
        except Exception as error:
            if not cached:
                raise
            log.warning(
                "The provider's discovery document cannot be read (%s); the previous one is used", type(error).__name__
            )
            self._store(provider, cached, RETRY_SECONDS)
            client.server_metadata.update(cached)
            return await fetch()  # type: ignore[no-any-return]
        if is_request:
            # Keys are requested at each login, so that a provider's new keys are valid at once.
            self._store(provider, {name: value for name, value in metadata.items() if name != "jwks"}, CACHE_SECONDS)
        return metadata

    def clear(self) -> None:
        self._entries.clear()

    def _store(self, provider: str, metadata: dict[str, Any], seconds: float) -> None:
        if provider in self._entries or len(self._entries) < _MAX_PROVIDERS:
            self._entries[provider] = time.monotonic() + seconds, metadata


PROVIDER_METADATA = ProviderMetadataCache()


def _cache_metadata(provider: str, client: Any) -> None:
    fetch = client.load_server_metadata

    async def load() -> Mapping[str, Any]:
        return await PROVIDER_METADATA.load(provider, client, fetch)

    client.load_server_metadata = load


async def _session_claims(claims: dict[str, Any]) -> Mapping[str, Any]:
    generation = await to_thread.run_sync(lambda: SESSIONS.generation(claims, refresh=True))
    config = login()
    reduced, omitted = reduce_claims(claims, config.policy.roles if config else ())
    if omitted:
        log.warning(
            "A user has %d groups more than a session keeps; those of AUTH_ROLES are kept. Let the provider send only "
            "the groups that concern the dashboard",
            omitted,
        )
    return reduced | {CLAIM: generation}


def install() -> None:
    """Changes Streamlit's login routes. May be called again."""
    import app.data.connection  # noqa: F401 # sets the store of SESSIONS

    auth_routes.install(_cache_metadata, _session_claims)
    limit_responses()
