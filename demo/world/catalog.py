"""Catalog of the acme account: its repositories, their workflows and the jobs of these."""

from dataclasses import dataclass


@dataclass(frozen=True)
class JobSpec:
    """`seconds` is the typical duration. `stage` 0 starts first; a later stage waits for all jobs of the previous one."""

    name: str
    label: str
    seconds: float
    stage: int = 0
    kind: str = "test"


@dataclass(frozen=True)
class WorkflowSpec:
    """`daily` is the number of runs on a working day. `live` is the workflow's number of slots in a round of live runs
    (see demo.world.live); 0: it follows its schedule only. `success_main` and `success_branch` are the shares of runs
    that pass on main and on other branches outside the scenario's episodes. `phantom` is the name of a check run that
    a test reporter posts after the jobs."""

    name: str
    file: str
    daily: float
    jobs: tuple[JobSpec, ...]
    events: tuple[tuple[str, float], ...] = (("pull_request", 0.62), ("push", 0.38))
    success_main: float = 0.92
    success_branch: float = 0.82
    cron_hour: int | None = None
    every_minutes: int | None = None
    live: int = 0
    phantom: str | None = None


@dataclass(frozen=True)
class RepositorySpec:
    name: str
    language: str
    private: bool
    description: str
    workflows: tuple[WorkflowSpec, ...]


ORG = "acme"
LINUX, WINDOWS, MACOS, LARGE, OWN = (
    "ubuntu-latest",
    "windows-latest",
    "macos-14",
    "ubuntu-latest-8-cores",
    "self-hosted",
)
CI_EVENTS = (("pull_request", 0.6), ("push", 0.34), ("merge_group", 0.04), ("workflow_dispatch", 0.02))
ON_MAIN = (("push", 0.94), ("workflow_dispatch", 0.06))
ON_CLOCK = (("schedule", 0.9), ("workflow_dispatch", 0.1))

_CODEQL = WorkflowSpec("CodeQL", "codeql.yml", 3, (JobSpec("Analyze", LINUX, 310, kind="lint"),), success_main=0.99)


def _ci(
    daily: float, live: int, *jobs: JobSpec, phantom: str | None = None, every_minutes: int | None = None
) -> WorkflowSpec:
    return WorkflowSpec(
        "CI", "ci.yml", daily, jobs, CI_EVENTS, 0.91, 0.82, live=live, phantom=phantom, every_minutes=every_minutes
    )


REPOSITORIES = (
    RepositorySpec(
        "web-app", "node", True, "The shop, as customers see it",
        (
            _ci(26, 6, JobSpec("lint", LINUX, 34, kind="lint"), JobSpec("unit (node 22)", LINUX, 82),
                JobSpec("unit (node 24)", LINUX, 86), JobSpec("build", LINUX, 61, 1, "build"), phantom="Jest report"),
            WorkflowSpec(
                "E2E", "e2e.yml", 15,
                (JobSpec("build", LINUX, 118, kind="build"), JobSpec("chromium 1/2", LARGE, 402, 1, "e2e"),
                 JobSpec("chromium 2/2", LARGE, 377, 1, "e2e"), JobSpec("webkit", MACOS, 520, 1, "e2e")),
                success_main=0.9, success_branch=0.83,
            ),
            WorkflowSpec("Deploy", "deploy.yml", 7, (JobSpec("image", LINUX, 150, kind="build"),
                         JobSpec("staging", LINUX, 74, 1, "deploy"), JobSpec("production", LINUX, 95, 2, "deploy")),
                         events=ON_MAIN, success_main=0.95),
            _CODEQL,
        ),
    ),
    RepositorySpec(
        "api-gateway", "go", True, "Routing, rate limits and authentication",
        (
            _ci(26, 5, JobSpec("vet", LINUX, 28, kind="lint"), JobSpec("test", LINUX, 96), JobSpec("race", LARGE, 128)),
            WorkflowSpec("Integration", "integration.yml", 13,
                         (JobSpec("compose up", LARGE, 240), JobSpec("contract tests", LARGE, 310, 1)),
                         success_main=0.93),
            WorkflowSpec("Release", "release.yml", 2, (JobSpec("goreleaser", LINUX, 260, kind="build"),), events=ON_MAIN),
        ),
    ),
    RepositorySpec(
        "payments", "jvm", True, "Ledger, refunds and payouts",
        (
            _ci(11, 4, JobSpec("compile", LINUX, 58, kind="build"), JobSpec("test", LARGE, 88, 1), every_minutes=90),
            WorkflowSpec("Contract tests", "contracts.yml", 8, (JobSpec("pact", OWN, 210),)),
            WorkflowSpec("Nightly", "nightly.yml", 0.1, (JobSpec("full suite", OWN, 2700), JobSpec("soak", OWN, 3500, 1)),
                         events=ON_CLOCK, cron_hour=2, success_main=0.92),
        ),
    ),
    RepositorySpec(
        "mobile-app", "swift", True, "iOS and Android",
        (
            _ci(14, 3, JobSpec("lint", LINUX, 31, kind="lint"), JobSpec("unit (ios)", MACOS, 118)),
            WorkflowSpec("Build", "build.yml", 10,
                         (JobSpec("ios", MACOS, 640, kind="build"), JobSpec("android", LARGE, 505, kind="build"),
                          JobSpec("screenshots", MACOS, 380, 1, "e2e")), success_main=0.92, success_branch=0.8),
        ),
    ),
    RepositorySpec(
        "data-platform", "python", False, "Pipelines and the warehouse",
        (
            _ci(17, 4, JobSpec("ruff", LINUX, 21, kind="lint"), JobSpec("test (3.12)", LINUX, 92),
                JobSpec("test (3.13)", LINUX, 97), JobSpec("test (windows)", WINDOWS, 126), phantom="Test results"),
            WorkflowSpec("Pipelines", "pipelines.yml", 6, (JobSpec("dbt build", LINUX, 480), JobSpec("docs", LINUX, 66, 1))),
            WorkflowSpec("Nightly", "nightly.yml", 0.1, (JobSpec("backfill check", LARGE, 1900),), events=ON_CLOCK,
                         cron_hour=3, success_main=0.9),
            _CODEQL,
        ),
    ),
    RepositorySpec(
        "infra", "terraform", True, "Everything that runs, as code",
        (
            _ci(11, 2, JobSpec("fmt", LINUX, 19, kind="lint"), JobSpec("validate", LINUX, 44, kind="deploy")),
            WorkflowSpec("Terraform", "terraform.yml", 7, (JobSpec("plan", OWN, 170, kind="deploy"),
                         JobSpec("apply", OWN, 240, 1, "deploy")), success_main=0.92),
            WorkflowSpec("Drift", "drift.yml", 0.1, (JobSpec("detect", OWN, 420, kind="deploy"),), events=ON_CLOCK,
                         cron_hour=5),
        ),
    ),
)  # fmt: skip


def workflow_file(spec: WorkflowSpec) -> str:
    """Return a minimal workflow file. Workflows with live runs have no `schedule`: their runs follow no cron."""
    events = [f"  {name}:" for name, _ in spec.events if name != "schedule"] or ["  workflow_dispatch:"]
    if spec.cron_hour is not None and not spec.live:
        events += ["  schedule:", f"    - cron: '0 {spec.cron_hour} * * *'"]
    jobs = [f"  {_job_key(job.name)}:\n    runs-on: {job.label}\n    steps: []" for job in spec.jobs]
    return "\n".join([f"name: {spec.name}", "on:", *events, "jobs:", *jobs, ""])


def _job_key(name: str) -> str:
    return "".join(char if char.isalnum() else "-" for char in name.lower()).strip("-")
