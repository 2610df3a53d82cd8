"""All other services, by the apprise library. It builds the requests of a service; they are sent under the rules of
the other channels: limits of time and size, no redirects, verified certificates, no plain HTTP to other machines, and
errors without URLs. Only services that are requested by HTTP are supported."""

import logging
import sys
import warnings
from collections.abc import Collection
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import requests

from core.http.client import LIMITS, BoundedAdapter, ResponseLimitExceeded, limited
from core.http.settings import is_loopback
from core.text import printable, register_secrets
from health.alerts.channels.base import DeliveryContext, DeliveryFailed, Message, NotificationEvent, Receipt
from health.alerts.channels.email import as_text
from health.alerts.channels.http_request import (
    CONNECT_SECONDS,
    READ_TIMEOUT_SECONDS,
    error_cause,
    is_permanent,
    retry_delay,
    secret_parts,
)

_MAX_BODY = 8_000
# Its lines contain URLs and payloads.
logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)


@dataclass
class _Sending:
    """What happened to the requests of one message. `failed`: the last response that was not a 2xx."""

    plain_hosts: Collection[str]
    accepted: int = 0
    failed: tuple[str, int, timedelta | None] | None = None
    error: str | None = None


_sending: ContextVar[_Sending | None] = ContextVar("_sending", default=None)


class UnsupportedService(ValueError):
    """The URL names no service that is requested by HTTP. The message is one line without the URL."""


class AppriseChannel:
    """`url`: of apprise; its scheme selects the service."""

    def __init__(self, name: str, url: str, plain_hosts: Collection[str] = ()) -> None:
        self.name, self._plain_hosts = name, plain_hosts
        register_secrets(url, *secret_parts(url))
        self._service = _service(url)

    @property
    def service_name(self) -> str:
        """The name of the service, such as ntfy."""
        return str(self._service.service_name)

    def send(self, message: Message, context: DeliveryContext | None = None) -> Receipt:
        """Returns when the service accepted the message."""
        context = context or DeliveryContext()
        sending = _Sending(self._plain_hosts)
        token = _sending.set(sending)
        try:
            with limited(LIMITS):
                accepted = self._service.notify(
                    title=printable(message.subject)[:250],
                    body=printable(as_text(message))[:_MAX_BODY],
                    notify_type=_notify_type(message, context),
                )
        except Exception as error:
            # Its text may contain the URL.
            raise self._failure(sending, type(error).__name__) from None
        finally:
            _sending.reset(token)
        if not accepted:
            raise self._failure(sending, "the service was not requested")
        return Receipt()

    def _failure(self, sending: _Sending, otherwise: str) -> DeliveryFailed:
        if sending.error:
            return DeliveryFailed(f"{self.service_name} {sending.error}")
        if sending.failed:
            host, status, delay = sending.failed
            hint = f"; check the URL of the channel {self.name}" if status in (401, 403, 404, 405, 410) else ""
            return DeliveryFailed(
                f"{self.service_name} at {host} answered {status}{hint}",
                permanent=is_permanent(status) and not sending.accepted,
                retry_after=delay,
            )
        return DeliveryFailed(f"{self.service_name} did not accept the message: {otherwise}")


def _notify_type(message: Message, context: DeliveryContext) -> str:
    if context.event is NotificationEvent.TEST:
        return "info"
    return "success" if message.resolved else "failure" if message.data.get("severity") == "critical" else "warning"


def _service(url: str) -> Any:
    """The service of a URL, whose requests pass _Requests. Raises UnsupportedService."""
    with warnings.catch_warnings():
        # apprise imports modules that Python deprecates.
        warnings.simplefilter("ignore")
        from apprise import Apprise, AppriseAsset

        asset = AppriseAsset(async_mode=False, http_redirects=False, app_id="pipeline-health", app_desc="",
                             app_url="", image_url_mask="", image_url_logo="")  # fmt: skip
        service = Apprise.instantiate(url, asset=asset)
    if service is None:
        raise UnsupportedService("the value is not a URL of a service that apprise supports")
    module = sys.modules[type(service).__module__]
    if not hasattr(module, "requests"):
        raise UnsupportedService("the service is not requested by HTTP, which is not supported; use another kind")
    module.requests = _REQUESTS  # type: ignore[attr-defined]
    return service


class _Session(requests.Session):
    def __init__(self) -> None:
        super().__init__()
        self.mount("http://", BoundedAdapter())
        self.mount("https://", BoundedAdapter())

    def request(self, method: Any, url: Any, **options: Any) -> requests.Response:  # type: ignore[override]
        """A request within the limits; records its outcome. Options of the URL do not weaken the rules."""
        sending, host = _sending.get(), urlsplit(str(url)).hostname or ""
        if sending is None:
            raise requests.ConnectionError("outside of a message")
        if not str(url).startswith("https://") and not (is_loopback(host) or host in sending.plain_hosts):
            sending.error = (
                f"at {host} would receive the message unencrypted; use the scheme with TLS, or add {host} to "
                "ALLOW_PLAIN_HTTP if the network in between is trusted"
            )
            raise requests.ConnectionError(sending.error)
        options |= {"timeout": (CONNECT_SECONDS, READ_TIMEOUT_SECONDS), "allow_redirects": False, "verify": True}
        try:
            response = super().request(method, url, **options)
            # Read here, within the limits: services read it later, or not at all.
            _ = response.content
        except ResponseLimitExceeded as error:
            sending.error = f"at {host}: the response {error}"
            raise requests.ConnectionError(sending.error) from None
        except (requests.RequestException, OSError, ValueError) as error:
            sending.error = f"at {host} cannot be reached: {error_cause(error)}"
            raise requests.ConnectionError(sending.error) from None
        if 200 <= response.status_code < 300:
            sending.accepted += 1
        else:
            sending.failed = host, response.status_code, retry_delay(response.status_code, response.headers)
        return response


class _Requests:
    """Replaces the module `requests` within the modules of services."""

    Session = _Session
    session = _Session

    def __getattr__(self, name: str) -> Any:
        return getattr(requests, name)

    @staticmethod
    def request(method: str, url: str, **options: Any) -> requests.Response:
        with _Session() as session:
            return session.request(method, url, **options)

    def get(self, url: str, params: Any = None, **options: Any) -> requests.Response:
        return self.request("GET", url, params=params, **options)

    def post(self, url: str, data: Any = None, json: Any = None, **options: Any) -> requests.Response:
        return self.request("POST", url, data=data, json=json, **options)

    def put(self, url: str, data: Any = None, **options: Any) -> requests.Response:
        return self.request("PUT", url, data=data, **options)

    def patch(self, url: str, data: Any = None, **options: Any) -> requests.Response:
        return self.request("PATCH", url, data=data, **options)

    def delete(self, url: str, **options: Any) -> requests.Response:
        return self.request("DELETE", url, **options)

    def head(self, url: str, **options: Any) -> requests.Response:
        return self.request("HEAD", url, **options)


_REQUESTS = _Requests()
