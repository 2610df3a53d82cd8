"""python -m demo: the simulated GitHub with the acme account, on loopback."""

import argparse
import os
import sys
import threading
from functools import partial
from pathlib import Path

from demo.github.app import GitHub
from demo.server import add_server_options, listen_or_exit, serve
from demo.webhooks.events import send_continuously
from demo.world.account import Account
from demo.world.live import StateFile
from demo.world.world import World

_SAVE_INTERVAL_SECONDS = 20


def main() -> int:
    options = _parser().parse_args()
    if options.unless and os.environ.get(options.unless, "").strip():
        print(f"{options.unless} is set: no GitHub to simulate.", flush=True)
        return 0
    listener = listen_or_exit(options.host, options.port)
    world, state = World(), StateFile(options.state)
    account = Account(world, start=state.start, spans=state.spans)
    try:
        state.save(account.span)
    except OSError as error:
        print(f"--state {options.state}: cannot be written: {error.strerror}.", file=sys.stderr)
        return 2
    stop = threading.Event()
    saver = threading.Thread(target=_save_state, args=(state, account, stop), daemon=True)
    saver.start()
    webhooks = partial(send_continuously, world, options.webhooks, options.webhook_secret) if options.webhooks else None
    try:
        serve(GitHub(world, rate_limit=options.rate_limit), listener, webhooks)
    finally:
        stop.set()
        saver.join()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    add_server_options(parser)
    parser.add_argument(
        "--unless", metavar="NAME", help="print a note and end if this variable is set: there is a real GitHub to watch"
    )
    parser.add_argument("--state", type=Path, help="file that keeps the account between starts")
    parser.add_argument("--webhooks", metavar="URL", help="send webhooks of new events to this address")
    parser.add_argument("--webhook-secret", default="", metavar="S", help="secret that signs the webhooks")
    return parser


def _save_state(state: StateFile, account: Account, stop: threading.Event) -> None:
    while not stop.wait(_SAVE_INTERVAL_SECONDS):
        state.save(account.span)
    state.save(account.span, final=True)


if __name__ == "__main__":
    sys.exit(main())
