"""What a runner writes: as real logs look, with timestamps, groups, colours and a byte order mark. A log is a pure
function of its job, and follows the job's steps."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from demo import chatter
from demo.causes import CAUSES
from demo.model import Attempt, Job, Run
from demo.steps import Step, number_of, spans

_LINES = {"Install dependencies": 45, "main": 190, "action": 7}
_SYSTEMS = {
    "windows-latest": ("Microsoft Windows Server 2025", "10.0.26100", "windows-2025"),
    "macos-14": ("macOS", "14.8.1", "macos-14-arm64"),
}
_LINUX = ("Ubuntu", "24.04.4", "ubuntu-24.04")


@dataclass(frozen=True)
class Section:
    """What a step wrote, without the times. `number` is the one that the API gives the step."""

    number: int
    step: Step
    begin: datetime
    end: datetime
    lines: list[str]


def log_text(run: Run, attempt: Attempt, job: Job) -> str:
    """The whole log of a finished job; empty where no runner took it."""
    lines = [line for section in sections(run, attempt, job) for line in written(section, job)]
    return "\ufeff" + "\n".join(lines) + "\n" if lines else ""


def sections(run: Run, attempt: Attempt, job: Job) -> Iterator[Section]:
    """One a step; none where no runner took the job, or it goes on."""
    if not job.ran or job.completed is None:
        return
    rng = random.Random(job.seed)
    for place, (step, begin, end) in enumerate(spans(job, run.repository.language, job.completed), start=1):
        lines = list(_of_step(rng, run, attempt, job, step))
        yield Section(number_of(step, place), step, begin, end, lines)
        if step.main and _ends_here(attempt, job):
            return


def written(section: Section, job: Job) -> list[str]:
    width = (section.end - section.begin) / max(len(section.lines), 1)
    stamps = (_stamp(section.begin + width * place, job.seed) for place in range(len(section.lines)))
    return [f"{stamp} {line}" for stamp, line in zip(stamps, section.lines, strict=True)]


def huge_text(megabytes: int, error: str = "##[error]Process completed with exit code 1.") -> str:
    """A log of at least that size, which fails in the middle: for World.set_log()."""
    stamp = "2026-11-23T12:30:00.1234567Z"
    half = f"{stamp} {'compiling object ' * 11}done\n" * (megabytes * 1_000_000 // 2 // 220 + 1)
    return f"\ufeff{half}{stamp} {error}\n{half}"


def _ends_here(attempt: Attempt, job: Job) -> bool:
    """A runner that is gone writes nothing more, not even an error."""
    return job.conclusion == "failure" and attempt.cause == "runner_lost"


def _of_step(rng: random.Random, run: Run, attempt: Attempt, job: Job, step: Step) -> Iterator[str]:
    if step.name == "Set up job":
        yield from _setting_up(rng, job)
    elif step.name == "Run actions/checkout@v5":
        yield from _group(
            step, ("with:", f"  repository: {run.repository.full_name}", "  fetch-depth: 1", "  clean: true")
        )
        yield from (_checkout(rng, run, line) for line in chatter.CHECKOUT)
    elif step.command is None:
        yield from (_fill(rng, line) for line in chatter.CLEANING_UP[:-1] if step.name.startswith("Post"))
        yield from (line for line in chatter.CLEANING_UP[-1:] if not step.name.startswith("Post"))
    else:
        yield from _command(rng, run, attempt, job, step)


def _setting_up(rng: random.Random, job: Job) -> Iterator[str]:
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
    yield from chatter.PERMISSIONS
    yield f"Complete job name: {job.name}"


def _command(rng: random.Random, run: Run, attempt: Attempt, job: Job, step: Step) -> Iterator[str]:
    language, uses = run.repository.language, "@v" in (step.command or "")
    if step.main:
        lines, count = chatter.MAIN.get(job.kind, {}).get(language, chatter.OTHER), _LINES["main"]
    elif step.name == "Install dependencies":
        lines, count = chatter.INSTALL[language], _LINES[step.name]
    else:
        lines, count = chatter.ACTION, _LINES["action"]
    failed = job.conclusion not in ("success", "neutral")
    if failed and not step.main and step.name.startswith(("Upload", "Notify")):
        return
    shell = () if uses else (f"\x1b[36;1m{step.command}\x1b[0m", "shell: /usr/bin/bash -e {0}", "env:", "  CI: true")
    yield from _group(step, shell)
    for place in range(rng.randrange(count * 2 // 3, count)):
        yield _fill(rng, lines[place % len(lines)])
    if step.main and failed:
        yield from _failure(rng, attempt, job)


def _failure(rng: random.Random, attempt: Attempt, job: Job) -> Iterator[str]:
    if job.conclusion == "timed_out":
        yield f"##[error]The job running on runner {job.runner} has exceeded the maximum execution time of 60 minutes."
    if job.conclusion in ("cancelled", "timed_out"):
        yield "##[error]The operation was canceled."
    elif job.conclusion == "failure":
        yield from (_fill(rng, line) for line in CAUSES.get(attempt.cause or "", CAUSES["registry_timeout"]))


def _group(step: Step, lines: Iterable[str]) -> Iterator[str]:
    yield f"##[group]Run {step.command}"
    yield from lines
    yield "##[endgroup]"


def _checkout(rng: random.Random, run: Run, line: str) -> str:
    return line.format(
        repo=run.repository.full_name, name=run.repository.name, commit=run.sha, short=run.sha[:7],
        title=run.title, n=rng.randrange(300, 999),
    )  # fmt: skip


def _fill(rng: random.Random, template: str) -> str:
    return template.format(
        n=rng.randrange(100, 999), d=rng.randrange(1, 9), ms=rng.randrange(2, 90), sha=f"{rng.getrandbits(32):08x}"
    )


def _stamp(moment: datetime, seed: int) -> str:
    """Tenths of a microsecond, as runners write them; no two jobs begin at the same one."""
    shifted = moment + timedelta(microseconds=seed % 400_000)
    return f"{shifted:%Y-%m-%dT%H:%M:%S.%f}{seed % 10}Z"
