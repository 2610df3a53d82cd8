"""Passwords that no person needs to know: made once, one file for each program that uses them. For docker compose,
whose containers share each file by a volume of its own."""

import os
import secrets
from pathlib import Path

from db.roles import COLLECTOR, READER

REDIS = "redis"
PASSWORD, REDIS_CONF = "password", "redis.conf"  # names of files
_BYTES = 32


def make_passwords(folder: Path) -> list[Path]:
    """Files FOLDER/NAME/password for the roles and for Redis, and what Redis reads; those that exist stay. Returns the
    new ones. Raises OSError."""
    made = []
    for name in (COLLECTOR, READER, REDIS):
        file = folder / name / PASSWORD
        if not file.exists():
            _write(file, secrets.token_hex(_BYTES))
            made.append(file)
    _write(folder / REDIS / REDIS_CONF, f"requirepass {read(folder, REDIS)}\n")
    return made


def read(folder: Path, name: str) -> str:
    """Raises OSError where make_passwords has not made it."""
    return (folder / name / PASSWORD).read_text("ascii").strip()


def _write(file: Path, content: str) -> None:
    """Whole or not at all, and for this user alone."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    half = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(half, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o400)
    with os.fdopen(descriptor, "w", encoding="ascii") as opened:
        opened.write(content)
    half.replace(file)
