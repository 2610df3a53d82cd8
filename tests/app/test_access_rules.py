"""Who may in, by what the provider said of them."""

from typing import Any

import pytest

from app.access.policy import AccessDenied, AccessPolicy, User, authorize
from app.access.roles import MAX_GROUP_CHARACTERS, parse_roles, reduce_claims, role_of
from core.roles import Role
from core.settings import ConfigError

NOW = 1_795_000_000.0
RULES = AccessPolicy(frozenset({"example.com", "gmail.com"}), frozenset({"guest@elsewhere.org"}), 12 * 3600)
ALICE: dict[str, Any] = {"iss": "https://id.example", "sub": "7", "email": "alice@example.com", "iat": NOW - 60}
GOOGLE = {"iss": "https://accounts.google.com"}


@pytest.mark.parametrize(
    "more",
    [{}, {"email": "Alice@EXAMPLE.com"}, {"email": "guest@elsewhere.org"}, {"email": "GUEST@Elsewhere.org"},
     {"email_verified": True}, {"email_verified": "true"}, {"xms_edov": "1"}, GOOGLE | {"hd": "example.com"},
     GOOGLE | {"email": "a@gmail.com"}, {"iat": NOW + 100}],
)  # fmt: skip
def test_who_is_on_the_lists_may_in_until_the_session_ends(more: dict[str, Any]) -> None:
    claims = ALICE | more
    address = frozenset({claims["email"].lower()})
    assert authorize(claims, RULES, NOW) == User(claims["email"], claims["iat"] + 12 * 3600, Role.VIEWER, address)


@pytest.mark.parametrize(
    "email",
    ["mallory@evil-example.com", "m@sub.example.com", "m@example.com.evil.org", "m@evil.org@example.com",
     "m@example.com@evil.org", "m@example.com.", "m@.example.com", "m@example.com ", " m@example.com",
     "m@example.com\n", "m@example.com\x00", '"m@evil.org"@example.com', "m@evil.org,alice@example.com",
     "<alice@example.com>", "@example.com", "example.com", "m@exаmple.com", "m@ｅxample.com", "m@example。com",
     "m@eXample.co\N{LATIN SMALL LETTER M WITH DOT BELOW}", "m@xn--exmple-4nf.com", "m@example.com\u200b",
     "\N{RIGHT-TO-LEFT OVERRIDE}m@example.com@evil.org", "guest@elsewhere.org.evil.org", "another@elsewhere.org",
     "gue\N{LATIN SMALL LETTER LONG S}t@elsewhere.org", "m@example.com%00.evil.org", "", None, 7,
     ["alice@example.com"]],
)  # fmt: skip
def test_what_only_looks_like_an_address_of_the_list_may_not(email: object) -> None:
    found = authorize(ALICE | {"email": email}, RULES, NOW)
    assert isinstance(found, AccessDenied)
    assert not found.session_expired


@pytest.mark.parametrize(
    ("more", "why"),
    [({"email_verified": False}, "not verified"), ({"email_verified": "false"}, "not verified"),
     ({"email_verified": None}, "not verified"), ({"email_verified": ""}, "not verified"),
     ({"email_verified": ["true"]}, "not verified"), ({"xms_edov": False}, "not verified"),
     ({"email_verified": True, "xms_edov": "0"}, "not verified"), (GOOGLE, "private Google account"),
     ({"iss": "accounts.google.com", "hd": ""}, "private Google account"),
     ({"email": "guest@elsewhere.org", "email_verified": False}, "not verified")],
)  # fmt: skip
def test_an_address_must_be_proven_and_of_the_organisation(more: dict[str, Any], why: str) -> None:
    found = authorize(ALICE | more, RULES, NOW)
    assert isinstance(found, AccessDenied)
    assert why in found.reason
    # Nobody is called by an address that is not theirs.
    assert "@" not in found.name or why != "not verified"


@pytest.mark.parametrize(
    ("issued", "ended"),
    [(NOW - 12 * 3600, True), (NOW - 40 * 86400, True), (0, True), (NOW + 3600, False), (None, False), (True, False),
     ("1795000000", False), (float("nan"), True), (float("inf"), False)],
)  # fmt: skip
def test_a_session_ends_and_no_time_makes_it_longer(issued: object, ended: bool) -> None:
    found = authorize(ALICE | {"iat": issued}, RULES, NOW)
    assert isinstance(found, AccessDenied)
    assert found.session_expired is ended


def test_everybody_is_everybody_whom_the_provider_signs_in() -> None:
    rules = AccessPolicy(frozenset({"*"}), frozenset(), 3600)
    assert authorize({"sub": "9", "iat": NOW}, rules, NOW) == User("9", NOW + 3600)
    forged = {"sub": "9", "iat": NOW, "email": "boss@example.com", "email_verified": False, "name": "boss@example.com"}
    assert authorize(forged, rules, NOW) == User("9", NOW + 3600)


ROLES = parse_roles(
    "admin:groups=platform-eng, admin:email=Ann@example.com, editor:realm_access.roles=dev,"
    "editor:email=*@example.org, editor:https://id.example/flag=yes=1"
)


@pytest.mark.parametrize(
    ("claims", "role"),
    [({"groups": ["web", "platform-eng"]}, Role.ADMIN), ({"groups": "platform-eng"}, Role.ADMIN),
     ({"email": "ANN@example.com"}, Role.ADMIN), ({"email": "ann@example.com", "email_verified": True}, Role.ADMIN),
     ({"realm_access": {"roles": ["dev"]}}, Role.EDITOR), ({"realm_access.roles": ["dev"]}, Role.EDITOR),
     ({"email": "x@example.org"}, Role.EDITOR), ({"https://id.example/flag": "yes=1"}, Role.EDITOR),
     ({"email": "x@example.org", "groups": ["platform-eng"]}, Role.ADMIN), ({}, Role.VIEWER)],
)  # fmt: skip
def test_the_highest_role_of_the_claims_counts(claims: dict[str, Any], role: Role) -> None:
    assert role_of(claims, ROLES) is role


@pytest.mark.parametrize(
    "claims",
    [{"groups": "web,platform-eng"}, {"groups": "Platform-Eng"}, {"groups": ["platform-eng "]}, {"groups": "*"},
     {"groups": {"platform-eng": True}}, {"groups": [["platform-eng"]]}, {"groups": [{"name": "platform-eng"}]},
     {"groups": ["platform-eng\x00"]}, {"groups": None}, {"groups": 7}, {"groups": [None, True, 1.5]},
     {"roles": ["platform-eng"]}, {"Groups": ["platform-eng"]}, {"realm_access": ["roles", "dev"]},
     {"realm_access": "roles"}, {"realm_access": {"roles": {"dev": "dev"}}}, {"realm_access": {"x": {"roles": "dev"}}},
     {"email": "ann@example.com", "email_verified": False}, {"email": "ann@example.com", "xms_edov": "0"},
     {"email": ["ann@example.com"]}, {"email": "ann@example.com\n"},
     {"email": "x@sub.example.org"}, {"email": "x@example.org@evil.org"}, {"email": "x@ｅxample.org"},
     {"preferred_username": "ann@example.com"}, {"name": "ann@example.com"}, {"email": "@example.org"}],
)  # fmt: skip
def test_what_only_looks_like_a_claim_of_the_setting_gives_no_role(claims: dict[str, Any]) -> None:
    assert role_of(claims, ROLES) is Role.VIEWER


@pytest.mark.parametrize(
    ("text", "expected"),
    [("admin", "entries such as"), ("admin:groups", "entries such as"), ("admin:groups=", "entries such as"),
     ("admin:=x", "entries such as"), ("owner:groups=x", "viewer, editor, admin"), ("admin:groups=*", "a value"),
     ("admin:email=*", "an address"), ("admin:email=*@*", "an address"), ("admin:email=ann", "an address"),
     ("admin:email=a*@example.com", "an address"), ("editor:groups=x,admin:email=ann@exämple.com", "an address")],
)  # fmt: skip
def test_an_entry_that_cannot_be_used_is_one_line_with_what_is_allowed(text: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=f"AUTH_ROLES: invalid value .*; expected .*{expected}") as caught:
        parse_roles(text)
    assert "\n" not in str(caught.value)


def test_a_cookie_holds_the_groups_that_decide_and_as_many_others_as_fit() -> None:
    many = [f"group-{number:05}" for number in range(5_000)]
    claims = {"sub": "7", "email": "a@example.org", "groups": [*many, "platform-eng"], "picture": "x" * 5_000,
              "realm_access": {"roles": ["dev", "offline"], "other": many}, "address": {"street": "long"}}  # fmt: skip
    reduced, omitted = reduce_claims(claims, ROLES)
    assert role_of(reduced, ROLES) is Role.ADMIN
    assert role_of(reduced, ROLES[2:]) is Role.EDITOR
    assert set(reduced) == {"sub", "email", "groups", "realm_access.roles"}
    assert len("".join(reduced["groups"])) <= MAX_GROUP_CHARACTERS
    assert reduced["groups"][0] == "platform-eng"
    assert omitted == 5_001 + 2 - len(reduced["groups"]) - len(reduced["realm_access.roles"])
    assert reduce_claims(reduced, ROLES) == (reduced, 0)


def test_teams_name_their_members_by_what_the_provider_proves() -> None:
    claims = {"sub": "9", "iat": NOW, "email": "Ann@Example.com", "preferred_username": "octocat", "groups": ["web"]}
    rules = AccessPolicy(frozenset({"*"}), frozenset(), 3600, ROLES)
    found = authorize(claims, rules, NOW)
    assert isinstance(found, User)
    assert (found.role, found.identities) == (Role.ADMIN, {"ann@example.com", "octocat", "web"})
    forged = claims | {"email_verified": False, "preferred_username": "ann@example.com", "groups": ["ann@example.com"]}
    found = authorize(forged, rules, NOW)
    assert isinstance(found, User)
    assert (found.role, found.identities) == (Role.VIEWER, set())
