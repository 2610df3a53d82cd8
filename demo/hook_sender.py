"""Posting webhooks as GitHub does: signed, over many connections, and never a second time."""

import asyncio
import hashlib
import hmac
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

_FOREIGN_KEY = "somebody else's"
_GONE = (OSError, asyncio.IncompleteReadError, ValueError, IndexError)
Wire = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class Delivery:
    """`moment`: when it happened. A `forged` one is signed with another secret."""

    id: str
    event: str
    action: str
    moment: datetime
    run_id: int
    job_id: int | None
    body: bytes
    forged: bool = False


@dataclass(frozen=True)
class Sent:
    """`status` 0: no answer came, and `error` says why. `seconds` run from the planned time to the answer, so they hold
    the wait for a free connection; `late` is that wait alone."""

    delivery: Delivery
    status: int
    seconds: float
    late: float
    error: str = ""


def signature(body: bytes, secret: str) -> str:
    """For X-Hub-Signature-256."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def headers(delivery: Delivery, secret: str) -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/3a9f6f6",
        "X-GitHub-Event": delivery.event,
        "X-GitHub-Delivery": delivery.id,
        "X-GitHub-Hook-ID": "1001",
        "X-Hub-Signature-256": signature(delivery.body, _FOREIGN_KEY if delivery.forged else secret),
    }


def send(
    deliveries: Sequence[Delivery], url: str, secret: str, rate_per_second: float, *, connections: int = 32,
    timeout: float = 10,
) -> list[Sent]:  # fmt: skip
    """One after the other at a steady rate, whatever the answers; in the order of the deliveries. `timeout` in
    seconds, GitHub's own by default."""
    return asyncio.run(post(deliveries, url, secret, rate_per_second, connections=connections, timeout=timeout))


async def post(
    deliveries: Sequence[Delivery], url: str, secret: str, rate_per_second: float, *, connections: int = 32,
    timeout: float = 10,
) -> list[Sent]:  # fmt: skip
    """send(), within a loop that is running."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    waiting: Iterator[tuple[int, Delivery]] = iter(enumerate(deliveries))
    found: dict[int, Sent] = {}

    async def work() -> None:
        line = _Line(url, timeout)
        for place, delivery in waiting:
            planned = begin + place / rate_per_second
            await asyncio.sleep(max(planned - loop.time(), 0))
            late = loop.time() - planned
            status, error = await line.post(delivery, secret)
            found[place] = Sent(delivery, status, loop.time() - planned, max(late, 0), error)
        line.close()

    await asyncio.gather(*(work() for _ in range(min(connections, len(deliveries)))))
    return [found[place] for place in range(len(deliveries))]


class _Line:
    """One connection, opened when it is needed and kept open."""

    def __init__(self, url: str, timeout: float) -> None:
        parts = urlsplit(url)
        self._host, self._secure = parts.hostname or "", parts.scheme == "https"
        self._port = parts.port or (443 if self._secure else 80)
        self._target, self._netloc = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}", parts.netloc
        self._timeout = timeout
        self._wire: Wire | None = None

    def close(self) -> None:
        if self._wire:
            self._wire[1].close()
        self._wire = None

    async def post(self, delivery: Delivery, secret: str) -> tuple[int, str]:
        """Status and error. A connection that the server closed meanwhile is opened again once."""
        fields = {"Host": self._netloc, "Content-Length": str(len(delivery.body)), **headers(delivery, secret)}
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        message = f"POST {self._target} HTTP/1.1\r\n{lines}\r\n".encode() + delivery.body
        reused = self._wire is not None
        try:
            async with asyncio.timeout(self._timeout):
                try:
                    return await self._exchange(message), ""
                except _GONE:
                    self.close()
                    if not reused:
                        raise
                    return await self._exchange(message), ""
        except (*_GONE, TimeoutError) as error:
            self.close()
            return 0, str(error) or type(error).__name__

    async def _exchange(self, message: bytes) -> int:
        if self._wire is None:
            secure = ssl.create_default_context() if self._secure else None
            self._wire = await asyncio.open_connection(self._host, self._port, ssl=secure)
        reader, writer = self._wire
        writer.write(message)
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
        named = dict(line.split(": ", 1) for line in head[1:] if ": " in line)
        if "content-length" in named:
            await reader.readexactly(int(named["content-length"]))
        if "content-length" not in named or named.get("connection") == "close":
            self.close()
        return int(head[0].split()[1])
