"""Who may in, by what the provider said of them."""

from typing import Any

import pytest

from app.access.policy import AccessDenied, AccessPolicy, User, authorize

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
    assert authorize(claims, RULES, NOW) == User(claims["email"], claims["iat"] + 12 * 3600)


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
