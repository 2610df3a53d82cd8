"""What a runner writes: as real logs look, with timestamps, groups, colours and a byte order mark."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta

from demo.causes import CAUSES
from demo.model import Attempt, Job, Run

_TOOLS = {
    "lint": ("npm run lint", ("checked {n} files", "0 problems in {n}")),
    "build": ("make build", ("compiling module {n} of 240", "linking", "wrote dist/bundle-{sha}.js")),
    "deploy": ("./scripts/deploy.sh", ("resolving plan {n}", "refreshing state", "module.network: unchanged")),
    "e2e": ("npx playwright test", ("  ✓  {n} [chromium] › tests/login.spec.ts:1{d}:3 › signs in ({ms}s)",)),
    "test": ("make test", ("\x1b[32mPASS\x1b[39m suite {n} ({ms} ms)", "ok  \tpackage/{sha}\t0.{n}s")),
}
STEP_NAMES = {
    "lint": ("Set up job", "Checkout", "Set up tools", "Install dependencies", "Lint", "Complete job"),
    "build": ("Set up job", "Checkout", "Set up tools", "Restore cache", "Build", "Upload artifact", "Complete job"),
    "deploy": ("Set up job", "Checkout", "Configure credentials", "Plan", "Apply", "Complete job"),
    "e2e": ("Set up job", "Checkout", "Install dependencies", "Install browsers", "Run tests", "Upload traces", "Complete job"),
    "test": ("Set up job", "Checkout", "Set up tools", "Restore cache", "Install dependencies", "Run tests",
             "Upload coverage", "Complete job"),
}  # fmt: skip
_MAIN = {"Lint", "Build", "Apply", "Run tests", "Plan"}


def steps(job: Job, now: datetime) -> list[dict[str, object]]:
    """Steps with their times up to now; the main one takes most of the job, and fails where the job fails."""
    if job.phantom or job.conclusion == "skipped" or now < job.started:
        return []
    names = STEP_NAMES.get(job.kind, STEP_NAMES["test"])
    end = job.completed or now
    rng = random.Random(job.seed)
    weights = [14.0 if name in _MAIN else rng.uniform(0.4, 2.5) for name in names]
    total, at, found, failed = sum(weights), job.started, [], False
    failing = next((name for name in names if name in _MAIN), names[-2])
    for number, (name, weight) in enumerate(zip(names, weights, strict=True), start=1):
        begin, at = at, at + (end - job.started) * (weight / total)
        conclusion = "success"
        if job.conclusion not in ("success", None) and name == failing:
            conclusion, failed = ("cancelled" if job.conclusion == "cancelled" else "failure"), True
        elif failed and name != names[-1]:
            conclusion = "skipped"
        found.append(_step(number, name, begin, at, conclusion, job, now))
    return found


def _step(
    number: int, name: str, begin: datetime, end: datetime, conclusion: str, job: Job, now: datetime
) -> dict[str, object]:
    over = now >= end and job.completed is not None
    begun = now >= begin
    return {
        "name": name,
        "status": "completed" if over else ("in_progress" if begun else "queued"),
        "conclusion": conclusion if over else None,
        "number": number,
        "started_at": _second(begin) if begun else None,
        "completed_at": _second(end) if over else None,
    }


def log_text(run: Run, attempt: Attempt, job: Job) -> str:
    """The whole log of a finished job."""
    rng = random.Random(job.seed)
    lines = list(_lines(rng, run, job))
    span = (job.completed or job.started) - job.started
    width = max(len(lines), 1)
    stamped = (
        f"{job.started + span * (index / width) + timedelta(microseconds=index):%Y-%m-%dT%H:%M:%S.%f}0Z {line}"
        for index, line in enumerate(lines)
    )
    return "\ufeff" + "\n".join(stamped) + "\n"


def _lines(rng: random.Random, run: Run, job: Job) -> Iterator[str]:
    yield from (
        "Current runner version: '2.336.0'", f"Runner name: '{job.runner}'", "##[group]Operating System",
        f"{job.label}", "##[endgroup]", "##[group]GITHUB_TOKEN Permissions", "Contents: read", "Metadata: read",
        "##[endgroup]", "Secret source: Actions", "Prepare workflow directory", f"Complete job name: {job.name}",
        "##[group]Run actions/checkout@v5", "with:", f"  repository: {run.repository.full_name}", "  fetch-depth: 1",
        "##[endgroup]", f"Syncing repository: {run.repository.full_name}",
        f"[command]/usr/bin/git checkout --progress --force {run.sha}", f"HEAD is now at {run.sha[:7]} {run.title}",
    )  # fmt: skip
    command, outputs = _TOOLS.get(job.kind, _TOOLS["test"])
    for name, count in (("Install dependencies", 30), (command, 130)):
        yield f"##[group]Run {name}"
        yield f"\x1b[36;1m{name}\x1b[0m"
        yield "shell: /usr/bin/bash -e {0}"
        yield "##[endgroup]"
        for number in range(rng.randrange(count // 2, count)):
            template = outputs[number % len(outputs)] if name == command else "added package {sha}@{n}.{d}.0"
            yield _fill(rng, template)
    if job.conclusion == "cancelled":
        yield "##[error]The operation was canceled."
    elif job.conclusion == "failure":
        yield from (_fill(rng, line) for line in CAUSES.get(run.cause or "", CAUSES["jest"]))
        if run.cause == "runner_lost":
            return
    yield "Post job cleanup."
    yield "Cleaning up orphan processes"


def _fill(rng: random.Random, template: str) -> str:
    return template.format(
        n=rng.randrange(100, 999), d=rng.randrange(1, 9), ms=rng.randrange(2, 90), sha=f"{rng.getrandbits(48):012x}"
    )


def _second(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
