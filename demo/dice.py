"""Chance that repeats: the same key gives the same draw, on every machine and every day."""

import hashlib
import random


def fraction(*key: object) -> float:
    """Evenly spread in [0, 1)."""
    return _number(key) / 2**48


def dice(*key: object) -> random.Random:
    return random.Random(_number(key))


def _number(key: tuple[object, ...]) -> int:
    text = ":".join(map(str, key)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=6).digest(), "big")
