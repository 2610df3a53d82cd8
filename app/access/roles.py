"""Roles of users by the claims of their ID token: the setting AUTH_ROLES."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.settings import DOMAIN, EMAIL
from core.roles import Role
from core.settings import ConfigError

# `xms_edov` is Entra ID's claim that the domain of the address belongs to the tenant.
_VERIFIED_CLAIMS = ("email_verified", "xms_edov")
_EMAIL, GROUPS = "email", "groups"
_ANY_USER = "*@"
# Characters of the groups that the cookie of a session holds: some proxies limit all cookies together to 8 KB.
MAX_GROUP_CHARACTERS = 2_000
# Claims that are longer are not kept in the cookie.
_MAX_TEXT = 1_000


@dataclass(frozen=True)
class RoleEntry:
    """Users whose `claim` is or contains `value` have at least `role`."""

    role: Role
    claim: str
    value: str


def parse_roles(text: str) -> tuple[RoleEntry, ...]:
    """The entries of AUTH_ROLES. Raises ConfigError with one line for an invalid one."""
    return tuple(_parse_entry(part.strip()) for part in text.split(",") if part.strip())


def role_of(claims: Mapping[str, Any], entries: Sequence[RoleEntry]) -> Role:
    """The highest role of the entries that match; VIEWER if none does."""
    return max((entry.role for entry in entries if _matches(entry, claims)), default=Role.VIEWER)


def is_verified(claims: Mapping[str, Any]) -> bool:
    """Whether the e-mail address is verified. A provider that does not report it is trusted: the administrator of the
    dashboard chose it."""
    return all(str(claims[claim]).lower() in ("true", "1") for claim in _VERIFIED_CLAIMS if claim in claims)


def verified_email(claims: Mapping[str, Any]) -> str | None:
    """The verified address, in lower case; null if the provider reports none. Only A to Z are lowered: the lower case
    of some other letters is an ASCII letter."""
    email = claims.get(_EMAIL)
    if not isinstance(email, str) or not is_verified(claims):
        return None
    return email.lower() if email.isascii() and EMAIL.fullmatch(email.lower()) else None


def groups_of(claims: Mapping[str, Any], entries: Sequence[RoleEntry]) -> tuple[str, ...]:
    """The user's groups: the values of the claim `groups` and of the other claims of AUTH_ROLES except the address."""
    names = dict.fromkeys([GROUPS, *(entry.claim for entry in entries if entry.claim != _EMAIL)])
    return tuple(dict.fromkeys(value for name in names for value in _values(claims, name)))


def reduce_claims(claims: Mapping[str, Any], entries: Sequence[RoleEntry]) -> tuple[dict[str, Any], int]:
    """The claims that a session's cookie holds, and the number of groups that it lacks. Short texts, numbers and flags
    are kept; of lists and of nested claims only the groups, those of AUTH_ROLES first, up to MAX_GROUP_CHARACTERS."""
    reduced = {name: value for name, value in claims.items() if _is_short(value)}
    size, omitted = 0, 0
    for name in dict.fromkeys([GROUPS, *(entry.claim for entry in entries)]):
        if name in reduced or not (values := list(_values(claims, name))):
            continue
        needed = {entry.value for entry in entries if entry.claim == name}
        stored = []
        for value in sorted(values, key=lambda value: value not in needed):
            size += len(value) + 4
            if value in needed or size <= MAX_GROUP_CHARACTERS:
                stored.append(value)
            else:
                omitted += 1
        reduced[name] = stored
    return reduced, omitted


def _parse_entry(text: str) -> RoleEntry:
    name, colon, condition = text.partition(":")
    claim, equals, value = (part.strip() for part in condition.partition("="))
    roles = {role.label: role for role in Role}
    if not colon or not equals or not claim or not value:
        raise _invalid(text, "entries such as admin:groups=platform or editor:email=*@example.com, comma-separated")
    if name.strip().lower() not in roles:
        raise _invalid(text, f"one of the roles {', '.join(roles)} before the colon")
    if claim == _EMAIL:
        value = value.lower()
        domain = value.removeprefix(_ANY_USER) if value.startswith(_ANY_USER) else ""
        is_domain = re.fullmatch(DOMAIN, domain)
        if not value.isascii() or not (is_domain or ("*" not in value and EMAIL.fullmatch(value))):
            raise _invalid(text, "an address such as ann@example.com, or *@example.com for all of a domain")
    elif value == "*":
        raise _invalid(text, "a value; only email=*@example.com accepts *")
    return RoleEntry(roles[name.strip().lower()], claim, value)


def _invalid(text: str, expected: str) -> ConfigError:
    return ConfigError(f"AUTH_ROLES: invalid value {text[:80]!r}; expected {expected}")


def _matches(entry: RoleEntry, claims: Mapping[str, Any]) -> bool:
    if entry.claim != _EMAIL:
        return entry.value in _values(claims, entry.claim)
    email = verified_email(claims)
    if email is None:
        return False
    return entry.value in (email, _ANY_USER + email.rpartition("@")[2])


def _values(claims: Mapping[str, Any], name: str) -> Iterator[str]:
    """The texts of a claim, a text or a list of texts. Nested claims are named with dots, such as `realm_access.roles`;
    names of claims may contain dots themselves."""
    value: Any = claims
    for part in [name] if name in claims else name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, str) and item:
            yield item


def _is_short(value: object) -> bool:
    return (
        value is None or isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= _MAX_TEXT)
    )
