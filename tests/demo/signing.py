"""RSA keys and tokens signed with them, with any header and any claims."""

import base64
import json
from dataclasses import dataclass
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


@dataclass(frozen=True)
class Key:
    private: rsa.RSAPrivateKey

    def public_pem(self) -> str:
        public = self.private.public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def signed(self, claims: dict[str, object], algorithm: str = "RS256") -> str:
        """Return a token with an RS256 signature. Another `algorithm` is only named in the header."""
        message = f"{_segment({'alg': algorithm, 'typ': 'JWT'})}.{_segment(claims)}"
        return f"{message}.{_url_safe(self.private.sign(message.encode(), padding.PKCS1v15(), SHA256()))}"


@lru_cache
def key(number: int = 1) -> Key:
    """Return the key with this number, the same one within a test run."""
    return Key(rsa.generate_private_key(public_exponent=65_537, key_size=2048))


def _segment(value: object) -> str:
    return _url_safe(json.dumps(value).encode())


def _url_safe(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
