"""Checking a JSON web token's RS256 signature, with nothing but arithmetic: the simulator needs no library for it, and
does not share one with the product that it checks."""

import base64
import binascii
import hashlib
import json
from typing import Any

# DER of the algorithm identifier that PKCS #1 v1.5 puts before a SHA-256 hash.
_SHA256 = bytes.fromhex("3031300d060960864801650304020105000420")
_INTEGER, _BIT_STRING, _SEQUENCE = 0x02, 0x03, 0x30


class BadToken(ValueError):
    """It cannot be decoded, or somebody else signed it."""


def claims(token: str, public_key_pem: str) -> dict[str, Any]:
    """What the token says, once its signature is proved."""
    try:
        head, body, signature = token.split(".")
        if json.loads(_decoded(head)).get("alg") != "RS256":
            raise BadToken("not RS256")
        found = json.loads(_decoded(body))
    except (ValueError, AttributeError, binascii.Error) as error:
        raise BadToken(str(error)) from None
    if not _is_signed(f"{head}.{body}".encode(), _decoded(signature), *public_key(public_key_pem)):
        raise BadToken("wrong signature")
    if not isinstance(found, dict):
        raise BadToken("no claims")
    return found


def public_key(pem: str) -> tuple[int, int]:
    """Modulus and exponent of BEGIN PUBLIC KEY or BEGIN RSA PUBLIC KEY."""
    der = base64.b64decode("".join(line for line in pem.splitlines() if line and not line.startswith("-----")))
    parts = _parts(_content(der, _SEQUENCE))
    if parts[0][0] == _SEQUENCE:
        # The key stands in a bit string, after the number of its unused bits.
        parts = _parts(_content(parts[1][1][1:], _SEQUENCE))
    modulus, exponent = (int.from_bytes(content, "big") for kind, content in parts if kind == _INTEGER)
    return modulus, exponent


def _is_signed(message: bytes, signature: bytes, modulus: int, exponent: int) -> bool:
    size = (modulus.bit_length() + 7) // 8
    ending = b"\x00" + _SHA256 + hashlib.sha256(message).digest()
    expected = b"\x00\x01" + b"\xff" * (size - len(ending) - 2) + ending
    signed = pow(int.from_bytes(signature, "big"), exponent, modulus).to_bytes(size, "big")
    return len(signature) == size and signed == expected


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _content(der: bytes, kind: int) -> bytes:
    first = _parts(der)[0]
    if first[0] != kind:
        raise ValueError("not an RSA public key")
    return first[1]


def _parts(der: bytes) -> list[tuple[int, bytes]]:
    """Kind and content of what stands there one after the other."""
    found, place = [], 0
    while place < len(der):
        kind, length, place = der[place], der[place + 1], place + 2
        if length & 0x80:
            more = length & 0x7F
            length, place = int.from_bytes(der[place : place + more], "big"), place + more
        found.append((kind, der[place : place + length]))
        place += length
    return found
