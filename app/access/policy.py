"""Who may sign in: a pure decision about the claims of an ID token."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.access.roles import RoleEntry, groups_of, is_verified, role_of, verified_email
from app.settings import EMAIL, EVERYBODY
from core.roles import Role

_MAX_NAME_LENGTH = 100
_CLOCK_SKEW_SECONDS = 300
_GOOGLE_ISSUERS = ("https://accounts.google.com", "accounts.google.com")
_PUBLIC_GOOGLE_DOMAINS = ("gmail.com", "googlemail.com")


@dataclass(frozen=True)
class AccessPolicy:
    """Domains and addresses in lower case. `domains` may contain EVERYBODY."""

    domains: frozenset[str]
    emails: frozenset[str]
    session_seconds: int
    roles: tuple[RoleEntry, ...] = ()


@dataclass(frozen=True)
class User:
    """A user with access. `expires_at`: the end of the session, in seconds since 1970. `identities`: the verified
    address, in lower case, the login and the groups, by which teams name their members."""

    name: str
    expires_at: float
    role: Role = Role.VIEWER
    identities: frozenset[str] = field(default=frozenset(), repr=False)


@dataclass(frozen=True)
class AccessDenied:
    """A user without access. `reason`: a sentence for the user. `session_expired`: signing in again grants access."""

    name: str
    reason: str
    session_expired: bool = False


def authorize(claims: Mapping[str, Any], policy: AccessPolicy, now: float) -> User | AccessDenied:
    """`claims` are those of an ID token whose signature was verified when it was received."""
    name = display_name(claims)
    reason = _denial_reason(claims, policy)
    if reason:
        return AccessDenied(name, reason)
    issued_at = claims.get("iat")
    if isinstance(issued_at, bool) or not isinstance(issued_at, int | float) or issued_at > now + _CLOCK_SKEW_SECONDS:
        return AccessDenied(name, "The provider did not report when you signed in.")
    expires_at = issued_at + policy.session_seconds
    if now < expires_at:
        return User(name, expires_at, role_of(claims, policy.roles), _identities(claims, policy))
    return AccessDenied(name, "Your session has ended.", session_expired=True)


def display_name(claims: Mapping[str, Any]) -> str:
    """The user's name on pages and in records: the e-mail address unless the provider reports it as unverified. No
    other claim with an @ is used, because it could be the address of somebody else."""
    names = ["email"] if is_verified(claims) else []
    for claim in (*names, "preferred_username", "name", "sub"):
        text = claims.get(claim)
        if isinstance(text, str) and (claim == "email" or "@" not in text):
            name = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
            if name:
                return name[:_MAX_NAME_LENGTH]
    return "an account without a name"


def _identities(claims: Mapping[str, Any], policy: AccessPolicy) -> frozenset[str]:
    login = claims.get("preferred_username")
    # A name with an @ could be the address of somebody else.
    names = [login] if isinstance(login, str) and login and "@" not in login else []
    groups = [group for group in groups_of(claims, policy.roles) if "@" not in group]
    return frozenset(filter(None, [verified_email(claims), *names, *groups]))


def _denial_reason(claims: Mapping[str, Any], policy: AccessPolicy) -> str | None:
    if EVERYBODY in policy.domains:
        return None
    email = claims.get("email")
    if not isinstance(email, str) or not email:
        return "The provider did not report your e-mail address."
    if not is_verified(claims):
        return "The provider reports this e-mail address as not verified."
    # Only A to Z are lowered: the lower case of some other letters is an ASCII letter.
    address = email.lower() if email.isascii() else email
    if address in policy.emails:
        return None
    match = EMAIL.fullmatch(address)
    if not match or match["domain"] not in policy.domains:
        return "This address does not have access to this dashboard."
    # A private Google account may have an address of a company whose owner has left it; `hd` names the organization.
    is_private = (
        claims.get("iss") in _GOOGLE_ISSUERS and match["domain"] not in _PUBLIC_GOOGLE_DOMAINS and not claims.get("hd")
    )
    return "This is a private Google account, not one of the organization." if is_private else None
