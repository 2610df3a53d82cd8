"""What is accepted as a secret: not the value of an example, and in production not one that is easily guessed."""

import re
from collections.abc import Iterator, Mapping

# Values of .env.example, docker-compose.yml, deploy/kubernetes/example and the documentation; compared in lower case.
EXAMPLES = frozenset(
    {
        "change-me", "changeme", "change_me", "xoxb-…",
        "smtp://user:password@mail.example.com:587", "redis://:password@host:6379/0",
    }
)  # fmt: skip
# The password of the demo's database in docker-compose.yml.
DEMO_PASSWORD = "health"  # noqa: S105 # refused in production
# Secrets that somebody chooses for this product, and their least length in production. Those that others issue (tokens,
# client secrets, URLs) have the form that the issuer gives them.
SHORTEST: Mapping[str, int] = {
    "api_keys": 16, "metrics_key": 16, "github_webhook_secret": 16, "alert_webhook_secret": 16,
}  # fmt: skip
REMEDY = "make one with openssl rand -hex 32"
_PASSWORD_IN_URL = re.compile(r"://[^/@:]{0,200}+:([^@]{0,1000}+)@")


def example_in(secret: str) -> str | None:
    """The example's value that a secret, one of its comma-separated parts or the password of its URL is; null for any
    other secret."""
    return next((part for part in _parts(secret) if part.lower() in EXAMPLES), None)


def is_short(name: str, secret: str) -> bool:
    """Whether the secret, or one of its comma-separated keys, is shorter than the least length for that setting."""
    keys = [part.strip() for part in secret.split(",") if part.strip()] if name == "api_keys" else [secret]
    return any(len(key) < SHORTEST.get(name, 0) for key in keys)


def too_short(name: str) -> str:
    """One clause for people: the setting's least length and the remedy."""
    which = "a key is" if name == "api_keys" else "it is"
    return f"{which} shorter than {SHORTEST[name]} characters and can be guessed; {REMEDY}"


def _parts(secret: str) -> Iterator[str]:
    yield secret.strip()
    yield from (part.strip() for part in secret.split(","))
    if found := _PASSWORD_IN_URL.search(secret):
        yield found[1]
