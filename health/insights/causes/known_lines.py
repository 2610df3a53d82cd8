"""The sketches of a job's successful logs in the database: read for failed logs, and stored."""

from sqlalchemy.orm import Session

from db.logs.log_sketches import SketchedJob, SuccessfulJob, sketches_of, store_sketch
from health.insights.causes.novelty import NONE_KNOWN, KnownLines, decode, job_name_hash


def sketched_job(repository_id: int, workflow_id: int, name: str) -> SketchedJob:
    """The job of this name over all runs of its workflow."""
    return SketchedJob(repository_id, workflow_id, job_name_hash(name))


def known_lines(session: Session, job: SketchedJob) -> KnownLines:
    """The lines of successful logs with which a failed log of the job is compared."""
    known = NONE_KNOWN
    for content in sketches_of(session, job):
        known |= decode(content)
    return known


def store(session: Session, job: SketchedJob, sample: SuccessfulJob, content: bytes) -> int:
    """Stores the sketch of a successful log within the limits; returns the number of failed logs whose causes are
    extracted again because of it."""
    return store_sketch(session, job, sample, content, is_same_job=lambda name: is_same(job, name))


def is_same(job: SketchedJob, name: str) -> bool:
    """Whether a job of the same workflow with this name is the same job."""
    return job_name_hash(name) == job.name_hash
