"""Fetching the log of one job."""

from collections import deque

import requests

from collector.github.client import Client
from collector.github.errors import Forbidden, Gone, NotFound, Unreachable
from collector.github.pagination import pages
from collector.github.payloads import AnnotationPayload
from collector.logs.excerpt import Excerpt, excerpt
from collector.logs.fingerprint import fingerprint
from db.queries.wanted_logs import WantedLog
from db.store.records import LogRecord
from db.vocabulary import LogState

# Of a longer log the head and the tail are kept: the set-up and the failure.
HEAD_BYTES, TAIL_BYTES = 2_000_000, 6_000_000
_CHUNK = 65_536


def fetch_log(client: Client, repo: str, wanted: WantedLog) -> LogRecord | None:
    """Null when there is no such log (yet): right after a job's end, and for ever for some cancelled ones."""
    try:
        with client.download(f"/repos/{repo}/actions/jobs/{wanted.job_id}/logs") as response:
            text, size, cut = _read(response)
    except NotFound:
        return None
    except Gone:
        return LogRecord(wanted.job_id, wanted.run_id, LogState.EXPIRED)
    found = excerpt(text.splitlines())
    error_line = _cause(client, repo, wanted, found) if wanted.failed else None
    return LogRecord(
        job_id=wanted.job_id,
        run_id=wanted.run_id,
        state=LogState.STORED,
        text=text,
        size_bytes=size,
        truncated=cut,
        excerpt_first_line=found.first_line,
        excerpt=found.lines,
        error_line=error_line,
        fingerprint=fingerprint(error_line),
    )


def _read(response: requests.Response) -> tuple[str, int, bool]:
    """Text, size in bytes as sent, and whether the middle was left out."""
    head, tail = bytearray(), deque[bytes]()
    kept = left_out = 0
    try:
        for chunk in response.iter_content(_CHUNK):
            room = HEAD_BYTES - len(head)
            head += chunk[:room]
            if rest := chunk[room:]:
                tail.append(rest)
                kept += len(rest)
            while kept - len(tail[0] if tail else b"") > TAIL_BYTES:
                dropped = len(tail.popleft())
                kept, left_out = kept - dropped, left_out + dropped
    except requests.RequestException:
        raise Unreachable("the download of a log broke off") from None
    size = len(head) + kept + left_out
    if left_out:
        mark = f"\n[Pipeline Health left out {left_out:,} bytes here; the whole log is on GitHub]\n".encode()
        return _decode(bytes(head) + mark + b"".join(tail)), size, True
    return _decode(bytes(head) + b"".join(tail)), size, False


def _decode(raw: bytes) -> str:
    return raw.decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n").replace("\x00", "\ufffd")


def _cause(client: Client, repo: str, wanted: WantedLog, found: Excerpt) -> str | None:
    """When a runner dies, its log just ends; the reason stands in the annotations of the check run alone."""
    if found.error_line:
        return found.error_line
    path = f"/repos/{repo}/check-runs/{wanted.job_id}/annotations"
    try:
        for page in pages(client, path, None, AnnotationPayload):
            for annotation in page.items:
                if annotation.annotation_level == "failure" and annotation.message:
                    return " ".join(annotation.message.split())[:500]
    except (NotFound, Forbidden):
        return None  # the token may not read checks: the log without a cause is still worth keeping
    return None
