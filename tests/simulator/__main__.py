"""python -m tests.simulator: the simulated GitHub with a generated account, on loopback."""

import argparse
import re
import sys

from demo.server import add_server_options, listen_or_exit, serve
from tests.simulator.app import create_app
from tests.simulator.control import MovableClock
from tests.simulator.limits import Limits
from tests.simulator.scale import build


def main() -> int:
    options = _parser().parse_args()
    listener = listen_or_exit(options.host, options.port)
    repositories, runs = options.scale
    world = build(MovableClock(), repositories=repositories, runs=runs, days=options.days, seed=options.seed)
    app = create_app(
        world, rate_limit=options.rate_limit, latency=options.latency / 1000, limits=options.limits,
        control=options.control,
    )  # fmt: skip
    serve(app, listener)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulator", description=__doc__)
    add_server_options(parser)
    parser.add_argument(
        "--scale", type=_size, default=(5, 2000), metavar="RxN", help="R repositories with N runs each (5x2000)"
    )
    parser.add_argument("--days", type=float, default=30, help="length of the history")
    parser.add_argument("--seed", default="scale", help="seed of the account")
    parser.add_argument("--latency", type=float, default=0, metavar="MS", help="milliseconds before each response")
    parser.add_argument("--limits", type=_limits, default=None, metavar="none|published", help="secondary rate limits")
    parser.add_argument("--control", action="store_true", help="serve the endpoints under /_control/")
    return parser


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is not like 5x2000")
    return int(match[1]), int(match[2])


def _limits(text: str) -> Limits | None:
    if text not in ("none", "published"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither none nor published")
    return Limits() if text == "published" else None


if __name__ == "__main__":
    sys.exit(main())
