"""Running the simulator as a program: options, listening socket, signals, and a task beside the server."""

import argparse
import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Awaitable, Callable

import uvicorn
from starlette.types import ASGIApp

# The first sync requests the jobs of thousands of runs: the limit is shown in responses, but is not reached.
_DEFAULT_RATE_LIMIT = 50_000


def add_server_options(parser: argparse.ArgumentParser) -> None:
    """Add --host, --port and --rate-limit."""
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=3999)
    parser.add_argument(
        "--rate-limit", type=_rate_limit, default=_DEFAULT_RATE_LIMIT, metavar="N|none", help="requests an hour"
    )


def _rate_limit(text: str) -> int | None:
    if text != "none" and not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number nor none")
    return None if text == "none" else int(text)


def tcp_socket(host: str) -> socket.socket:
    """Return an unbound socket. asyncio disables Nagle's algorithm, which costs 40 ms per response, only for sockets
    whose protocol is given."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)


def listen_or_exit(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 means any free port. Without one, write the reason to stderr and end the
    program with code 2."""
    listener = tcp_socket(host)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = error.strerror if isinstance(error, OSError) else "expected a port from 0 to 65535"
        print(f"--port {port}: cannot listen on {host}: {reason}; choose another port.", file=sys.stderr)
        raise SystemExit(2) from None
    return listener


def serve(app: ASGIApp, listener: socket.socket, background: Callable[[], Awaitable[None]] | None = None) -> None:
    """Serve until SIGINT or SIGTERM. `background` runs in the same event loop: neither it nor a handler sees a change
    of the account that the other has half made."""
    host, port = listener.getsockname()[:2]
    print(f"The simulated GitHub listens on http://{host}:{port}", flush=True)
    signal.signal(signal.SIGTERM, _raise_keyboard_interrupt)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, lifespan="off", ws="none", timeout_graceful_shutdown=2
    )
    # uvicorn shuts down in order and then raises the signal again.
    with contextlib.suppress(KeyboardInterrupt):
        _Server(config, background).run(sockets=[listener])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, background: Callable[[], Awaitable[None]] | None) -> None:
        super().__init__(config)
        self._background = background

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        task = asyncio.ensure_future(self._background()) if self._background else None
        try:
            await super().serve(sockets)
        finally:
            if task:
                task.cancel()


def _raise_keyboard_interrupt(number: int, frame: object) -> None:
    """Without a handler, the signal that uvicorn raises again would end the program before its last steps."""
    raise KeyboardInterrupt
