"""Connections of uvicorn, which has limits for none of this: how long headers may take and an answer may wait for its
reader, how many connections there are, and a line in the log where descriptors are used up.

The programs are started by uvicorn's and Streamlit's own commands, too, which offer no place for a protocol of ours:
its methods are extended where they are."""

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
# In the scope of a request: address and port of the connection itself, whoever it says that it speaks for.
PEER = "pipeline_health.peer"
HEADER_SECONDS = 10.0
# A reader that takes less than so many bytes in so many seconds is cut off, and with it what is kept in memory for it:
# a byte a minute would hold that as long as nothing at all.
STALLED_SECONDS, MIN_BYTES_TAKEN = 60.0, 32 * 1024
_MAX_CONNECTIONS, _MIN_CONNECTIONS = 1_000, 32
_LOG_INTERVAL_SECONDS = 60.0
_TIMEOUT_RESPONSE = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_UNAVAILABLE_RESPONSE = (
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 5\r\ncontent-length: 0\r\n\r\n"
)


def max_connections() -> int:
    """Half of the descriptors that the process may have: a websocket and the question behind it take more than one."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return (
        _MAX_CONNECTIONS if soft == resource.RLIM_INFINITY else max(_MIN_CONNECTIONS, min(_MAX_CONNECTIONS, soft // 2))
    )


class ConnectionLimiter:
    """Those of one process. `waiting`: the ones whose headers are not complete, the oldest first."""

    def __init__(self, capacity: int) -> None:
        self._most = capacity
        self._waiting: dict[Any, asyncio.TimerHandle] = {}
        self._stalled: dict[Any, asyncio.TimerHandle] = {}
        self._complained_at = float("-inf")

    def register(self, protocol: Any) -> None:
        self.await_headers(protocol)
        if len(protocol.connections) <= self._most:
            return
        self._log_warning(
            "%d connections are open, as many as this process takes: the oldest that sent no request are closed.",
            self._most,
        )
        oldest = next(iter(self._waiting), protocol)
        if oldest is protocol:
            protocol.transport.write(_UNAVAILABLE_RESPONSE)
            protocol.transport.close()
        else:
            oldest.transport.abort()
        self.remove(oldest)

    def await_headers(self, protocol: Any) -> None:
        """For complete headers, from now on."""
        if protocol not in self._waiting:
            self._waiting[protocol] = protocol.loop.call_later(HEADER_SECONDS, self._time_out, protocol)

    def headers_received(self, protocol: Any) -> None:
        handle = self._waiting.pop(protocol, None)
        if handle is not None:
            handle.cancel()

    def mark_stalled(self, protocol: Any) -> None:
        if protocol not in self._stalled:
            self._schedule_check(protocol)

    def _schedule_check(self, protocol: Any) -> None:
        waiting = _unsent_bytes(protocol.transport)
        self._stalled[protocol] = protocol.loop.call_later(STALLED_SECONDS, self._check_stalled, protocol, waiting)

    def _check_stalled(self, protocol: Any, waiting_before: int) -> None:
        """Nothing is written to a connection while it is stalled: what waits for the reader only gets less."""
        if waiting_before - _unsent_bytes(protocol.transport) >= MIN_BYTES_TAKEN:
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
        if time.monotonic() - self._complained_at > _LOG_INTERVAL_SECONDS:
            self._complained_at = time.monotonic()
            log.warning(message, *values)


def _unsent_bytes(transport: Any) -> int:
    """What the other end has not received: the buffers of this process and, where the system says it, those of the
    connection. They are megabytes, and let nothing follow until a third of them is free."""
    waiting, connection = int(transport.get_write_buffer_size()), transport.get_extra_info("socket")
    with suppress(OSError, ValueError, AttributeError):
        waiting += struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)))[0]
    return waiting


def command_host() -> str | None:
    """The address that uvicorn's own command was told to listen at; null where another program serves this one."""
    name = Path(sys.argv[0])
    if "uvicorn" not in (name.stem, name.parent.name):
        return None
    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--host", default=os.environ.get("UVICORN_HOST", "127.0.0.1"))
    return str(parser.parse_known_args(sys.argv[1:])[0].host)


def limit_connections(protocol: Any = HttpToolsProtocol) -> None:
    """Of this process, whoever starts its server. A second call changes nothing."""
    if getattr(protocol, "pipeline_health_limits", None) is None:
        protocol.pipeline_health_limits = limits = ConnectionLimiter(max_connections())
        _extend(protocol, limits)


def _extend(protocol: Any, limits: ConnectionLimiter) -> None:
    made, lost, received = protocol.connection_made, protocol.connection_lost, protocol.data_received
    began, complete = protocol.on_message_begin, protocol.on_headers_complete
    paused, resumed = protocol.pause_writing, protocol.resume_writing

    def connection_made(self: Any, transport: Any) -> None:
        made(self, transport)
        limits.register(self)

    def connection_lost(self: Any, exc: Exception | None) -> None:
        limits.remove(self)
        lost(self, exc)

    def data_received(self: Any, data: bytes) -> None:
        received(self, data)
        # Whatever came was no complete request: the time until the next one runs.
        idle = self.cycle is None or self.cycle.response_complete
        ends = self.timeout_keep_alive_task is not None or self.transport.is_closing()
        if self in self.connections and idle and not ends:
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
        connection_made, connection_lost, data_received, on_message_begin, on_headers_complete, pause_writing,
        resume_writing,
    ):  # fmt: skip
        setattr(protocol, method.__name__, method)


async def watch_descriptors(every_seconds: float = 1.0) -> None:
    """Without end: a line in the log, once a minute, while the process has no descriptor left. The event loop closes
    new connections then without a word."""
    told_at = float("-inf")
    while True:
        if not _has_descriptor() and time.monotonic() - told_at > _LOG_INTERVAL_SECONDS:
            told_at = time.monotonic()
            soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
            log.error(
                "All %d file descriptors are in use: new connections are refused until some are closed; raise the "
                "limit (ulimit -n, LimitNOFILE) if this lasts.", soft
            )  # fmt: skip
        await asyncio.sleep(every_seconds)


def _has_descriptor() -> bool:
    try:
        os.close(os.dup(2))
    except OSError as error:
        return error.errno not in (errno.EMFILE, errno.ENFILE)
    return True
