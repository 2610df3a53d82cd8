"""The zip archive of a run's logs, as GitHub lays it out since 2025."""

import io
import zipfile

from demo.logs import log_text
from demo.model import Attempt, Run


def zipped(run: Run, attempt: Attempt, own: dict[int, str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, job in enumerate(job for job in attempt.jobs if job.ran):
            name = job.name.replace("/", "_").replace(":", "")[:90]
            archive.writestr(f"{number}_{name}.txt", own.get(job.id) or log_text(run, attempt, job))
            begun = f"{job.started:%Y-%m-%dT%H:%M:%S}.0000000Z"
            system = f"\ufeff{begun} Job is about to start running on the runner: {job.runner} (organization)\n"
            archive.writestr(f"{name}/system.txt", system)
    return packed.getvalue()
