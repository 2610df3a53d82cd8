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
from core.text import hide

# GitHub takes ten minutes at most; nine leave a minute for clocks that differ.
_BACKDATED, _SIGNED_FOR = timedelta(seconds=60), timedelta(minutes=9)
_RENEW_BEFORE = timedelta(minutes=5)
# GitHub's servers learn of a new token one after the other; until then some of them refuse it.
_NEW_FOR = timedelta(seconds=15)

# Method, path and Authorization in, the JSON of a good answer out; raises the errors of collector.github.errors.
Ask = Callable[[str, str, str], Any]


class Auth(Protocol):
    """`kind` in words. `header` may have to ask GitHub first. `renew`: whether it is worth asking again after a 401
    that this header got. `is_new`: its token was made seconds ago, so that a refusal may come from a server that does
    not know it yet. `who` and `advice`: who was refused then, and what to look at. `personal`: it may belong to
    a user; `installed`: to an App's installation."""

    personal: bool
    installed: bool
    kind: str
    who: str
    advice: str

    def header(self, ask: Ask) -> str | None: ...

    def renew(self, header: str | None) -> bool: ...

    def is_new(self, header: str | None) -> bool: ...


class TokenAuth:
    installed = False

    def __init__(self, token: str | None) -> None:
        hide(token)
        self._header = f"Bearer {token}" if token else None
        self.personal = token is not None
        self.kind = "a token" if token else "no token: public repositories only, 60 requests an hour"
        self.who = "the token" if token else "a request without a token"
        self.advice = "check GITHUB_TOKEN" if token else "set GITHUB_TOKEN"

    def header(self, ask: Ask) -> str | None:
        return self._header

    def renew(self, header: str | None) -> bool:
        return False

    def is_new(self, header: str | None) -> bool:
        return False


@dataclass(frozen=True)
class _Installed:
    header: str
    expires_at: datetime
    made_at: datetime


class AppAuth:
    """Tokens of one installation, an hour each, renewed five minutes before they end, and after a 401. Of several
    threads one renews; those that still have a good token do not wait for it."""

    personal, installed = False, True

    def __init__(
        self, app_id: str, key: RSAPrivateKey, installation_id: int | None, clock: Callable[[], datetime]
    ) -> None:
        self.kind = f"an installation of GitHub App {app_id}"
        self.who = f"GitHub App {app_id}"
        self.advice = "check GITHUB_APP_ID and GITHUB_APP_PRIVATE_KEY, and this machine's clock"
        self.app_id, self.installation_id = app_id, installation_id
        self._key, self._clock = key, clock
        self._installed: _Installed | None = None
        self._renewing = threading.Lock()

    def header(self, ask: Ask) -> str:
        if (held := self._good(_RENEW_BEFORE)) is not None:
            return held
        spare = self._good(timedelta(0))
        if not self._renewing.acquire(blocking=spare is None) and spare is not None:
            return spare
        try:
            held = self._good(_RENEW_BEFORE)  # somebody else may have renewed it meanwhile
            if held is None:
                self._installed = self._renewed(ask)
                held = self._installed.header
        except (errors.Unreachable, errors.RateLimited, errors.BadAnswer):
            if spare is None:
                raise
            held = spare
        finally:
            self._renewing.release()
        return held

    def renew(self, header: str | None) -> bool:
        installed = self._installed
        if installed is not None and installed.header == header:
            self._installed = None
        return True

    def is_new(self, header: str | None) -> bool:
        installed = self._installed
        if installed is None or installed.header != header:
            return False
        return self._clock() - installed.made_at < _NEW_FOR

    def _good(self, margin: timedelta) -> str | None:
        installed = self._installed
        return installed.header if installed and self._clock() < installed.expires_at - margin else None

    def _renewed(self, ask: Ask) -> _Installed:
        number = self.installation_id or self._find(ask)
        try:
            answer = ask("POST", f"/app/installations/{number}/access_tokens", self._signed())
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
            hide(token, renewed=True)
            return _Installed(f"Bearer {token}", ends, self._clock())
        except (TypeError, KeyError, ValueError):
            raise errors.BadAnswer("GitHub answered without an installation's token") from None

    def _find(self, ask: Ask) -> int:
        """The only installation there is."""
        try:
            listed = ask("GET", "/app/installations?per_page=100", self._signed())
        except errors.NotFound:
            raise errors.Unauthorized(f"GitHub knows no GitHub App {self.app_id}; check GITHUB_APP_ID") from None
        try:
            found = {int(each["id"]): str((each.get("account") or {}).get("login")) for each in listed}
        except (TypeError, KeyError, ValueError, AttributeError):
            raise errors.BadAnswer("GitHub's list of installations cannot be read") from None
        if not found:
            raise errors.Unauthorized(f"GitHub App {self.app_id} is not installed anywhere; install it on GitHub first")
        if len(found) > 1:
            names = ", ".join(f"{number} ({login})" for number, login in sorted(found.items()))
            raise errors.Unauthorized(
                f"GITHUB_APP_INSTALLATION_ID: GitHub App {self.app_id} has {len(found)} installations; set one: {names}"
            )
        return next(iter(found))

    def _signed(self) -> str:
        now = self._clock()
        claims = {"iat": int((now - _BACKDATED).timestamp()), "exp": int((now + _SIGNED_FOR).timestamp())}
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
