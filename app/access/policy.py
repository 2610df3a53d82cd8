"""May this person in? Pure: what the provider said of them, the rules, and the time."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.settings import EMAIL, EVERYBODY

_MAX_NAME_LENGTH = 100
_CLOCK_SKEW_SECONDS = 300
_GOOGLE = ("https://accounts.google.com", "accounts.google.com")
_PUBLIC_GOOGLE = ("gmail.com", "googlemail.com")
# Entra ID's word for it: the domain of the address is proven to belong to the tenant.
_VERIFIED = ("email_verified", "xms_edov")


@dataclass(frozen=True)
class AccessPolicy:
    """Lower case. `domains` may hold EVERYBODY."""

    domains: frozenset[str]
    emails: frozenset[str]
    session_seconds: int


@dataclass(frozen=True)
class User:
    """Somebody who may. `ends`: seconds since 1970 after which they sign in again."""

    name: str
    expires_at: float


@dataclass(frozen=True)
class AccessDenied:
    """Somebody who may not, and why, as a sentence for them. `ended`: they could once they sign in again."""

    name: str
    reason: str
    session_expired: bool = False


def authorize(claims: Mapping[str, Any], policy: AccessPolicy, now: float) -> User | AccessDenied:
    """`claims`: of an ID token whose signature was checked when it came."""
    name = display_name(claims)
    why = _denial_reason(claims, policy)
    if why:
        return AccessDenied(name, why)
    issued = claims.get("iat")
    if isinstance(issued, bool) or not isinstance(issued, int | float) or issued > now + _CLOCK_SKEW_SECONDS:
        return AccessDenied(name, "The provider did not say when you signed in.")
    ends = issued + policy.session_seconds
    return User(name, ends) if now < ends else AccessDenied(name, "Your session has ended.", session_expired=True)


def display_name(claims: Mapping[str, Any]) -> str:
    """What the person is known by: an address only where nobody said that it is not theirs."""
    names = ["email"] if is_verified(claims) else []
    for each in (*names, "preferred_username", "name", "sub"):
        text = claims.get(each)
        if isinstance(text, str) and (each == "email" or "@" not in text):
            tidy = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
            if tidy:
                return tidy[:_MAX_NAME_LENGTH]
    return "an account without a name"


def is_verified(claims: Mapping[str, Any]) -> bool:
    """Where the provider says whether the address is proven, it must be. One that never says is trusted: whoever
    runs this dashboard chose it."""
    return all(str(claims[each]).lower() in ("true", "1") for each in _VERIFIED if each in claims)


def _denial_reason(claims: Mapping[str, Any], policy: AccessPolicy) -> str | None:
    if EVERYBODY in policy.domains:
        return None
    email = claims.get("email")
    if not isinstance(email, str) or not email:
        return "The provider did not tell your e-mail address."
    if not is_verified(claims):
        return "The provider says that this e-mail address is not verified."
    # Of an address only A to Z are made small: other letters have small ones that look like these.
    plain = email.lower() if email.isascii() else email
    if plain in policy.emails:
        return None
    found = EMAIL.fullmatch(plain)
    if not found or found["domain"] not in policy.domains:
        return "This address is not among those that may see this dashboard."
    private = claims.get("iss") in _GOOGLE and found["domain"] not in _PUBLIC_GOOGLE and not claims.get("hd")
    # Anybody keeps a private Google account under the address of a company that they left.
    return "This is a private Google account, not one of the organisation." if private else None
