"""Many clients at once, each asking again as soon as it was answered."""

import asyncio
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class LoadResult:
    """Spans in milliseconds."""

    seconds: float = 0.0
    milliseconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return len(self.milliseconds) / self.seconds

    def percentile(self, fraction: float) -> float:
        return sorted(self.milliseconds)[int(len(self.milliseconds) * fraction)]

    @property
    def median(self) -> float:
        return statistics.median(self.milliseconds)


def load(url: str, path_of: Callable[[int], str], *, clients: int, seconds: float) -> LoadResult:
    """`path_of` is given the number of the request."""
    return asyncio.run(_load(url, path_of, clients, seconds))


async def _load(url: str, path_of: Callable[[int], str], clients: int, seconds: float) -> LoadResult:
    found, begun = LoadResult(), time.perf_counter()
    numbers = iter(range(10**9))
    await asyncio.gather(*(_client(url, path_of, numbers, begun + seconds, found) for _ in range(clients)))
    found.seconds = time.perf_counter() - begun
    return found


async def _client(url: str, path_of: Callable[[int], str], numbers: object, end: float, found: LoadResult) -> None:
    where = urlsplit(url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    try:
        while time.perf_counter() < end:
            path = path_of(next(numbers))  # type: ignore[call-overload]
            begun = time.perf_counter()
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {where.netloc}\r\nAccept-Encoding: gzip\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.split(b":")[1]))
            found.milliseconds.append((time.perf_counter() - begun) * 1000)
            if not head.startswith(b"HTTP/1.1 200"):
                found.errors.append(f"{path}: {head.splitlines()[0].decode()}")
    except (OSError, asyncio.IncompleteReadError, StopIteration) as error:
        found.errors.append(f"{type(error).__name__}: {error}")
    finally:
        writer.close()
