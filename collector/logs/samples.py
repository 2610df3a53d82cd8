"""Samples: successful logs of jobs that failed lately, which are sketched and not stored.

They use requests that nothing else needs: a small share of the hourly limit, only while at least half of it is left and
no log of a failed job is pending."""

import logging
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial

from collector.context import CollectorContext
from collector.github.errors import Forbidden, GitHubError, RateLimited, Unauthorized
from collector.github.spare_budget import SpareBudget
from collector.logs.buffer import HEAD_BYTES, TAIL_BYTES, LogBuffer
from collector.logs.excerpt import sketch_text
from collector.logs.fetch import log_chunks
from core.logging import log_context
from db.engine import session_scope, write_scope
from db.logs.log_sketches import (
    SketchedJob,
    SuccessfulJob,
    jobs_to_sketch,
    successful_job,
)
from health.insights.causes.known_lines import is_same, store
from health.insights.causes.novelty import job_name_hash

logger = logging.getLogger(__name__)
# Jobs are sampled that failed within this time.
_FAILED_WITHIN = timedelta(days=3)
# The greatest age of the run of a sample. A job with a sketch of a run within this time has one: if only a shorter time
# counted, the log of an older sample would be read again and again.
_SAMPLED_WITHIN = timedelta(days=14)
_RETRY_AFTER = timedelta(days=1)
# Of a longer log, the start is read.
MAX_SAMPLE_BYTES = HEAD_BYTES + TAIL_BYTES
# Requests an hour as a share of the hourly limit; bytes an hour.
HOURLY_SHARE, HOURLY_BYTES = 0.02, 100_000_000
# Jobs that are searched for, and logs that are read, in one pass.
_SEARCHED_JOBS, _LOGS_PER_PASS = 20, 5


class SampleCollector:
    """`has_backlog`: whether logs of failed jobs may be pending."""

    def __init__(self, context: CollectorContext, has_backlog: Callable[[], bool], *, is_enabled: bool) -> None:
        self._engine, self._client, self._clock = context.engine, context.client, context.clock
        self._stop, self._has_backlog, self._is_enabled = context.stop, has_backlog, is_enabled
        self._budget = SpareBudget(context.client, context.clock, hourly_share=HOURLY_SHARE, hourly_bytes=HOURLY_BYTES)
        # When to search again for a sample of a job that has none, and when a repository's logs may be read again.
        self._retry_at: dict[SketchedJob, datetime] = {}
        self._forbidden_until: dict[int, datetime] = {}

    def run(self, repositories: Mapping[int, str]) -> int:
        """Sketches logs of jobs of these repositories (owner/name by id) within the budget; returns their number.
        Raises RateLimited."""
        now = self._clock()
        allowed = {key for key in repositories if now >= self._forbidden_until.get(key, now)}
        if not self._is_enabled or not allowed or self._is_over():
            return 0
        self._retry_at = {job: at for job, at in self._retry_at.items() if at > now}
        with session_scope(self._engine) as session:
            jobs = jobs_to_sketch(
                session,
                allowed,
                job_name_hash,
                failed_since=now - _FAILED_WITHIN,
                sketched_since=now - _SAMPLED_WITHIN,
            )
        sketched = 0
        for job in [job for job in jobs if job not in self._retry_at][:_SEARCHED_JOBS]:
            if sketched >= _LOGS_PER_PASS or self._is_over():
                break
            self._retry_at[job] = now + _RETRY_AFTER
            if now < self._forbidden_until.get(job.repository_id, now):
                continue
            with session_scope(self._engine) as session:
                sample = successful_job(session, job, partial(is_same, job), now - _SAMPLED_WITHIN)
            sketched += sample is not None and self._sketch(job, repositories[job.repository_id], sample)
        return sketched

    def _is_over(self) -> bool:
        return self._stop.is_set() or self._has_backlog() or not self._budget.allows_request()

    def _sketch(self, job: SketchedJob, repo: str, sample: SuccessfulJob) -> bool:
        """Returns whether the log was sketched."""
        buffer = LogBuffer()
        try:
            path = f"/repos/{repo}/actions/jobs/{sample.job_id}/logs"
            with closing(log_chunks(self._client, path, self._stop)) as chunks:
                for chunk in chunks:
                    buffer.add(chunk)
                    if buffer.size >= MAX_SAMPLE_BYTES:
                        break
        except RateLimited:
            raise
        except GitHubError as error:
            if isinstance(error, Forbidden | Unauthorized):
                self._forbidden_until[job.repository_id] = self._clock() + _RETRY_AFTER
            with log_context(repository=repo):
                logger.debug("no sample of the log of job %s: %s", sample.job_id, error)
            return False
        finally:
            self._budget.spend(buffer.size)
        content = sketch_text(buffer.finish()[0])
        with write_scope(self._engine) as session:
            store(session, job, sample, content)
        return True
