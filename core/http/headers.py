"""Request headers of content negotiation and caching (RFC 9110)."""

import hashlib

ETAG_LENGTH = 32


def accepts_gzip(accept_encoding: str) -> bool:
    """Returns whether the Accept-Encoding header allows gzip (RFC 9110, section 12.5.3). The weight of `gzip` takes
    precedence over that of `*`; a weight of 0, and one that is no number, means "not acceptable"."""
    weights: dict[str, float] = {}
    for item in accept_encoding.lower().split(","):
        coding, *parameters = (part.strip() for part in item.split(";"))
        weights[coding] = _weight(parameters)
    # x-gzip is an alias of gzip (section 8.4.1.3).
    return next((weights[coding] for coding in ("gzip", "x-gzip", "*") if coding in weights), 0.0) > 0


def _weight(parameters: list[str]) -> float:
    """The value of the parameter `q`, from 0 to 1; 1 without one."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                weight = float(value)
            except ValueError:
                return 0.0
            return weight if 0 <= weight <= 1 else 0.0
    return 1.0


def etag_of(body: bytes) -> str:
    """The opaque part of an entity tag, without quotes: 32 hexadecimal digits of the body's SHA-256."""
    return hashlib.sha256(body).hexdigest()[:ETAG_LENGTH]


def etag_matches(if_none_match: str, etag: str) -> bool:
    """Returns whether the If-None-Match header names the tag, by weak comparison (RFC 9110, section 8.8.3.2)."""
    tags = (tag.strip().removeprefix("W/") for tag in if_none_match.split(","))
    return if_none_match.strip() == "*" or f'"{etag}"' in tags
