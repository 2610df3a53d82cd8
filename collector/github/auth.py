"""Authentication: a token, a GitHub App, or none. Secrets are never shown."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from collector.github import errors
from core.text import register_secrets

# GitHub accepts at most ten minutes; nine leave a minute for clocks that differ.
_JWT_BACKDATE, _JWT_LIFETIME = timedelta(seconds=60), timedelta(minutes=9)
_RENEW_BEFORE = timedelta(minutes=5)
# A new token reaches GitHub's servers one after the other; until then some of them reject it.
_FRESH_FOR = timedelta(seconds=15)

# Takes method, path and Authorization, returns the JSON of the response, and raises GitHubError.
AppRequest = Callable[[str, str, str], Any]


class Auth(Protocol):
    """`description`, `principal` and `remediation`: for messages. `is_user_token`: it may belong to a user.
    `is_installation`: it belongs to the installation of an App."""

    is_user_token: bool
    is_installation: bool
    description: str
    principal: str
    remediation: str

    def authorization(self, request: AppRequest) -> str | None:
        """The Authorization header; may send a request for a new token."""

    def invalidate(self, header: str | None) -> bool:
        """After a 401 with this header: whether a new token can be requested."""

    def is_fresh(self, header: str | None) -> bool:
        """Whether the token is seconds old, so that a server that does not know it yet may reject it."""


class TokenAuth:
    is_installation = False

    def __init__(self, token: str | None) -> None:
        register_secrets(token)
        self._header = f"Bearer {token}" if token else None
        self.is_user_token = token is not None
        self.description = "a token" if token else "no token: public repositories only, 60 requests an hour"
        self.principal = "the token" if token else "a request without a token"
        self.remediation = "check GITHUB_TOKEN" if token else "set GITHUB_TOKEN"

    def authorization(self, request: AppRequest) -> str | None:
        return self._header

    def invalidate(self, header: str | None) -> bool:
        return False

    def is_fresh(self, header: str | None) -> bool:
        return False


@dataclass(frozen=True)
class _InstallationToken:
    authorization: str
    expires_at: datetime
    created_at: datetime


class AppAuth:
    """Tokens of one installation, which are valid for an hour and renewed five minutes before they expire, and after a
    401. One thread renews; threads with a valid token do not wait for it."""

    is_user_token, is_installation = False, True

    def __init__(
        self, app_id: str, key: RSAPrivateKey, installation_id: int | None, clock: Callable[[], datetime]
    ) -> None:
        self.description = f"an installation of GitHub App {app_id}"
        self.principal = f"GitHub App {app_id}"
        self.remediation = "check GITHUB_APP_ID and GITHUB_APP_PRIVATE_KEY, and this machine's clock"
        self.app_id, self.installation_id = app_id, installation_id
        self._key, self._clock = key, clock
        self._token: _InstallationToken | None = None
        self._renewal_lock = threading.Lock()

    def authorization(self, request: AppRequest) -> str:
        if (current := self._valid_authorization(_RENEW_BEFORE)) is not None:
            return current
        spare = self._valid_authorization(timedelta(0))
        if not self._renewal_lock.acquire(blocking=spare is None) and spare is not None:
            return spare
        try:
            current = self._valid_authorization(_RENEW_BEFORE)  # another thread may have renewed it
            if current is None:
                self._token = self._request_token(request)
                current = self._token.authorization
        except (errors.Unreachable, errors.RateLimited, errors.InvalidResponse):
            if spare is None:
                raise
            current = spare
        finally:
            self._renewal_lock.release()
        return current

    def invalidate(self, header: str | None) -> bool:
        token = self._token
        if token is not None and token.authorization == header:
            self._token = None
        return True

    def is_fresh(self, header: str | None) -> bool:
        token = self._token
        if token is None or token.authorization != header:
            return False
        return self._clock() - token.created_at < _FRESH_FOR

    def _valid_authorization(self, margin: timedelta) -> str | None:
        token = self._token
        return token.authorization if token and self._clock() < token.expires_at - margin else None

    def _request_token(self, request: AppRequest) -> _InstallationToken:
        number = self.installation_id or self._find_installation(request)
        try:
            response = request("POST", f"/app/installations/{number}/access_tokens", self._signed_jwt())
        except errors.NotFound:
            raise errors.Unauthorized(
                f"Installation {number} of GitHub App {self.app_id} not found; check GITHUB_APP_ID and "
                "GITHUB_APP_INSTALLATION_ID"
            ) from None
        except errors.Forbidden as error:
            raise errors.Unauthorized(f"GitHub refused a token for installation {number}: {error}") from None
        self.installation_id = number
        try:
            expires_at = datetime.fromisoformat(response["expires_at"])
            expires_at = expires_at if expires_at.tzinfo else expires_at.replace(tzinfo=UTC)
            token = str(response["token"])
            register_secrets(token, expires=True)
            return _InstallationToken(f"Bearer {token}", expires_at, self._clock())
        except (TypeError, KeyError, ValueError):
            raise errors.InvalidResponse("GitHub's response has no installation token") from None

    def _find_installation(self, request: AppRequest) -> int:
        """The id of the only installation. Raises Unauthorized if there is none or more than one."""
        try:
            installations = request("GET", "/app/installations?per_page=100", self._signed_jwt())
        except errors.NotFound:
            raise errors.Unauthorized(f"GitHub App {self.app_id} not found; check GITHUB_APP_ID") from None
        try:
            logins = {int(row["id"]): str((row.get("account") or {}).get("login")) for row in installations}
        except (TypeError, KeyError, ValueError, AttributeError):
            raise errors.InvalidResponse("GitHub's list of installations cannot be read") from None
        if not logins:
            raise errors.Unauthorized(f"GitHub App {self.app_id} is not installed anywhere; install it on GitHub first")
        if len(logins) > 1:
            names = ", ".join(f"{number} ({login})" for number, login in sorted(logins.items()))
            raise errors.Unauthorized(
                f"GITHUB_APP_INSTALLATION_ID: GitHub App {self.app_id} has {len(logins)} installations; "
                f"set one: {names}"
            )
        return next(iter(logins))

    def _signed_jwt(self) -> str:
        now = self._clock()
        claims = {"iat": int((now - _JWT_BACKDATE).timestamp()), "exp": int((now + _JWT_LIFETIME).timestamp())}
        return f"Bearer {jwt.encode({**claims, 'iss': self.app_id}, self._key, algorithm='RS256')}"


def read_key(text: str) -> RSAPrivateKey:
    r"""The key in PEM; line breaks may be a literal \n. Raises ValueError with one line that shows nothing of the
    key."""
    pem = text.strip().replace("\\n", "\n").encode()
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError:
        raise ValueError("the key has a passphrase; use the file as GitHub generated it") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(
            "this is not a private key; use the text of the .pem file that GitHub generated "
            "(-----BEGIN RSA PRIVATE KEY----- …), or its path in GITHUB_APP_PRIVATE_KEY_FILE"
        ) from None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("this is not an RSA key, as the keys of GitHub Apps are")
    return key
