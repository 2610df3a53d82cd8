"""Logs as runners write them: timestamps, groups, colours and a byte order mark; and the archive of a run's logs.

A log is a pure function of its job and follows the job's steps."""

import io
import random
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from demo.content import log_noise
from demo.content.failure_causes import cause_lines
from demo.world.model import Attempt, Job, Run
from demo.world.steps import Step, step_intervals, step_number

# Typical number of lines of a step.
_LINES = {"Install dependencies": 45, "main": 190, "action": 7}
_SYSTEMS = {
    "windows-latest": ("Microsoft Windows Server 2025", "10.0.26100", "windows-2025"),
    "macos-14": ("macOS", "14.8.1", "macos-14-arm64"),
}
_LINUX = ("Ubuntu", "24.04.4", "ubuntu-24.04")
_BYTE_ORDER_MARK = "\ufeff"
# GitHub cuts names of files in an archive after so many UTF-16 code units.
_MAX_NAME_UNITS = 90
_PREPARE_TEXT = "##[section]Starting: Prepare jobs\nEvaluating strategy\n"


@dataclass(frozen=True)
class Layout:
    """Layout of log archives, which GitHub has changed over the years.

    `first` is the number of the first job. `steps` and `system`: files for the steps of each job and for the runner's
    set-up. `mark`: files begin with a byte order mark. `slash` replaces slashes in names. `prepare`: a file about the
    creation of the jobs, which has the lowest number."""

    first: int
    steps: bool
    system: bool
    mark: bool
    line_ending: str = "\n"
    slash: str = "_"
    prepare: bool = False


CURRENT_LAYOUT = Layout(0, steps=False, system=True, mark=True)


@dataclass(frozen=True)
class Section:
    """Lines that a step wrote, without timestamps. `number` is the step's number in the API."""

    number: int
    step: Step
    begin: datetime
    end: datetime
    lines: list[str]


def log_text(run: Run, attempt: Attempt, job: Job) -> str:
    """Return the log of a completed job; empty if no runner executed it."""
    lines = [line for section in log_sections(run, attempt, job) for line in timestamped(section, job)]
    return _BYTE_ORDER_MARK + "\n".join(lines) + "\n" if lines else ""


def log_sections(run: Run, attempt: Attempt, job: Job) -> Iterator[Section]:
    """Yield one section per step; none for a job that no runner executed or that is not completed."""
    if not job.ran or job.completed is None:
        return
    rng = random.Random(job.seed)
    intervals = step_intervals(job, run.repository.language, job.completed)
    for position, (step, begin, end) in enumerate(intervals, start=1):
        lines = list(_step_lines(rng, run, attempt, job, step))
        yield Section(step_number(step, position), step, begin, end, lines)
        # A lost runner writes nothing more, not even an error.
        if step.main and job.conclusion == "failure" and attempt.cause == "runner_lost":
            return


def timestamped(section: Section, job: Job) -> list[str]:
    """Return the lines with timestamps, evenly distributed over the step's time."""
    width = (section.end - section.begin) / max(len(section.lines), 1)
    stamps = (_timestamp(section.begin + width * index, job.seed) for index in range(len(section.lines)))
    return [f"{stamp} {line}" for stamp, line in zip(stamps, section.lines, strict=True)]


def encode_log(text: str, layout: Layout) -> bytes:
    """Return a log with the line endings and the byte order mark of the layout. Bytes that are not UTF-8 are escaped
    in `text` by Python's surrogateescape."""
    plain = text.removeprefix(_BYTE_ORDER_MARK)
    converted = plain.replace("\n", layout.line_ending) if layout.line_ending != "\n" else plain
    return ((_BYTE_ORDER_MARK if layout.mark else "") + converted).encode("utf-8", "surrogateescape")


def log_archive(run: Run, attempt: Attempt, texts: dict[int, str], layout: Layout = CURRENT_LAYOUT) -> bytes:
    """Return the zip archive of an attempt's logs. `texts` replaces generated logs, by job id."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        if layout.prepare:
            archive.writestr("-2147483648_prepare.txt", encode_log(_PREPARE_TEXT, layout))
        for number, job in enumerate((job for job in attempt.jobs if job.ran), start=layout.first):
            name = file_name(job.name, layout.slash)
            text = texts.get(job.id) or log_text(run, attempt, job)
            archive.writestr(f"{number}_{name}.txt", encode_log(text, layout))
            if layout.system:
                archive.writestr(f"{name}/system.txt", encode_log(_system_text(job), layout))
            if layout.steps and job.id not in texts:
                _write_steps(archive, run, attempt, job, layout)
    return buffer.getvalue()


def file_name(name: str, slash: str) -> str:
    """Return the name in an archive. GitHub counts UTF-16 code units: an emoji has two and may be cut in half."""
    units = name.replace("/", slash).replace(":", "").encode("utf-16-le")[: _MAX_NAME_UNITS * 2]
    return units.decode("utf-16-le", errors="replace")


def _write_steps(archive: zipfile.ZipFile, run: Run, attempt: Attempt, job: Job, layout: Layout) -> None:
    folder = file_name(job.name, layout.slash)
    for section in log_sections(run, attempt, job):
        # GitHub writes no file for a step without output.
        if section.lines:
            name = f"{folder}/{section.number}_{file_name(section.step.name, layout.slash)}.txt"
            archive.writestr(name, encode_log("\n".join(timestamped(section, job)) + "\n", layout))


def _system_text(job: Job) -> str:
    started = f"{job.started:%Y-%m-%dT%H:%M:%S}.0000000Z"
    return f"{started} Job is about to start running on the runner: {job.runner} (organization)\n"


def _step_lines(rng: random.Random, run: Run, attempt: Attempt, job: Job, step: Step) -> Iterator[str]:
    if step.name == "Set up job":
        yield from _set_up_lines(rng, job)
    elif step.name == "Run actions/checkout@v5":
        inputs = ("with:", f"  repository: {run.repository.full_name}", "  fetch-depth: 1", "  clean: true")
        yield from _group(step, inputs)
        yield from (_fill_checkout(rng, run, line) for line in log_noise.CHECKOUT)
    elif step.command is None:
        yield from (_fill(rng, line) for line in log_noise.CLEANING_UP[:-1] if step.name.startswith("Post"))
        yield from (line for line in log_noise.CLEANING_UP[-1:] if not step.name.startswith("Post"))
    else:
        yield from _command_lines(rng, run, attempt, job, step)


def _set_up_lines(rng: random.Random, job: Job) -> Iterator[str]:
    system, version, image = _SYSTEMS.get(job.label, _LINUX)
    yield "Current runner version: '2.336.0'"
    if job.label == "self-hosted":
        yield from (f"Runner name: '{job.runner}'", "Runner group name: 'Default'", f"Machine name: '{job.runner}'")
    else:
        yield from (
            "##[group]Runner Image Provisioner",
            "Hosted Compute Agent",
            "Version: 20260213.493",
            "##[endgroup]",
        )
        yield from ("##[group]Operating System", system, version, "##[endgroup]")
        yield from ("##[group]Runner Image", f"Image: {image}", "Version: 20261012.61.1", "##[endgroup]")
    yield from log_noise.PERMISSIONS
    yield f"Complete job name: {job.name}"


def _command_lines(rng: random.Random, run: Run, attempt: Attempt, job: Job, step: Step) -> Iterator[str]:
    language, is_action = run.repository.language, "@v" in (step.command or "")
    if step.main:
        lines, count = log_noise.MAIN.get(job.kind, {}).get(language, log_noise.OTHER), _LINES["main"]
    elif step.name == "Install dependencies":
        lines, count = log_noise.INSTALL[language], _LINES[step.name]
    else:
        lines, count = log_noise.ACTION, _LINES["action"]
    failed = job.conclusion not in ("success", "neutral")
    if failed and not step.main and step.name.startswith(("Upload", "Notify")):
        return
    shell = (
        () if is_action else (f"\x1b[36;1m{step.command}\x1b[0m", "shell: /usr/bin/bash -e {0}", "env:", "  CI: true")
    )
    yield from _group(step, shell)
    for index in range(rng.randrange(count * 2 // 3, count)):
        yield _fill(rng, lines[index % len(lines)])
    if step.main and failed:
        yield from _failure_lines(rng, language, attempt, job)


def _failure_lines(rng: random.Random, language: str, attempt: Attempt, job: Job) -> Iterator[str]:
    if job.conclusion == "timed_out":
        yield f"##[error]The job running on runner {job.runner} has exceeded the maximum execution time of 60 minutes."
    if job.conclusion in ("cancelled", "timed_out"):
        yield "##[error]The operation was canceled."
    elif job.conclusion == "failure":
        yield from (_fill(rng, line) for line in cause_lines(attempt.cause, language, job.name))


def _group(step: Step, lines: Iterable[str]) -> Iterator[str]:
    yield f"##[group]Run {step.command}"
    yield from lines
    yield "##[endgroup]"


def _fill_checkout(rng: random.Random, run: Run, line: str) -> str:
    return line.format(
        repo=run.repository.full_name, name=run.repository.name, commit=run.sha, short=run.sha[:7],
        title=run.title, n=rng.randrange(300, 999),
    )  # fmt: skip


def _fill(rng: random.Random, template: str) -> str:
    return template.format(
        n=rng.randrange(100, 999), d=rng.randrange(1, 9), ms=rng.randrange(2, 90), sha=f"{rng.getrandbits(32):08x}"
    )


def _timestamp(moment: datetime, seed: int) -> str:
    """Return a time in tenths of a microsecond, as runners write it. The seed shifts it, so that jobs differ."""
    shifted = moment + timedelta(microseconds=seed % 400_000)
    return f"{shifted:%Y-%m-%dT%H:%M:%S.%f}{seed % 10}Z"
