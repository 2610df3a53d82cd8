"""Posting webhook deliveries as GitHub does: signed, over several connections, without retries."""

import asyncio
import hashlib
import hmac
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

_CONNECTION_ERRORS = (OSError, asyncio.IncompleteReadError, ValueError, IndexError)
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class Delivery:
    """`moment` is the time of the event. `signing_secret` replaces the receiver's secret in the signature."""

    id: str
    event: str
    action: str
    moment: datetime
    run_id: int
    job_id: int | None
    body: bytes
    signing_secret: str | None = None


@dataclass(frozen=True)
class Sent:
    """Result of a delivery. `status` 0: there was no response, and `error` has the reason. `seconds` is the time from
    the planned moment to the response, including the wait for a free connection; `late` is that wait alone."""

    delivery: Delivery
    status: int
    seconds: float
    late: float
    error: str = ""


def signature(body: bytes, secret: str) -> str:
    """Return the value of X-Hub-Signature-256."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def headers(delivery: Delivery, secret: str) -> dict[str, str]:
    secret = secret if delivery.signing_secret is None else delivery.signing_secret
    return {
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/3a9f6f6",
        "X-GitHub-Event": delivery.event,
        "X-GitHub-Delivery": delivery.id,
        "X-GitHub-Hook-ID": "1001",
        "X-Hub-Signature-256": signature(delivery.body, secret),
    }


async def post(
    deliveries: Sequence[Delivery], url: str, secret: str, rate_per_second: float, *, connections: int = 32,
    timeout: float = 10,
) -> list[Sent]:  # fmt: skip
    """Post the deliveries at a steady rate, whatever the responses. Return the results in the order of the deliveries.

    `timeout` is in seconds; the default is GitHub's. Must be awaited in a running event loop."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    queue: Iterator[tuple[int, Delivery]] = iter(enumerate(deliveries))
    results: dict[int, Sent] = {}

    async def work() -> None:
        connection = _Connection(url, timeout)
        for index, delivery in queue:
            planned = begin + index / rate_per_second
            await asyncio.sleep(max(planned - loop.time(), 0))
            late = loop.time() - planned
            status, error = await connection.post(delivery, secret)
            results[index] = Sent(delivery, status, loop.time() - planned, max(late, 0), error)
        connection.close()

    await asyncio.gather(*(work() for _ in range(min(connections, len(deliveries)))))
    return [results[index] for index in range(len(deliveries))]


class _Connection:
    """Persistent connection, opened by the first post()."""

    def __init__(self, url: str, timeout: float) -> None:
        parts = urlsplit(url)
        self._host, self._secure = parts.hostname or "", parts.scheme == "https"
        self._port = parts.port or (443 if self._secure else 80)
        self._target, self._netloc = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}", parts.netloc
        self._timeout = timeout
        self._streams: Streams | None = None

    def close(self) -> None:
        if self._streams:
            self._streams[1].close()
        self._streams = None

    async def post(self, delivery: Delivery, secret: str) -> tuple[int, str]:
        """Return status and error. A connection that the server has closed in the meantime is opened again once."""
        fields = {"Host": self._netloc, "Content-Length": str(len(delivery.body)), **headers(delivery, secret)}
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        message = f"POST {self._target} HTTP/1.1\r\n{lines}\r\n".encode() + delivery.body
        reused = self._streams is not None
        try:
            async with asyncio.timeout(self._timeout):
                try:
                    return await self._exchange(message), ""
                except _CONNECTION_ERRORS:
                    self.close()
                    if not reused:
                        raise
                    return await self._exchange(message), ""
        except (*_CONNECTION_ERRORS, TimeoutError) as error:
            self.close()
            return 0, str(error) or type(error).__name__

    async def _exchange(self, message: bytes) -> int:
        if self._streams is None:
            secure = ssl.create_default_context() if self._secure else None
            self._streams = await asyncio.open_connection(self._host, self._port, ssl=secure)
        reader, writer = self._streams
        writer.write(message)
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
        fields = dict(line.split(": ", 1) for line in head[1:] if ": " in line)
        if "content-length" in fields:
            await reader.readexactly(int(fields["content-length"]))
        if "content-length" not in fields or fields.get("connection") == "close":
            self.close()
        return int(head[0].split()[1])
