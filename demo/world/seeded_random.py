"""Reproducible random numbers: the same key gives the same numbers in every process, on every machine.

Python's hash() is salted per process; the key is therefore hashed with BLAKE2."""

import hashlib
import random


def seeded_fraction(*key: object) -> float:
    """Return a number in [0, 1), uniformly distributed over the keys."""
    return _seed(key) / 2**48


def seeded_random(*key: object) -> random.Random:
    """Return a generator that is seeded with the key."""
    return random.Random(_seed(key))


def _seed(key: tuple[object, ...]) -> int:
    text = ":".join(map(str, key)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=6).digest(), "big")
