"""GitHub's side of a webhook: signed requests."""

import hashlib
import hmac
import json
from typing import Any

SECRET = "It's a Secret to Everybody"
PATH = "/api/webhooks/github"


def sign(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def request(
    body: bytes | dict[str, Any], *, event: str = "workflow_run", delivery: str = "d-1", secret: str = SECRET,
    content_type: str = "application/json",
) -> dict[str, Any]:  # fmt: skip
    """Arguments of a client's post()."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {
        "Content-Type": content_type,
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery,
        "X-Hub-Signature-256": sign(content, secret),
    }
    return {"content": content, "headers": headers}
