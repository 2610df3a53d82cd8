"""Fetching logs: of one job, or of all jobs of a run's attempt at once."""

import logging
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import IO, TypeVar

import requests

from collector.github.client import GitHubClient
from collector.github.errors import Forbidden, Gone, InvalidResponse, NotFound, Unreachable
from collector.github.pagination import pages
from collector.github.payloads import AnnotationPayload
from collector.logs.archive import InvalidArchive, LogArchive
from collector.logs.buffer import LogBuffer, compress
from collector.logs.cause_line import CPU_BUDGET, CpuBudget, CpuBudgetExceeded
from collector.logs.excerpt import LogExcerpt, excerpt_text, is_canceled, is_closing
from core import terminal
from core.http.client import ResponseLimitExceeded
from core.work import report_progress
from db.definitions.records import LogRecord
from db.enums import LogState
from db.logs.pending_logs import PendingLog
from health.insights.fingerprints import fingerprint

logger = logging.getLogger(__name__)

MAX_ARCHIVE_BYTES = 500_000_000
# A text beyond this is not read to its end.
MAX_LOG_BYTES = 4_000_000_000
_CHUNK = 65_536
# One log at a time is put into its final form: that takes a core and, for a moment, twice the room of the log.
_FINISH_LOCK = threading.Lock()
T = TypeVar("T")


@dataclass(frozen=True)
class FetchedLog:
    """`content` is the stored text, zlib-compressed: a log waits for its turn to be stored in this form. The state
    MISSING says that there is no such log (yet): right after a job's end, and for ever for some cancelled ones."""

    record: LogRecord
    content: bytes | None = None


class DownloadStopped(Unreachable):
    """The program is about to end."""


def fetch_log(client: GitHubClient, repo: str, log: PendingLog, stop: threading.Event) -> FetchedLog:
    """Raises the errors of collector.github.errors."""
    path = f"/repos/{repo}/actions/jobs/{log.job_id}/logs"

    def read() -> LogBuffer:
        buffer = LogBuffer()
        for chunk in _chunks(client, path, stop):
            buffer.add(chunk)
            if buffer.size > MAX_LOG_BYTES:
                raise InvalidResponse(f"the log of job {log.job_id} is larger than {MAX_LOG_BYTES:,} bytes")
        return buffer

    try:
        buffer = _retry_once(read)
    except NotFound:
        return log_without_text(client, repo, log, LogState.MISSING)
    except Gone:
        return log_without_text(client, repo, log, LogState.EXPIRED)
    return log_from_buffer(client, repo, log, buffer)


def fetch_archive(client: GitHubClient, repo: str, run_id: int, attempt: int, stop: threading.Event) -> LogArchive:
    """To be closed by the caller. It lies in a file without a name, gone with the program. Raises BadArchive where it
    cannot be used, and the errors of collector.github.errors."""
    path = f"/repos/{repo}/actions/runs/{run_id}/attempts/{attempt}/logs"

    def read() -> IO[bytes]:
        file = tempfile.TemporaryFile(prefix="pipeline-health-")  # noqa: SIM115 - handed over
        try:
            for chunk in _chunks(client, path, stop):
                file.write(chunk)
                if file.tell() > MAX_ARCHIVE_BYTES:
                    raise InvalidArchive(f"it is larger than {MAX_ARCHIVE_BYTES:,} bytes")
            file.flush()
        except OSError as error:
            file.close()
            raise InvalidArchive(f"there is no room for it in {tempfile.gettempdir()} ({error.strerror})") from None
        except BaseException:
            file.close()
            raise
        return file

    return LogArchive(_retry_once(read))


def log_from_buffer(client: GitHubClient, repo: str, log: PendingLog, buffer: LogBuffer) -> FetchedLog:
    with _FINISH_LOCK:
        budget = CpuBudget()
        text, cut = buffer.finish()
        try:
            found = excerpt_text(text, log.step, budget)
        except CpuBudgetExceeded:
            logger.warning(
                "%s: no excerpt of the log of job %s: it took more than %g s of CPU time; the log is stored", repo,
                log.job_id, CPU_BUDGET,
            )  # fmt: skip
            found = LogExcerpt(1, (), None)
        content = compress(text)
        del text
    error_line = _cause_line(client, repo, log, found) if log.failed else None
    record = LogRecord(
        job_id=log.job_id,
        run_id=log.run_id,
        state=LogState.STORED,
        size_bytes=buffer.size,
        truncated=cut,
        excerpt_first_line=found.first_line,
        excerpt=found.lines,
        error_line=error_line,
        fingerprint=_fingerprint(error_line),
    )
    return FetchedLog(record, content)


def log_without_text(client: GitHubClient, repo: str, log: PendingLog, state: LogState) -> FetchedLog:
    """GitHub keeps what it noted about a job longer than the job's log."""
    line = None
    if log.failed and not log.cause_known:
        line = next(annotations(client, repo, log.job_id), None)
    record = LogRecord(log.job_id, log.run_id, state, error_line=line, fingerprint=_fingerprint(line))
    return FetchedLog(record)


def annotations(client: GitHubClient, repo: str, job_id: int) -> Iterator[str]:
    """What GitHub noted as a failure of the job, in one line each; what only says that it was cancelled, or that it
    ended, comes last."""
    path = f"/repos/{repo}/check-runs/{job_id}/annotations"
    canceled: list[str] = []
    closing: list[str] = []
    try:
        for page in islice(pages(client, path, None, AnnotationPayload), 3):
            for each in page.items:
                line = _one_line(each.message) if each.annotation_level == "failure" and each.message else ""
                if is_closing(line):
                    closing.append(line)
                elif is_canceled(line):
                    canceled.append(line)
                elif line:
                    yield line
    except (NotFound, Forbidden, Gone):
        return  # the token may not read checks: the log without a cause is still worth keeping
    yield from canceled
    yield from (line for line in closing if line)


def _one_line(message: str) -> str:
    return " ".join(" ".join(terminal.rendered_line(line) for line in message.splitlines()).split())[:500]


def _cause_line(client: GitHubClient, repo: str, wanted: PendingLog, found: LogExcerpt) -> str | None:
    """What the log names. When a runner dies, its log just ends; where time is over, it says that the job was
    cancelled: the reason stands in the annotations of the check run alone, and before any guess at a line."""
    if found.error_line and not found.is_fallback:
        return found.error_line
    noted = next(annotations(client, repo, wanted.job_id), None)
    if noted and not is_closing(noted) and not is_canceled(noted):
        return noted
    return found.error_line or found.closing or noted


def names_cause(line: str) -> bool:
    """What only says that a step ended, or was cancelled, is no cause that two failures could share."""
    return not is_closing(line) and not is_canceled(line)


def _fingerprint(line: str | None) -> str | None:
    return fingerprint(line) if line and names_cause(line) else None


def _chunks(client: GitHubClient, path: str, stop: threading.Event) -> Iterator[bytes]:
    try:
        with client.download(path) as response:
            for chunk in response.iter_content(_CHUNK):
                if stop.is_set():
                    raise DownloadStopped("the program is about to end")
                report_progress()
                yield chunk
    except ResponseLimitExceeded as error:
        raise InvalidResponse(f"the download of a log {error}") from None
    except requests.RequestException:
        raise Unreachable("the download of a log broke off") from None


def _retry_once(read: Callable[[], T]) -> T:
    """Once more for a download that breaks off, or an address that is too old (403 from the storage): GitHub gives a
    fresh one each time."""
    try:
        return read()
    except DownloadStopped:
        raise
    except (Unreachable, InvalidResponse) as error:
        if isinstance(error, InvalidResponse) and not error.server_side:
            raise
    return read()
