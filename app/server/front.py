"""The front layer, with the dashboard's settings."""

import streamlit as st
from starlette.types import ASGIApp, Receive, Scope, Send

from app.access.login import login
from app.config import AccessSettings
from front.door import Door
from front.settings import Listening, refuse_if_open, rules

_ANY_ADDRESS = "::"


def listening(settings: AccessSettings) -> Listening:
    """By what Streamlit was told; without a word it listens at all addresses."""
    return settings.listening(str(st.get_option("server.address") or _ANY_ADDRESS))


def check_access() -> None:
    """Raises ConfigError where others reach a dashboard that nothing guards."""
    settings = AccessSettings.load()
    refuse_if_open(settings, listening(settings), guarded=login() is not None)


class Front:
    def __init__(self, app: ASGIApp) -> None:
        settings, known = AccessSettings.load(), login()
        shown = known.origin if known else settings.app_url
        found = rules(settings, listening(settings), guarded=known is not None, public=shown)
        self._app = Door(_named_as_browsers_do(app), rules=found)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def _named_as_browsers_do(app: ASGIApp) -> ASGIApp:
    """Streamlit compares a websocket's Origin with its Host as texts, and asks the internet for this machine's address
    where they differ. Here they are known to belong together."""

    async def named(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            scope = {**scope, "headers": _with_host_of_origin(scope)}
        await app(scope, receive, send)

    return named


def _with_host_of_origin(scope: Scope) -> list[tuple[bytes, bytes]]:
    headers: list[tuple[bytes, bytes]] = list(scope["headers"])
    given = next((value for name, value in headers if name == b"origin"), None)
    if given is None:
        return headers
    netloc = given.strip().partition(b"://")[2]
    return [(name, netloc if name == b"host" else value) for name, value in headers]
