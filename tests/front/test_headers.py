"""Content negotiation and entity tags (RFC 9110)."""

import pytest

from core.http.headers import accepts_gzip, etag_matches, etag_of


@pytest.mark.parametrize(
    ("accept_encoding", "expected"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("deflate, gzip;q=0.5, br;q=1.0", True),
        ("gzip ; q=0.001", True),
        ("*", True),
        ("br, *;q=0.1", True),
        ("", False),
        ("identity", False),
        ("br", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000, br", False),
        ("*;q=0", False),
        # The weight of gzip itself takes precedence, in either order.
        ("*, gzip;q=0", False),
        ("gzip;q=0, *;q=1", False),
        ("*;q=0, gzip", True),
        ("gzip;q=much", False),
        ("gzip;q=-1", False),
        ("gzip;q=nan", False),
    ],
)
def test_gzip_is_acceptable_by_its_weight(accept_encoding: str, expected: bool) -> None:
    assert accepts_gzip(accept_encoding) is expected


@pytest.mark.parametrize("template", ['"{}"', 'W/"{}"', '"other", W/"{}"', "*"])
def test_entity_tags_are_compared_weakly(template: str) -> None:
    tag = etag_of(b"{}")
    assert etag_matches(template.format(tag), tag)


@pytest.mark.parametrize("if_none_match", ["", '"other"', "unquoted"])
def test_other_entity_tags_do_not_match(if_none_match: str) -> None:
    assert not etag_matches(if_none_match, etag_of(b"{}"))
