"""Who sends these cookies, as Streamlit's own websocket reads them: signed, perhaps in several pieces, and for this
address."""

import json
from collections.abc import Mapping
from typing import Any

from streamlit.auth_util import get_cookie_with_chunks
from streamlit.web.server.server_util import get_cookie_secret
from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME


def claims(cookies: Mapping[str, str], origin: str) -> dict[str, Any] | None:
    """What the provider said of the person; null where nobody is signed in."""
    secret = get_cookie_secret()

    def one(name: str) -> bytes | None:
        return (
            decode_signed_value(secret, name, cookies[name].encode("latin-1", "replace")) if name in cookies else None
        )

    content = get_cookie_with_chunks(one, USER_COOKIE_NAME)
    try:
        found = json.loads(content) if content else None
    except ValueError:
        return None
    known = isinstance(found, dict) and found.get("is_logged_in") is True and found.get("origin") == origin
    return found if known else None
