"""The failure annotations of a job: GitHub's own words about what no log has, and places in files.

A runner that was lost writes no error, a job that exceeded its time limit or got no runner is only cancelled, and
annotations are kept longer than logs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from collector.github.client import GitHubClient
from collector.github.errors import Forbidden, Gone, NotFound
from collector.github.pagination import pages
from collector.github.payloads import AnnotationPayload
from core import terminal
from health.insights.causes.extraction import cause_of_line
from health.insights.causes.job_causes import is_canceled, is_closing
from health.insights.causes.model import CauseClass

# The path of annotations that name no file.
_NO_FILE = ".github"
# Causes that the runner or GitHub reports, not a program in the job.
_OF_RUNNER = frozenset({CauseClass.INFRASTRUCTURE, CauseClass.TIMEOUT, CauseClass.RESOURCES})


@dataclass(frozen=True)
class Annotation:
    """`line`: the message in one line. `place`: file and line, as `src/a.py:12`; null if it names no file."""

    line: str
    place: str | None = None

    @property
    def names_cause(self) -> bool:
        """Whether it names a reason, not only an end or a cancellation."""
        return not is_closing(self.line) and not is_canceled(self.line)

    @property
    def is_of_runner(self) -> bool:
        """Whether it reports a failure of the runner, such as a lost connection or a time limit."""
        return self.names_cause and self.place is None and cause_of_line(self.line).kind in _OF_RUNNER


def fetch_annotations(client: GitHubClient, repo: str, job_id: int) -> list[Annotation]:
    """The failure annotations of a job, the most informative first: those of the runner, others, cancellations, ends.
    One request: of more than 100 annotations, the first are read. Empty if the token may not read checks."""
    path = f"/repos/{repo}/check-runs/{job_id}/annotations"
    try:
        listed = [item for page in islice(pages(client, path, None, AnnotationPayload), 1) for item in page.items]
    except (NotFound, Forbidden, Gone):
        return []
    return sorted(_failures(listed), key=_order)


def _order(annotation: Annotation) -> int:
    if is_closing(annotation.line):
        return 3
    if is_canceled(annotation.line):
        return 2
    return 0 if annotation.is_of_runner else 1


def _failures(payloads: Sequence[AnnotationPayload]) -> Iterator[Annotation]:
    for payload in payloads:
        line = _one_line(payload.message or "") if payload.annotation_level == "failure" else ""
        if line:
            yield Annotation(line, _place(payload))


def _place(payload: AnnotationPayload) -> str | None:
    path = _one_line(payload.path or "")
    if not path or path == _NO_FILE:
        return None
    return f"{path}:{payload.start_line}" if payload.start_line else path


def _one_line(message: str) -> str:
    return " ".join(" ".join(terminal.rendered_line(line) for line in message.splitlines()).split())[:500]
