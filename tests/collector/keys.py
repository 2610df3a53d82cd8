"""A GitHub App's key, made anew for every run of the tests."""

from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)


@lru_cache
def app_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def private_pem(passphrase: bytes | None = None) -> str:
    hidden = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    form = PrivateFormat.PKCS8 if passphrase else PrivateFormat.TraditionalOpenSSL
    return app_key().private_bytes(Encoding.PEM, form, hidden).decode()


def public_pem() -> str:
    return app_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
