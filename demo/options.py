"""The command line of python -m demo."""

import argparse
import re
from pathlib import Path

from demo.limits import Limits

# Jobs are asked for by the thousand in the first sync; the limit is there to be seen, not to be hit.
_RATE_LIMIT = 50_000


def read_options(description: str | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo", description=description)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=3999)
    parser.add_argument(
        "--unless", metavar="NAME", help="say so and end where this variable is set: there is a real GitHub to watch"
    )
    parser.add_argument("--state", type=Path, help="file that remembers the account between starts")
    parser.add_argument(
        "--scale", type=_size, metavar="RxN", help="serve a generated account of R repositories x N runs"
    )
    parser.add_argument("--days", type=float, default=30, help="how far back a generated account goes")
    parser.add_argument("--seed", default="scale", help="of a generated account")
    parser.add_argument("--latency", type=float, default=0, metavar="MS", help="milliseconds before each answer")
    parser.add_argument("--limits", type=_limits, default="none", metavar="none|published", help="secondary limits")
    parser.add_argument("--rate-limit", type=_rate, default=_RATE_LIMIT, metavar="N|none", help="requests an hour")
    parser.add_argument("--control", action="store_true", help="let a test harness steer it under /_control/")
    parser.add_argument("--webhooks", metavar="URL", help="send webhooks of what happens to this address")
    parser.add_argument("--webhook-secret", default="", metavar="S", help="that they are signed with")
    return parser.parse_args()


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)x(\d+)", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is not like 5x2000")
    return int(found[1]), int(found[2])


def _limits(text: str) -> Limits | None:
    if text not in ("none", "published"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither none nor published")
    return Limits() if text == "published" else None


def _rate(text: str) -> int | None:
    if text != "none" and not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number nor none")
    return None if text == "none" else int(text)
