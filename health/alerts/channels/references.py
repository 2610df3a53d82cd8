"""References to secrets: `env:NAME` is an environment variable, `file:/path` a file. Only references are stored and
shown; the program that sends resolves them, and a secret never leaves it."""

import os
import re
from pathlib import Path

from dotenv import dotenv_values

# Secrets of the programs themselves. No channel may send them to another server.
_PROGRAM_SECRETS = frozenset(
    [
        "GITHUB_TOKEN",
        "GITHUB_APP_PRIVATE_KEY",
        "GITHUB_WEBHOOK_SECRET",
        "API_KEYS",
        "METRICS_KEY",
        "DATABASE_URL",
        "DATABASE_REPLICA_URL",
        "REDIS_URL",
        "REDIS_PASSWORD",
    ]
)
_PROGRAM_PREFIXES = ("AUTH_", "POSTGRES_", "PG")
_VARIABLE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]{0,99}", re.ASCII)
_FILE = re.compile(r"file:/[^\x00-\x1f\x7f]{1,300}")
_MAX_BYTES = 8_192
EXPECTED = "expected a reference, env:NAME or file:/path; secrets themselves are not stored"


class UnresolvedReference(Exception):
    """The reference has no value here. The message is one line that names the reference."""


def reference_problem(value: object) -> str | None:
    """Why the value is not a usable reference; null for a usable one. Never contains the value, because it may be a
    secret that was entered by mistake."""
    if not isinstance(value, str) or not (_VARIABLE.fullmatch(value) or _FILE.fullmatch(value)):
        return EXPECTED
    if value.startswith("file:"):
        return "the path must not contain '..'" if ".." in Path(value[5:]).parts else None
    name = value[4:].upper().removesuffix("_FILE")
    if name in _PROGRAM_SECRETS or name.startswith(_PROGRAM_PREFIXES):
        return f"{name} is a secret of Pipeline Health itself, which no channel may send"
    return None


def resolve(reference: str) -> str:
    """The secret without surrounding whitespace. A variable may also be set in `.env`, or by NAME_FILE as the path of a
    file. Raises UnresolvedReference if it is missing, empty or unreadable."""
    if problem := reference_problem(reference):
        raise UnresolvedReference(problem)
    if reference.startswith("file:"):
        return _read(reference, reference[5:])
    name = reference[4:]
    if value := (os.environ.get(name) or "").strip():
        return value
    if path := os.environ.get(f"{name}_FILE"):
        return _read(reference, path)
    try:
        value = (dotenv_values(".env").get(name) or "").strip()
    except (OSError, UnicodeDecodeError):
        value = ""
    if not value:
        raise UnresolvedReference(f"{reference} is not set; set the variable {name} for the collector and the API")
    return value


def _read(reference: str, path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
        value = raw.decode("utf-8").strip()
    except OSError as error:
        raise UnresolvedReference(f"{reference} cannot be read: {error.strerror or type(error).__name__}") from None
    except UnicodeDecodeError:
        raise UnresolvedReference(f"{reference} is not UTF-8 text") from None
    if not value:
        raise UnresolvedReference(f"{reference} is empty")
    if len(raw) > _MAX_BYTES:
        raise UnresolvedReference(f"{reference} is larger than {_MAX_BYTES:,} bytes")
    return value
