"""An RSA key of its own for every run of the tests, and tokens signed with it, by arithmetic alone."""

import base64
import hashlib
import json
import random
from dataclasses import dataclass
from functools import lru_cache

_EXPONENT = 65_537
_SHA256 = bytes.fromhex("3031300d060960864801650304020105000420")
_RSA = bytes.fromhex("300d06092a864886f70d0101010500")


@dataclass(frozen=True)
class Key:
    modulus: int
    private: int

    def public_pem(self) -> str:
        key = b"\x00" + _der(0x30, _integer(self.modulus) + _integer(_EXPONENT))
        text = base64.encodebytes(_der(0x30, _RSA + _der(0x03, key))).decode()
        return f"-----BEGIN PUBLIC KEY-----\n{text}-----END PUBLIC KEY-----\n"

    def signed(self, claims: dict[str, object], algorithm: str = "RS256") -> str:
        message = f"{_text({'alg': algorithm, 'typ': 'JWT'})}.{_text(claims)}"
        size = (self.modulus.bit_length() + 7) // 8
        ending = b"\x00" + _SHA256 + hashlib.sha256(message.encode()).digest()
        padded = b"\x00\x01" + b"\xff" * (size - len(ending) - 2) + ending
        signature = pow(int.from_bytes(padded, "big"), self.private, self.modulus).to_bytes(size, "big")
        return f"{message}.{_url_safe(signature)}"


@lru_cache
def key(seed: int = 1) -> Key:
    """Small, as it only has to be checked, and the same for the same seed."""
    rng = random.Random(seed)
    first, second = _prime(rng), _prime(rng)
    return Key(first * second, pow(_EXPONENT, -1, (first - 1) * (second - 1)))


def _prime(rng: random.Random) -> int:
    while True:
        number = rng.getrandbits(512) | 1 << 511 | 1 << 510 | 1
        if number % _EXPONENT != 1 and all(pow(base, number - 1, number) == 1 for base in (2, 3, 5, 7, 11)):
            return number


def _integer(number: int) -> bytes:
    return _der(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _der(kind: int, content: bytes) -> bytes:
    size = len(content)
    if size < 128:
        return bytes([kind, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([kind, 0x80 | len(length)]) + length + content


def _text(value: object) -> str:
    return _url_safe(json.dumps(value).encode())


def _url_safe(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
