"""Who asks: a token, a GitHub App, or nobody in particular. No secret of them is ever shown."""

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

# GitHub takes ten minutes at most; nine leave a minute for clocks that differ.
_JWT_BACKDATE, _JWT_LIFETIME = timedelta(seconds=60), timedelta(minutes=9)
_RENEW_BEFORE = timedelta(minutes=5)
# GitHub's servers learn of a new token one after the other; until then some of them refuse it.
_FRESH_FOR = timedelta(seconds=15)

# Method, path and Authorization in, the JSON of a good answer out; raises the errors of collector.github.errors.
AppRequest = Callable[[str, str, str], Any]


class Auth(Protocol):
    """`kind` in words. `header` may have to ask GitHub first. `renew`: whether it is worth asking again after a 401
    that this header got. `is_new`: its token was made seconds ago, so that a refusal may come from a server that does
    not know it yet. `who` and `advice`: who was refused then, and what to look at. `personal`: it may belong to
    a user; `installed`: to an App's installation."""

    is_user_token: bool
    is_installation: bool
    description: str
    principal: str
    remediation: str

    def authorization(self, request: AppRequest) -> str | None: ...

    def invalidate(self, header: str | None) -> bool: ...

    def is_fresh(self, header: str | None) -> bool: ...


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
    """Tokens of one installation, an hour each, renewed five minutes before they end, and after a 401. Of several
    threads one renews; those that still have a good token do not wait for it."""

    is_user_token, is_installation = False, True

    def __init__(
        self, app_id: str, key: RSAPrivateKey, installation_id: int | None, clock: Callable[[], datetime]
    ) -> None:
        self.description = f"an installation of GitHub App {app_id}"
        self.principal = f"GitHub App {app_id}"
        self.remediation = "check GITHUB_APP_ID and GITHUB_APP_PRIVATE_KEY, and this machine's clock"
        self.app_id, self.installation_id = app_id, installation_id
        self._key, self._clock = key, clock
        self._installed: _InstallationToken | None = None
        self._renewing = threading.Lock()

    def authorization(self, request: AppRequest) -> str:
        if (held := self._valid_authorization(_RENEW_BEFORE)) is not None:
            return held
        spare = self._valid_authorization(timedelta(0))
        if not self._renewing.acquire(blocking=spare is None) and spare is not None:
            return spare
        try:
            held = self._valid_authorization(_RENEW_BEFORE)  # somebody else may have renewed it meanwhile
            if held is None:
                self._installed = self._request_token(request)
                held = self._installed.authorization
        except (errors.Unreachable, errors.RateLimited, errors.InvalidResponse):
            if spare is None:
                raise
            held = spare
        finally:
            self._renewing.release()
        return held

    def invalidate(self, header: str | None) -> bool:
        installed = self._installed
        if installed is not None and installed.authorization == header:
            self._installed = None
        return True

    def is_fresh(self, header: str | None) -> bool:
        installed = self._installed
        if installed is None or installed.authorization != header:
            return False
        return self._clock() - installed.created_at < _FRESH_FOR

    def _valid_authorization(self, margin: timedelta) -> str | None:
        installed = self._installed
        return installed.authorization if installed and self._clock() < installed.expires_at - margin else None

    def _request_token(self, ask: AppRequest) -> _InstallationToken:
        number = self.installation_id or self._find_installation(ask)
        try:
            answer = ask("POST", f"/app/installations/{number}/access_tokens", self._signed_jwt())
        except errors.NotFound:
            raise errors.Unauthorized(
                f"GitHub knows no installation {number} of GitHub App {self.app_id}; check GITHUB_APP_ID and "
                "GITHUB_APP_INSTALLATION_ID"
            ) from None
        except errors.Forbidden as error:
            raise errors.Unauthorized(f"GitHub gives installation {number} no token: {error}") from None
        self.installation_id = number
        try:
            ends = datetime.fromisoformat(answer["expires_at"])
            ends = ends if ends.tzinfo else ends.replace(tzinfo=UTC)
            token = str(answer["token"])
            register_secrets(token, expires=True)
            return _InstallationToken(f"Bearer {token}", ends, self._clock())
        except (TypeError, KeyError, ValueError):
            raise errors.InvalidResponse("GitHub answered without an installation's token") from None

    def _find_installation(self, ask: AppRequest) -> int:
        """The only installation there is."""
        try:
            listed = ask("GET", "/app/installations?per_page=100", self._signed_jwt())
        except errors.NotFound:
            raise errors.Unauthorized(f"GitHub knows no GitHub App {self.app_id}; check GITHUB_APP_ID") from None
        try:
            found = {int(each["id"]): str((each.get("account") or {}).get("login")) for each in listed}
        except (TypeError, KeyError, ValueError, AttributeError):
            raise errors.InvalidResponse("GitHub's list of installations cannot be read") from None
        if not found:
            raise errors.Unauthorized(f"GitHub App {self.app_id} is not installed anywhere; install it on GitHub first")
        if len(found) > 1:
            names = ", ".join(f"{number} ({login})" for number, login in sorted(found.items()))
            raise errors.Unauthorized(
                f"GITHUB_APP_INSTALLATION_ID: GitHub App {self.app_id} has {len(found)} installations; set one: {names}"
            )
        return next(iter(found))

    def _signed_jwt(self) -> str:
        now = self._clock()
        claims = {"iat": int((now - _JWT_BACKDATE).timestamp()), "exp": int((now + _JWT_LIFETIME).timestamp())}
        return f"Bearer {jwt.encode({**claims, 'iss': self.app_id}, self._key, algorithm='RS256')}"


def read_key(text: str) -> RSAPrivateKey:
    r"""A PEM, its line ends also as a literal \n. Raises ValueError with one line that shows nothing of it."""
    pem = text.strip().replace("\\n", "\n").encode()
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError:
        raise ValueError("the key has a passphrase; give it as GitHub made it") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(
            "this is no private key; give the text of the .pem file that GitHub made "
            "(-----BEGIN RSA PRIVATE KEY----- …), or its path in GITHUB_APP_PRIVATE_KEY_FILE"
        ) from None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("this is no RSA key; GitHub's App keys are")
    return key
