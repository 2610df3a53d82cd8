"""Logs."""

from typing import Any

from pydantic import Field

from api.schemas.base import ProblemDocument, Schema, example

_JOB: dict[str, Any] = {
    "job_id": 20877123001, "name": "test (3.11)", "conclusion": "failure", "state": "stored",
    "excerpt": {"first_line": 412, "lines": ["E   assert 3 == 4", "##[error]Process completed with exit code 1."]},
    "text": "Current runner version: '2.330.0'\n…",
}  # fmt: skip


class Excerpt(Schema):
    first_line: int | None = Field(description="Number of the first line of the excerpt within the log, from 1")
    lines: list[str]


class JobLog(Schema):
    model_config = example(_JOB)
    job_id: int
    name: str
    conclusion: str | None
    state: str = Field(description="stored, pending, expired, missing or pruned")
    excerpt: Excerpt
    text: str | None = Field(
        description="Null where none is stored; also of a stored log where the answer is long enough without it: ask "
        "for that one with `job_id`"
    )


class Logs(Schema):
    model_config = example({"run_id": 7398123456, "attempt": 1, "jobs": [_JOB]})
    run_id: int
    attempt: int
    jobs: list[JobLog]


class LogsGone(ProblemDocument):
    """The problem, and the jobs it is about."""

    model_config = example(
        {
            "type": "about:blank",
            "title": "Gone",
            "status": 410,
            "detail": "GitHub has deleted the logs of run 7398123456, and none was stored before that.",
            "run_id": 7398123456,
            "attempt": 1,
            "jobs": [{**_JOB, "state": "expired", "excerpt": {"first_line": None, "lines": []}, "text": None}],
        }
    )
    run_id: int
    attempt: int
    jobs: list[JobLog]
