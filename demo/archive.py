"""The zip archive of a run's logs, as GitHub has laid it out over the years."""

import io
import zipfile
from dataclasses import dataclass
from functools import lru_cache

from demo.logs import log_text, sections, written
from demo.model import Attempt, Job, Run

_MOST_UNITS = 90
_MARK = "\ufeff"
_PREPARE = "##[section]Starting: Prepare jobs\nEvaluating strategy\n"
_MEGABYTE = b"0" * 1_000_000


@dataclass(frozen=True)
class Layout:
    """`first`: the number of the first job. `slash`: what stands for one in a name. `prepare`: a file about how the
    jobs were made, with the lowest number there is."""

    first: int
    steps: bool
    system: bool
    mark: bool
    ending: str = "\n"
    slash: str = "_"
    prepare: bool = False


LAYOUTS = {
    "2021": Layout(1, steps=True, system=False, mark=False, ending="\r\n", slash=""),
    "2023": Layout(0, steps=True, system=False, mark=False, slash="", prepare=True),
    "2025": Layout(0, steps=True, system=True, mark=True),
    "2026": Layout(0, steps=False, system=True, mark=True),
}


def zipped(run: Run, attempt: Attempt, own: dict[int, str], layout: str = "2026") -> bytes:
    packed, chosen = io.BytesIO(), LAYOUTS[layout]
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        if chosen.prepare:
            _write(
                archive, "-2147483648_prepare.txt", "##[section]Starting: Prepare jobs\nEvaluating strategy\n", chosen
            )
        for number, job in enumerate((job for job in attempt.jobs if job.ran), start=chosen.first):
            name = file_name(job.name, chosen.slash)
            _write(archive, f"{number}_{name}.txt", own.get(job.id) or log_text(run, attempt, job), chosen)
            if chosen.system:
                _write(archive, f"{name}/system.txt", _system(job), chosen)
            if chosen.steps and job.id not in own:
                _write_steps(archive, run, attempt, job, name, chosen)
    return packed.getvalue()


def as_written(text: str, layout: Layout) -> bytes:
    """A log with the line ends and the byte order mark of its time. Bytes that are no UTF-8 are escaped in `text`, as
    by Python's surrogateescape."""
    plain = text.removeprefix(_MARK)
    ended = plain.replace("\n", layout.ending) if layout.ending != "\n" else plain
    return ((_MARK if layout.mark else "") + ended).encode("utf-8", "surrogateescape")


def file_name(name: str, slash: str) -> str:
    """Cut as GitHub counts: an emoji is two of ninety, and may lose its half."""
    units = name.replace("/", slash).replace(":", "").encode("utf-16-le")[: _MOST_UNITS * 2]
    return units.decode("utf-16-le", errors="replace")


@lru_cache(maxsize=2)
def bomb(job_names: tuple[str, ...], megabytes: int) -> bytes:
    """Small, until somebody unpacks it: each job's log is that large, in one line."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for number, name in enumerate(job_names):
            with archive.open(f"{number}_{file_name(name, '_')}.txt", "w", force_zip64=True) as entry:
                for _ in range(megabytes):
                    entry.write(_MEGABYTE)
    return packed.getvalue()


def _write(archive: zipfile.ZipFile, name: str, text: str, layout: Layout) -> None:
    archive.writestr(name, as_written(text, layout))


def _write_steps(archive: zipfile.ZipFile, run: Run, attempt: Attempt, job: Job, folder: str, layout: Layout) -> None:
    """A step that wrote nothing has no file."""
    for section in sections(run, attempt, job):
        if section.lines:
            name = f"{folder}/{section.number}_{file_name(section.step.name, layout.slash)}.txt"
            _write(archive, name, "\n".join(written(section, job)) + "\n", layout)


def _system(job: Job) -> str:
    begun = f"{job.started:%Y-%m-%dT%H:%M:%S}.0000000Z"
    return f"{_MARK}{begun} Job is about to start running on the runner: {job.runner} (organization)\n"
