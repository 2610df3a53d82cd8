"""Limits of connections, which uvicorn lacks: time for headers, time for slow readers, and number of connections.

The programs can also be started by the commands of uvicorn and Streamlit, which do not accept another protocol class.
Therefore the methods of uvicorn's protocol class are replaced in place."""

import asyncio
import errno
import fcntl
import logging
import os
import resource
import struct
import sys
import termios
import time
from argparse import ArgumentParser
from contextlib import suppress
from pathlib import Path
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

log = logging.getLogger(__name__)
# In the scope of a request: address and port of the peer of the connection, whatever X-Forwarded-For says.
PEER = "pipeline_health.peer"
HEADER_SECONDS = 10.0
# A connection is aborted where its client reads less than MIN_BYTES_TAKEN in STALLED_SECONDS: the unsent response would
# stay in memory, and a client that reads a byte per minute is no better than one that reads nothing.
STALLED_SECONDS, MIN_BYTES_TAKEN = 60.0, 32 * 1024
_MAX_CONNECTIONS, _MIN_CONNECTIONS = 1_000, 32
_LOG_INTERVAL_SECONDS = 60.0
_TIMEOUT_RESPONSE = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_UNAVAILABLE_RESPONSE = (
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 5\r\ncontent-length: 0\r\n\r\n"
)


def max_connections() -> int:
    """Half of the file descriptors of the process: a WebSocket and the query behind it need more than one."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return (
        _MAX_CONNECTIONS if soft == resource.RLIM_INFINITY else max(_MIN_CONNECTIONS, min(_MAX_CONNECTIONS, soft // 2))
    )


class ConnectionLimiter:
    """Limits the connections of one process. `_waiting` has those without complete headers, the oldest first."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._waiting: dict[Any, asyncio.TimerHandle] = {}
        self._stalled: dict[Any, asyncio.TimerHandle] = {}
        self._logged_at = float("-inf")

    def register(self, protocol: Any) -> None:
        """Adds a new connection. Beyond the capacity the oldest one without complete headers is closed."""
        self.await_headers(protocol)
        if len(protocol.connections) <= self._capacity:
            return
        self._log_warning(
            "%d connections are open, the maximum of this process: the oldest ones without a request are closed.",
            self._capacity,
        )
        oldest = next(iter(self._waiting), protocol)
        if oldest is protocol:
            protocol.transport.write(_UNAVAILABLE_RESPONSE)
            protocol.transport.close()
        else:
            oldest.transport.abort()
        self.remove(oldest)

    def await_headers(self, protocol: Any) -> None:
        """Starts the time for complete headers, if it does not run yet."""
        if protocol not in self._waiting:
            self._waiting[protocol] = protocol.loop.call_later(HEADER_SECONDS, self._time_out, protocol)

    def headers_received(self, protocol: Any) -> None:
        handle = self._waiting.pop(protocol, None)
        if handle is not None:
            handle.cancel()

    def mark_stalled(self, protocol: Any) -> None:
        """The client reads more slowly than the response is written."""
        if protocol not in self._stalled:
            self._schedule_check(protocol)

    def _schedule_check(self, protocol: Any) -> None:
        unsent = _unsent_bytes(protocol.transport)
        self._stalled[protocol] = protocol.loop.call_later(STALLED_SECONDS, self._check_stalled, protocol, unsent)

    def _check_stalled(self, protocol: Any, unsent_before: int) -> None:
        """While a connection is stalled nothing is written to it, so that the unsent bytes can only decrease."""
        if unsent_before - _unsent_bytes(protocol.transport) >= MIN_BYTES_TAKEN:
            self._schedule_check(protocol)
            return
        self._stalled.pop(protocol, None)
        protocol.transport.abort()

    def mark_drained(self, protocol: Any) -> None:
        handle = self._stalled.pop(protocol, None)
        if handle is not None:
            handle.cancel()

    def remove(self, protocol: Any) -> None:
        self.headers_received(protocol)
        self.mark_drained(protocol)

    def _time_out(self, protocol: Any) -> None:
        self._waiting.pop(protocol, None)
        if not protocol.transport.is_closing():
            protocol.transport.write(_TIMEOUT_RESPONSE)
            protocol.transport.close()

    def _log_warning(self, message: str, *values: object) -> None:
        if time.monotonic() - self._logged_at > _LOG_INTERVAL_SECONDS:
            self._logged_at = time.monotonic()
            log.warning(message, *values)


def _unsent_bytes(transport: Any) -> int:
    """Bytes that the client has not received: in the buffer of the transport and, where the system supports it, in the
    send buffer of the socket. That buffer has megabytes and accepts nothing until a third of it is free."""
    unsent, connection = int(transport.get_write_buffer_size()), transport.get_extra_info("socket")
    with suppress(OSError, ValueError, AttributeError):
        unsent += struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)))[0]
    return unsent


def command_host() -> str | None:
    """The --host of uvicorn's command line; null where another program runs the server."""
    name = Path(sys.argv[0])
    if "uvicorn" not in (name.stem, name.parent.name):
        return None
    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--host", default=os.environ.get("UVICORN_HOST", "127.0.0.1"))
    return str(parser.parse_known_args(sys.argv[1:])[0].host)


def limit_connections(protocol: Any = HttpToolsProtocol) -> None:
    """Applies the limits to all servers of this process. A second call has no effect."""
    if getattr(protocol, "pipeline_health_limits", None) is None:
        protocol.pipeline_health_limits = limits = ConnectionLimiter(max_connections())
        _extend(protocol, limits)


def _extend(protocol: Any, limits: ConnectionLimiter) -> None:
    connected, lost, received = protocol.connection_made, protocol.connection_lost, protocol.data_received
    began, complete = protocol.on_message_begin, protocol.on_headers_complete
    paused, resumed = protocol.pause_writing, protocol.resume_writing

    def connection_made(self: Any, transport: Any) -> None:
        connected(self, transport)
        limits.register(self)

    def connection_lost(self: Any, exc: Exception | None) -> None:
        limits.remove(self)
        lost(self, exc)

    def data_received(self: Any, data: bytes) -> None:
        received(self, data)
        # Restarts the time for headers where the data did not complete a request.
        idle = self.cycle is None or self.cycle.response_complete
        closing = self.timeout_keep_alive_task is not None or self.transport.is_closing()
        if self in self.connections and idle and not closing:
            limits.await_headers(self)

    def on_message_begin(self: Any) -> None:
        began(self)
        self.scope[PEER] = self.client

    def on_headers_complete(self: Any) -> None:
        limits.headers_received(self)
        complete(self)

    def pause_writing(self: Any) -> None:
        paused(self)
        limits.mark_stalled(self)

    def resume_writing(self: Any) -> None:
        limits.mark_drained(self)
        resumed(self)

    for method in (
        connection_made,
        connection_lost,
        data_received,
        on_message_begin,
        on_headers_complete,
        pause_writing,
        resume_writing,
    ):
        setattr(protocol, method.__name__, method)


async def watch_descriptors(every_seconds: float = 1.0) -> None:
    """Runs until cancelled. Logs, once per minute, that the process has no free file descriptor: the event loop then
    closes new connections silently."""
    logged_at = float("-inf")
    while True:
        if not _has_descriptor() and time.monotonic() - logged_at > _LOG_INTERVAL_SECONDS:
            logged_at = time.monotonic()
            soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
            log.error(
                "All %d file descriptors are in use: new connections are refused until some are closed; raise the "
                "limit (ulimit -n, LimitNOFILE) if this lasts.",
                soft,
            )
        await asyncio.sleep(every_seconds)


def _has_descriptor() -> bool:
    try:
        os.close(os.dup(2))
    except OSError as error:
        return error.errno not in (errno.EMFILE, errno.ENFILE)
    return True
