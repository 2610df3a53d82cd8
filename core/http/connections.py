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
STALLED_SECONDS, LEAST_TAKEN = 60.0, 32 * 1024
_MOST, _LEAST = 1_000, 32
_REPEAT_SECONDS = 60.0
_LATE = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_FULL = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 5\r\ncontent-length: 0\r\n\r\n"


def most_connections() -> int:
    """Half of the descriptors that the process may have: a websocket and the question behind it take more than one."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if soft == resource.RLIM_INFINITY else max(_LEAST, min(_MOST, soft // 2))


class Connections:
    """Those of one process. `waiting`: the ones whose headers are not complete, the oldest first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: dict[Any, asyncio.TimerHandle] = {}
        self._stalled: dict[Any, asyncio.TimerHandle] = {}
        self._complained_at = float("-inf")

    def opened(self, protocol: Any) -> None:
        self.wait(protocol)
        if len(protocol.connections) <= self._most:
            return
        self._complain(
            "%d connections are open, as many as this process takes: the oldest that sent no request are closed.",
            self._most,
        )
        oldest = next(iter(self._waiting), protocol)
        if oldest is protocol:
            protocol.transport.write(_FULL)
            protocol.transport.close()
        else:
            oldest.transport.abort()
        self.forget(oldest)

    def wait(self, protocol: Any) -> None:
        """For complete headers, from now on."""
        if protocol not in self._waiting:
            self._waiting[protocol] = protocol.loop.call_later(HEADER_SECONDS, self._too_late, protocol)

    def came(self, protocol: Any) -> None:
        handle = self._waiting.pop(protocol, None)
        if handle is not None:
            handle.cancel()

    def stall(self, protocol: Any) -> None:
        if protocol not in self._stalled:
            self._look_later(protocol)

    def _look_later(self, protocol: Any) -> None:
        waiting = _waiting_bytes(protocol.transport)
        self._stalled[protocol] = protocol.loop.call_later(STALLED_SECONDS, self._look, protocol, waiting)

    def _look(self, protocol: Any, waiting_before: int) -> None:
        """Nothing is written to a connection while it is stalled: what waits for the reader only gets less."""
        if waiting_before - _waiting_bytes(protocol.transport) >= LEAST_TAKEN:
            self._look_later(protocol)
            return
        self._stalled.pop(protocol, None)
        protocol.transport.abort()

    def drain(self, protocol: Any) -> None:
        handle = self._stalled.pop(protocol, None)
        if handle is not None:
            handle.cancel()

    def forget(self, protocol: Any) -> None:
        self.came(protocol)
        self.drain(protocol)

    def _too_late(self, protocol: Any) -> None:
        self._waiting.pop(protocol, None)
        if not protocol.transport.is_closing():
            protocol.transport.write(_LATE)
            protocol.transport.close()

    def _complain(self, line: str, *values: object) -> None:
        if time.monotonic() - self._complained_at > _REPEAT_SECONDS:
            self._complained_at = time.monotonic()
            log.warning(line, *values)


def _waiting_bytes(transport: Any) -> int:
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
        protocol.pipeline_health_limits = limits = Connections(most_connections())
        _extend(protocol, limits)


def _extend(protocol: Any, limits: Connections) -> None:
    made, lost, received = protocol.connection_made, protocol.connection_lost, protocol.data_received
    began, complete = protocol.on_message_begin, protocol.on_headers_complete
    paused, resumed = protocol.pause_writing, protocol.resume_writing

    def connection_made(self: Any, transport: Any) -> None:
        made(self, transport)
        limits.opened(self)

    def connection_lost(self: Any, exc: Exception | None) -> None:
        limits.forget(self)
        lost(self, exc)

    def data_received(self: Any, data: bytes) -> None:
        received(self, data)
        # Whatever came was no complete request: the time until the next one runs.
        idle = self.cycle is None or self.cycle.response_complete
        ends = self.timeout_keep_alive_task is not None or self.transport.is_closing()
        if self in self.connections and idle and not ends:
            limits.wait(self)

    def on_message_begin(self: Any) -> None:
        began(self)
        self.scope[PEER] = self.client

    def on_headers_complete(self: Any) -> None:
        limits.came(self)
        complete(self)

    def pause_writing(self: Any) -> None:
        paused(self)
        limits.stall(self)

    def resume_writing(self: Any) -> None:
        limits.drain(self)
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
        if not _has_descriptor() and time.monotonic() - told_at > _REPEAT_SECONDS:
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
