"""Receiver of GitHub webhooks: verifies the signature, which replaces an API key, and stores the raw delivery."""

import asyncio
import hashlib
import hmac
import re
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from api import schemas
from api.errors import Problem, bad_parameter
from api.settings import ApiSettings
from api.webhook_buffer import WebhookBuffer
from core.logging import bind
from core.numbers import parse_digits
from db.webhook_inbox import NewDelivery

router = APIRouter(tags=["Webhooks"])
PATH = "/api/webhooks/github"
EVENTS = ("workflow_run", "workflow_job")
# GitHub sends at most 25 MB.
MAX_BYTES = 25 * 2**20
_READ_TIMEOUT_SECONDS = 10.0
_NAME = re.compile(r"[\x21-\x7e]{1,100}")
_TEXT = {"type": "string"}
_HEADERS = [
    {"in": "header", "name": "X-GitHub-Event", "required": True, "schema": _TEXT, "example": "workflow_run"},
    {
        "in": "header",
        "name": "X-GitHub-Delivery",
        "required": True,
        "schema": {**_TEXT, "maxLength": 100},
        "example": "72d3162e-cc78-11e3-81ab-4c9367dc0958",
    },
    {
        "in": "header",
        "name": "X-Hub-Signature-256",
        "required": True,
        "schema": _TEXT,
        "description": "`sha256=` and the hexadecimal HMAC-SHA256 of the raw body, keyed by GITHUB_WEBHOOK_SECRET",
        "example": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
    },
]
_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {"type": "object"},
            "example": {"action": "completed", "workflow_run": {"id": 7398123456}, "repository": {"id": 90001}},
        },
        "application/x-www-form-urlencoded": {
            "schema": {"type": "object", "properties": {"payload": _TEXT}},
            "example": {"payload": '{"action": "completed"}'},
        },
    },
}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": schemas.ProblemDocument, "description": description}
    for status, description in {
        401: "The signature is missing or wrong",
        404: "GITHUB_WEBHOOK_SECRET is not set",
        408: "The body did not arrive within 10 seconds",
        413: "The body is larger than 25 MB",
        422: "X-GitHub-Event or X-GitHub-Delivery is missing or invalid",
        503: "The delivery could not be stored; send it again",
    }.items()
}


async def received_at() -> datetime:
    """A coroutine, so that it does not wait for a worker thread."""
    return datetime.now(UTC)


@router.post(
    PATH,
    operation_id="receive_delivery",
    status_code=202,
    response_model=schemas.Received,
    summary="Receive a delivery of a GitHub webhook",
    responses=_PROBLEMS,
    openapi_extra={"parameters": _HEADERS, "requestBody": _BODY},
)
async def receive(request: Request, moment: Annotated[datetime, Depends(received_at)]) -> JSONResponse:
    """Stores events of the types `workflow_run` and `workflow_job` and responds after the commit; the collector applies
    them. Other events, such as `ping`, are acknowledged and not stored. A repeated delivery changes nothing."""
    settings: ApiSettings = request.app.state.settings
    buffer: WebhookBuffer | None = request.app.state.webhook_buffer
    if settings.github_webhook_secret is None or buffer is None:
        raise Problem(404, "Webhooks are disabled: GITHUB_WEBHOOK_SECRET is not set.")
    signature = request.headers.get("x-hub-signature-256")
    if not signature:
        raise Problem(
            401, "The header X-Hub-Signature-256 is missing: set a secret in the webhook's settings on GitHub."
        )
    mac = hmac.new(settings.github_webhook_secret.get_secret_value().encode(), digestmod=hashlib.sha256)
    body = bytearray()
    try:
        await _read(request, buffer, body, mac)
        if not hmac.compare_digest(b"sha256=" + mac.hexdigest().encode(), signature.encode("latin-1", "replace")):
            raise Problem(
                401, "The signature does not match the body: GITHUB_WEBHOOK_SECRET differs from the secret on GitHub."
            )
        event, delivery = _header(request, "X-GitHub-Event"), _header(request, "X-GitHub-Delivery")
        bind(delivery_id=delivery, event=event)
        if event not in EVENTS:
            return _receipt("ignored", delivery)
        fresh = await buffer.store(NewDelivery(delivery, event, bytes(body), moment))
        return _receipt("stored" if fresh else "duplicate", delivery)
    finally:
        buffer.release(len(body))


async def _read(request: Request, buffer: WebhookBuffer, body: bytearray, mac: hmac.HMAC) -> None:
    """Appends to `body` and updates `mac`. Raises Problem at the first byte beyond MAX_BYTES, before it reads where
    Content-Length is larger."""
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and parse_digits(length, MAX_BYTES) is None:
        raise _too_large()
    try:
        async with asyncio.timeout(_READ_TIMEOUT_SECONDS):
            async for chunk in request.stream():
                if len(body) + len(chunk) > MAX_BYTES:
                    raise _too_large()
                buffer.reserve(len(chunk))
                body += chunk
                mac.update(chunk)
    except TimeoutError:
        raise Problem(408, "The body did not arrive within 10 seconds.") from None
    except ClientDisconnect:
        raise Problem(400, "The connection was closed before the end of the body.") from None


def _too_large() -> Problem:
    return Problem(413, "The body is larger than 25 MB, the maximum size of a GitHub delivery.")


def _header(request: Request, name: str) -> str:
    value = request.headers.get(name, "")
    if not _NAME.fullmatch(value):
        raise bad_parameter(name, "the header is missing, or is not 1 to 100 printable characters without spaces")
    return value


def _receipt(status: str, delivery: str) -> JSONResponse:
    bind(outcome=status)
    return JSONResponse({"status": status, "delivery": delivery}, 202)
