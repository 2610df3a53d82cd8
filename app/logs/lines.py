"""A line of GitHub's logs: when it was written, what the runner says it is, and its text. Pure."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from app.logs.ansi import Style, pieces, plain

TIMESTAMP = r"\ufeff?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z ?\ufeff?"
KINDS = ("error", "warning", "notice", "debug", "command", "section", "group", "endgroup")
# What a window shows of one line; the whole of it is in the download.
LONGEST = 5_000
_TIMESTAMP = re.compile(TIMESTAMP)
_KIND = re.compile(rf"(?:##)?\[({'|'.join(KINDS)})\]")
_WITHOUT_HASHES = ("command",)
_MARK_TEXT = 200


@dataclass(frozen=True)
class Line:
    """`at` is milliseconds since 1970 UTC; `cut` how many characters are not in `pieces`."""

    at: int | None
    kind: str
    pieces: list[tuple[str, Style]]
    cut: int


def read(raw: str) -> Line:
    written, kind, body = _parts(raw)
    shown = pieces(body[:LONGEST])
    return Line(_milliseconds(written), kind, shown, max(len(body) - LONGEST, 0))


def text_of(raw: str) -> str:
    """Without its time, its mark and its colours."""
    return plain(_parts(raw)[2])


def summary(raw: str) -> str:
    """For a list of marks."""
    return text_of(raw[: 10 * _MARK_TEXT]).strip()[:_MARK_TEXT]


def _parts(raw: str) -> tuple[str, str, str]:
    stamp = _TIMESTAMP.match(raw)
    written = stamp[0] if stamp else ""
    body = raw[len(written) :]
    mark = _KIND.match(body)
    if mark is None or (not body.startswith("##") and mark[1] not in _WITHOUT_HASHES):
        return written, "", body
    return written, mark[1], body[mark.end() :]


def _milliseconds(written: str) -> int | None:
    """GitHub writes seven digits of a second."""
    if not written:
        return None
    seconds, _, fraction = written.strip(" \ufeff").removesuffix("Z").partition(".")
    try:
        moment = datetime.fromisoformat(seconds).replace(tzinfo=UTC)
    except ValueError:
        return None
    return int(moment.timestamp()) * 1000 + int((fraction or "0")[:3].ljust(3, "0"))
