"""Load of many concurrent HTTP clients, each of which repeats its request after the response."""

import asyncio
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class LoadResult:
    """Durations of requests in milliseconds."""

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
    """Runs the load; `path_of` returns the path of a request by its number."""
    return asyncio.run(_load(url, path_of, clients, seconds))


async def _load(url: str, path_of: Callable[[int], str], clients: int, seconds: float) -> LoadResult:
    result, begun = LoadResult(), time.perf_counter()
    numbers = iter(range(10**9))
    await asyncio.gather(*(_client(url, path_of, numbers, begun + seconds, result) for _ in range(clients)))
    result.seconds = time.perf_counter() - begun
    return result


async def _client(url: str, path_of: Callable[[int], str], numbers: object, end: float, result: LoadResult) -> None:
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        while time.perf_counter() < end:
            path = path_of(next(numbers))  # type: ignore[call-overload]
            begun = time.perf_counter()
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\nAccept-Encoding: gzip\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.split(b":")[1]))
            result.milliseconds.append((time.perf_counter() - begun) * 1000)
            if not head.startswith(b"HTTP/1.1 200"):
                result.errors.append(f"{path}: {head.splitlines()[0].decode()}")
    except (OSError, asyncio.IncompleteReadError, StopIteration) as error:
        result.errors.append(f"{type(error).__name__}: {error}")
    finally:
        writer.close()
