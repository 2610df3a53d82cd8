"""Streamlit's cookies: the signed identity of a user and the token against cross-site requests.

The login middleware decides about a request before Streamlit sees it, so it reads the cookies that Streamlit's
websocket handler reads. Written for Streamlit 1.67.
"""

import json
from collections.abc import Mapping
from typing import Any

from streamlit import config
from streamlit.auth_util import get_cookie_with_chunks
from streamlit.web.server.server_util import get_cookie_secret
from streamlit.web.server.starlette.starlette_app_utils import (
    decode_signed_value,
    decode_xsrf_token_string,
    generate_xsrf_token_string,
)
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME, XSRF_COOKIE_NAME

# The beginning of the name of every cookie that Streamlit sets.
COOKIE_PREFIX = "_streamlit_"
USER_COOKIE, XSRF_COOKIE = USER_COOKIE_NAME, XSRF_COOKIE_NAME


def set_cookie_secret(secret: str) -> None:
    """Sets the key that signs cookies and the login's state. Streamlit needs it before it reads its secrets."""
    config.set_option("server.cookieSecret", secret)


def claims(cookies: Mapping[str, str], origin: str) -> dict[str, Any] | None:
    """The ID token's claims of the signed-in user; null if the cookies hold no valid session of this origin.

    A session with many claims is split into several cookies.
    """
    secret = get_cookie_secret()

    def decode(name: str) -> bytes | None:
        if name not in cookies:
            return None
        return decode_signed_value(secret, name, cookies[name].encode("latin-1", "replace"))

    content = get_cookie_with_chunks(decode, USER_COOKIE)
    try:
        identity = json.loads(content) if content else None
    except ValueError:
        return None
    if not isinstance(identity, dict) or identity.get("is_logged_in") is not True or identity.get("origin") != origin:
        return None
    return identity


def has_xsrf_token(cookies: Mapping[str, str]) -> bool:
    return decode_xsrf_token_string(cookies.get(XSRF_COOKIE, ""))[0] is not None


def new_xsrf_token() -> str:
    return generate_xsrf_token_string()
