"""python -m demo: GitHub's API with an account that looks alive, on loopback."""

import argparse
import signal
import socket
import sys
import threading
from pathlib import Path

import uvicorn

from demo.app import create_app
from demo.serve import Memory, tcp_socket
from demo.world import World

_NOTE_SECONDS = 20
# Jobs are asked for by the thousand in the first sync; the limit is there to be seen, not to be hit.
_RATE_LIMIT = 50_000


def main() -> int:
    options = _options()
    listener = _listen(options.host, options.port)
    if listener is None:
        return 2
    memory = Memory(options.state)
    world = memory.world()
    try:
        memory.note(world)
    except OSError as error:
        print(f"--state {options.state}: cannot be written: {error.strerror}.", file=sys.stderr)
        return 2
    stop = threading.Event()
    noter = threading.Thread(target=_note, args=(memory, world, stop), daemon=True)
    noter.start()
    print(f"The simulated GitHub listens on http://{options.host}:{listener.getsockname()[1]}", flush=True)
    app = create_app(world, rate_limit=_RATE_LIMIT)
    signal.signal(signal.SIGTERM, _interrupt)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, lifespan="off", ws="none", timeout_graceful_shutdown=2
    )
    try:
        uvicorn.Server(config).run(sockets=[listener])
    except KeyboardInterrupt:
        pass  # uvicorn has shut down in order and raises the signal again
    finally:
        stop.set()
        noter.join()
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=3999)
    parser.add_argument("--state", type=Path, help="file that remembers the account between starts")
    return parser.parse_args()


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
