"""python -m demo: GitHub's API with an account that looks alive, on loopback."""

import argparse
import os
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable
from functools import partial

import uvicorn

from demo.app import create_app
from demo.control import MovableClock
from demo.live_hooks import tell
from demo.options import read_options
from demo.scale import build
from demo.serve import Memory, Serving, tcp_socket
from demo.world import World

_NOTE_SECONDS = 20


def main() -> int:
    options = read_options(__doc__)
    if options.unless and os.environ.get(options.unless, "").strip():
        print(f"{options.unless} is set: no GitHub to simulate.", flush=True)
        return 0
    listener = _listen(options.host, options.port)
    if listener is None:
        return 2
    world, memory = _opened(options)
    try:
        memory.note(world)
    except OSError as error:
        print(f"--state {options.state}: cannot be written: {error.strerror}.", file=sys.stderr)
        return 2
    stop = threading.Event()
    noter = threading.Thread(target=_note, args=(memory, world, stop), daemon=True)
    noter.start()
    print(f"The simulated GitHub listens on http://{options.host}:{listener.getsockname()[1]}", flush=True)
    app = create_app(
        world, rate_limit=options.rate_limit, latency=options.latency / 1000, limits=options.limits,
        control=options.control,
    )  # fmt: skip
    signal.signal(signal.SIGTERM, _interrupt)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, lifespan="off", ws="none", timeout_graceful_shutdown=2
    )
    try:
        Serving(config, _beside(options, world)).run(sockets=[listener])
    except KeyboardInterrupt:
        pass  # uvicorn has shut down in order and raises the signal again
    finally:
        stop.set()
        noter.join()
    return 0


def _opened(options: argparse.Namespace) -> tuple[World, Memory]:
    """The acme account, or a generated one, which nothing is remembered of."""
    if options.scale is None:
        memory = Memory(options.state)
        return memory.world(), memory
    repositories, runs = options.scale
    clock = MovableClock()
    return build(clock, repositories=repositories, runs=runs, days=options.days, seed=options.seed), Memory(None)


def _beside(options: argparse.Namespace, world: World) -> Callable[[], Awaitable[None]] | None:
    return partial(tell, world, options.webhooks, options.webhook_secret) if options.webhooks else None


def _listen(host: str, port: int) -> socket.socket | None:
    listener = tcp_socket(host)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else "allowed is 0 to 65535"
        print(f"--port {port}: cannot listen on {host}: {reason}; choose another port.", file=sys.stderr)
        listener.close()
        return None
    return listener


def _interrupt(number: int, frame: object) -> None:
    """uvicorn raises the signal again once it has shut down; without this it would end the program before the note."""
    raise KeyboardInterrupt


def _note(memory: Memory, world: World, stop: threading.Event) -> None:
    while not stop.wait(_NOTE_SECONDS):
        memory.note(world)
    memory.note(world, last=True)


if __name__ == "__main__":
    sys.exit(main())
