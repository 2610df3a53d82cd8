"""python -m demo: GitHub's API with an account that looks alive, on loopback."""

import argparse
import socket
import sys
import threading
from pathlib import Path

import uvicorn

from demo.app import create_app
from demo.serve import Memory, remembered_world

_NOTE_SECONDS = 20


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=3999)
    parser.add_argument("--state", type=Path, help="file that remembers the history between starts")
    options = parser.parse_args()
    listener = _listen(options.host, options.port)
    if listener is None:
        return 2
    memory = Memory(options.state)
    # Many small jobs a second are asked for on the first sync; the limit is there to be seen, not to be hit.
    app = create_app(remembered_world(memory), rate_limit=50_000)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off"))
    stop = threading.Event()
    noter = threading.Thread(target=_note, args=(memory, stop), daemon=True)
    noter.start()
    print(f"The simulated GitHub listens on http://{options.host}:{options.port}", flush=True)
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        pass  # uvicorn has shut down in order and raises the signal again
    finally:
        stop.set()
        noter.join()
    return 0


def _listen(host: str, port: int) -> socket.socket | None:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        print(f"--port {port}: cannot listen on {host}: {error}; choose another port.", file=sys.stderr)
        return None
    return listener


def _note(memory: Memory, stop: threading.Event) -> None:
    memory.note()
    while not stop.wait(_NOTE_SECONDS):
        memory.note()
    memory.note()


if __name__ == "__main__":
    sys.exit(main())
