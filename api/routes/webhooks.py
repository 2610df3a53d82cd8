"""Webhooks of GitHub. They carry a signature instead of a key, and nothing but the inbox is written here."""

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
    {"in": "header", "name": "X-GitHub-Delivery", "required": True, "schema": {**_TEXT, "maxLength": 100},
     "example": "72d3162e-cc78-11e3-81ab-4c9367dc0958"},
    {"in": "header", "name": "X-Hub-Signature-256", "required": True, "schema": _TEXT,
     "description": "sha256= and the HMAC-SHA256 of the raw body under GITHUB_WEBHOOK_SECRET, in hex",
     "example": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
]  # fmt: skip
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
        401: "The signature is missing or is not that of this body",
        404: "GITHUB_WEBHOOK_SECRET is not set",
        408: "The body did not come within ten seconds",
        413: "The body is larger than 25 MB",
        422: "X-GitHub-Event or X-GitHub-Delivery is missing or cannot be used",
        503: "It could not be stored; send it again",
    }.items()
}


async def received_at() -> datetime:
    """A coroutine, so that it waits for none of the threads that other routes use."""
    return datetime.now(UTC)


@router.post(
    PATH,
    operation_id="receive_delivery",
    status_code=202,
    response_model=schemas.Received,
    summary="Take a delivery of GitHub's webhook",
    responses=_PROBLEMS,
    openapi_extra={"parameters": _HEADERS, "requestBody": _BODY},
)
async def receive(request: Request, moment: Annotated[datetime, Depends(received_at)]) -> JSONResponse:
    """Stores `workflow_run` and `workflow_job`, and answers once that is committed; the collector applies them. Other
    events, `ping` among them, are acknowledged and not stored. A delivery that was stored before changes nothing."""
    settings: ApiSettings = request.app.state.settings
    intake: WebhookBuffer | None = request.app.state.intake
    if settings.github_webhook_secret is None or intake is None:
        raise Problem(404, "Webhooks are not taken here: GITHUB_WEBHOOK_SECRET is not set.")
    signature = request.headers.get("x-hub-signature-256")
    if not signature:
        raise Problem(401, "The header X-Hub-Signature-256 is missing: give the webhook a secret on GitHub.")
    mac = hmac.new(settings.github_webhook_secret.get_secret_value().encode(), digestmod=hashlib.sha256)
    body = bytearray()
    try:
        await _read(request, intake, body, mac)
        if not hmac.compare_digest(b"sha256=" + mac.hexdigest().encode(), signature.encode("latin-1", "replace")):
            raise Problem(401, "The signature is not that of this body: the secrets here and on GitHub differ.")
        event, delivery = _header(request, "X-GitHub-Event"), _header(request, "X-GitHub-Delivery")
        bind(delivery_id=delivery, event=event)
        if event not in EVENTS:
            return _receipt("ignored", delivery)
        fresh = await intake.store(NewDelivery(delivery, event, bytes(body), moment))
        return _receipt("stored" if fresh else "duplicate", delivery)
    finally:
        intake.release(len(body))


async def _read(request: Request, buffer: WebhookBuffer, body: bytearray, mac: hmac.HMAC) -> None:
    """Fills `body`; reads no further than it has to."""
    announced = request.headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and int(announced[:20]) > MAX_BYTES:
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
        raise Problem(408, "The body did not come within ten seconds.") from None
    except ClientDisconnect:
        raise Problem(400, "The request ended before its body did.") from None


def _too_large() -> Problem:
    return Problem(413, "The body is larger than the 25 MB that GitHub sends at most.")


def _header(request: Request, name: str) -> str:
    value = request.headers.get(name, "")
    if not _NAME.fullmatch(value):
        raise bad_parameter(name, "the header is missing, or not 1 to 100 printable characters without spaces")
    return value


def _receipt(status: str, delivery: str) -> JSONResponse:
    bind(outcome=status)
    return JSONResponse({"status": status, "delivery": delivery}, 202)
