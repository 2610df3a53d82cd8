"""Downloads logs: of one job, or of all jobs of an attempt as an archive."""

import logging
import tempfile
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from operator import or_
from typing import IO, Any, TypeVar

import requests

from collector.github.client import GitHubClient
from collector.github.errors import Gone, InvalidResponse, NotFound, Unreachable
from collector.logs.annotations import Annotation, fetch_annotations
from collector.logs.archive import InvalidArchive, LogArchive
from collector.logs.budget import CPU_BUDGET, CpuBudget, CpuBudgetExceeded
from collector.logs.buffer import LogBuffer, compress
from collector.logs.excerpt import LogExcerpt, excerpt_text, sketch_text
from core.http.client import ResponseLimitExceeded
from core.work import report_progress
from db.definitions.records import CauseRecord, LogRecord
from db.enums import LogState
from db.logs.log_writes import MAX_ATTEMPTS
from db.logs.pending_logs import PendingLog
from health.insights.causes.extraction import CAUSE_VERSION
from health.insights.causes.job_causes import (
    FailedJob,
    annotation_record,
    cause_of_text,
    cause_records,
    combined,
)
from health.insights.causes.novelty import NONE_KNOWN, KnownLines, decode

logger = logging.getLogger(__name__)

MAX_ARCHIVE_BYTES = 500_000_000
# The download of a longer log is aborted.
MAX_LOG_BYTES = 4_000_000_000
_CHUNK = 65_536
# Tries to fetch a missing log, from 0, at which annotations are requested.
_ANNOTATED_TRIES = (0, MAX_ATTEMPTS - 1)
# One log at a time is analyzed and compressed: that uses a core and twice the memory of the log.
_FINISH_LOCK = threading.Lock()
T = TypeVar("T")


@dataclass(frozen=True)
class FetchedLog:
    """`content`: the text, compressed with zlib, so that logs that wait to be stored use little memory. The state
    MISSING means that GitHub has no such log: not yet, right after the end of a job, or never, for some cancelled
    jobs. `sketch`: of a successful job, where one was requested."""

    record: LogRecord
    content: bytes | None = None
    sketch: bytes | None = None


@dataclass(frozen=True)
class Comparison:
    """`sketches`: of successful logs with which a failed log is compared. `is_sketched`: the log is sketched itself."""

    sketches: Sequence[bytes] = ()
    is_sketched: bool = False

    @property
    def known(self) -> KnownLines:
        """The lines of the sketches."""
        return reduce(or_, map(decode, self.sketches), NONE_KNOWN)


NO_COMPARISON = Comparison()


class DownloadStopped(Unreachable):
    """The program stops."""


def fetch_log(
    client: GitHubClient,
    repo: str,
    log: PendingLog,
    stop: threading.Event,
    comparison: Comparison = NO_COMPARISON,
) -> FetchedLog:
    """The log of one job. Raises GitHubError."""
    path = f"/repos/{repo}/actions/jobs/{log.job_id}/logs"

    def read() -> LogBuffer:
        buffer = LogBuffer()
        for chunk in log_chunks(client, path, stop):
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
    return log_from_buffer(client, repo, log, buffer, comparison)


def fetch_archive(client: GitHubClient, repo: str, run_id: int, attempt: int, stop: threading.Event) -> LogArchive:
    """The log archive of an attempt, in a temporary file without a name; the caller must close it. Raises
    InvalidArchive and GitHubError."""
    path = f"/repos/{repo}/actions/runs/{run_id}/attempts/{attempt}/logs"

    def read() -> IO[bytes]:
        file = tempfile.TemporaryFile(prefix="pipeline-health-")  # noqa: SIM115 - handed over
        try:
            for chunk in log_chunks(client, path, stop):
                file.write(chunk)
                if file.tell() > MAX_ARCHIVE_BYTES:
                    raise InvalidArchive(f"it is larger than {MAX_ARCHIVE_BYTES:,} bytes")
            file.flush()
        except OSError as error:
            file.close()
            raise InvalidArchive(
                f"there is not enough space for it in {tempfile.gettempdir()} ({error.strerror})"
            ) from None
        except BaseException:
            file.close()
            raise
        return file

    return LogArchive(_retry_once(read))


def log_from_buffer(
    client: GitHubClient,
    repo: str,
    log: PendingLog,
    buffer: LogBuffer,
    comparison: Comparison = NO_COMPARISON,
) -> FetchedLog:
    with _FINISH_LOCK:
        budget = CpuBudget()
        text, is_truncated = buffer.finish()
        try:
            known = comparison.known
            job = FailedJob(repo, log.name, log.step_name, log.step, known)
            excerpt = excerpt_text(text, job, budget)
        except CpuBudgetExceeded:
            logger.warning(
                "%s: no excerpt of the log of job %s: it took more than %g s of CPU time; the log is stored",
                repo,
                log.job_id,
                CPU_BUDGET,
            )
            excerpt = LogExcerpt(1, ())
        content = compress(text)
        sketch = sketch_text(text) if comparison.is_sketched else None
        del text

    read_annotations = partial(fetch_annotations, client, repo, log.job_id)
    causes = choose_causes(excerpt, read_annotations) if log.failed else ()
    record = LogRecord(
        job_id=log.job_id,
        run_id=log.run_id,
        state=LogState.STORED,
        size_bytes=buffer.size,
        truncated=is_truncated,
        excerpt_first_line=excerpt.first_line,
        excerpt=excerpt.lines,
        compared=bool(known),
        **cause_fields(causes),
    )
    return FetchedLog(record, content, sketch)


def log_without_text(client: GitHubClient, repo: str, log: PendingLog, state: LogState) -> FetchedLog:
    """The record of a log that GitHub does not have. The annotations of the job, which GitHub keeps longer, may name
    the cause."""
    causes: tuple[CauseRecord, ...] = ()
    if log.failed and not log.cause_known and (state != LogState.MISSING or log.tries in _ANNOTATED_TRIES):
        causes = annotation_causes(fetch_annotations(client, repo, log.job_id))
    record = LogRecord(log.job_id, log.run_id, state, **cause_fields(causes))
    return FetchedLog(record)


def choose_causes(excerpt: LogExcerpt, read_annotations: Callable[[], Sequence[Annotation]]) -> tuple[CauseRecord, ...]:
    """The causes in the log and in the annotations. Only the annotations name the reason if a runner was lost, where
    the log just ends, or after a timeout, where it reports a cancellation. So they take precedence over a fallback
    line, and those of the runner over any line of a step that the runner did not close. Annotations that name a place
    in a file are further causes. They are read only if needed."""
    logged = cause_records(excerpt.causes)
    if excerpt.names_clear_cause:
        return logged
    annotations = read_annotations()
    first = annotations[0] if annotations else None
    is_named = bool(logged) and not excerpt.is_fallback
    if first is not None and (first.is_of_runner if is_named else first.names_cause):
        return combined(annotation_causes(annotations[:1]), logged if is_named else (), annotation_causes(annotations))
    if not logged and excerpt.closing:
        logged = cause_records([cause_of_text(excerpt.closing)], first_line=None)
    return combined(logged, _places(annotations)) or annotation_causes(annotations)


def annotation_causes(annotations: Sequence[Annotation]) -> tuple[CauseRecord, ...]:
    """The causes to store of annotations: the most informative one, and those that name a place in a file."""
    first = (annotation_record(annotation.line, annotation.place) for annotation in annotations[:1])
    return combined(first, _places(annotations))


def _places(annotations: Sequence[Annotation]) -> Iterator[CauseRecord]:
    for annotation in annotations:
        if annotation.place is not None and annotation.names_cause:
            yield annotation_record(annotation.line, annotation.place)


def cause_fields(causes: tuple[CauseRecord, ...]) -> dict[str, Any]:
    """The fields of a LogRecord."""
    first = causes[0] if causes else None
    return {
        "error_line": first.line if first else None,
        "fingerprint": first.fingerprint if first else None,
        "causes": causes,
        "cause_version": CAUSE_VERSION,
    }


def log_chunks(client: GitHubClient, path: str, stop: threading.Event) -> Generator[bytes, None, None]:
    """The bytes of a download as they arrive. Raises GitHubError."""
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
        raise Unreachable("the download of a log was interrupted") from None


def _retry_once(read: Callable[[], T]) -> T:
    """Reads again, once, after an interrupted download or an expired URL (403 of the storage): GitHub returns a new URL
    for each request."""
    try:
        return read()
    except DownloadStopped:
        raise
    except (Unreachable, InvalidResponse) as error:
        if isinstance(error, InvalidResponse) and not error.server_side:
            raise
    return read()
