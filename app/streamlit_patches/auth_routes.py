"""Streamlit's login routes (`/auth/login`, `/auth/logout`, `/oauth2callback`).

Streamlit has no hooks for the provider's client and for the claims of the cookie, so two functions of its routes are
replaced: the routes look both up in their module at each request. Written for Streamlit 1.67.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from streamlit.user_info import generate_login_redirect_url
from streamlit.web.server.starlette import starlette_auth_routes

# (name of the provider, its client) -> nothing; changes the client.
PrepareClient = Callable[[str, Any], None]
# claims -> claims that the cookie holds
ExtendClaims = Callable[[dict[str, Any]], Awaitable[Mapping[str, Any]]]

# Longer tokens, of users with many groups, are not kept in cookies: proxies limit all cookies together to 8 KB. The ID
# token is only a hint for the provider's logout.
MAX_TOKEN_LENGTH = 2_000
# The logger of the routes, which logs failed logins.
LOGGER_NAME = starlette_auth_routes.__name__
_create_oauth_client = starlette_auth_routes._create_oauth_client
_set_auth_cookie = starlette_auth_routes._set_auth_cookie


def install(prepare_client: PrepareClient, extend_claims: ExtendClaims) -> None:
    """Calls `prepare_client` with each new client, and `extend_claims` before each cookie. May be called again."""

    def create_client(provider: str) -> tuple[Any, str]:
        client, redirect_uri = _create_oauth_client(provider)
        prepare_client(provider, client)
        return client, redirect_uri

    async def set_cookie(response: Any, user_info: dict[str, Any], tokens: dict[str, Any]) -> None:
        short_tokens = {name: token for name, token in tokens.items() if len(token) <= MAX_TOKEN_LENGTH}
        await _set_auth_cookie(response, dict(await extend_claims(user_info)), short_tokens)

    starlette_auth_routes._create_oauth_client = create_client
    starlette_auth_routes._set_auth_cookie = set_cookie


def provider_url(provider: str) -> str:
    """The path of Streamlit's login route with a signed state that is valid for two minutes."""
    return generate_login_redirect_url(provider)
