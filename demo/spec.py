"""Who works in the account, on what, and what its workflows are made of."""

from dataclasses import dataclass


@dataclass(frozen=True)
class JobSpec:
    """`stage` 0 starts first; a later stage waits for all of the one before. Seconds are typical ones."""

    name: str
    label: str
    seconds: float
    stage: int = 0
    kind: str = "test"


@dataclass(frozen=True)
class WorkflowSpec:
    """`daily` is the number of runs on a working day; `live` ones also run every few seconds now."""

    name: str
    file: str
    daily: float
    jobs: tuple[JobSpec, ...]
    events: tuple[tuple[str, float], ...] = (("pull_request", 0.62), ("push", 0.38))
    success_main: float = 0.94
    success_branch: float = 0.84
    cron_hour: int | None = None
    live: bool = False
    phantom: str | None = None


@dataclass(frozen=True)
class RepositorySpec:
    name: str
    language: str
    private: bool
    workflows: tuple[WorkflowSpec, ...]


ORG = "acme"
LINUX, WINDOWS, MACOS, LARGE, OWN = (
    "ubuntu-latest",
    "windows-latest",
    "macos-14",
    "ubuntu-latest-8-cores",
    "self-hosted",
)
ON_MAIN = (("push", 1.0),)
ON_CLOCK = (("schedule", 0.9), ("workflow_dispatch", 0.1))

_CODEQL = WorkflowSpec("CodeQL", "codeql.yml", 3, (JobSpec("Analyze", LINUX, 310, kind="lint"),), success_main=0.99)


def _ci(daily: float, *jobs: JobSpec, **more: object) -> WorkflowSpec:
    return WorkflowSpec("CI", "ci.yml", daily, jobs, live=True, **more)  # type: ignore[arg-type]


REPOSITORIES = (
    RepositorySpec(
        "web-app", "node", True,
        (
            _ci(26, JobSpec("lint", LINUX, 34, kind="lint"), JobSpec("unit (node 22)", LINUX, 82),
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
        "api-gateway", "go", True,
        (
            _ci(22, JobSpec("vet", LINUX, 28, kind="lint"), JobSpec("test", LINUX, 96), JobSpec("race", LARGE, 104)),
            WorkflowSpec("Integration", "integration.yml", 13,
                         (JobSpec("compose up", LARGE, 240), JobSpec("contract tests", LARGE, 310, 1)),
                         success_main=0.93),
            WorkflowSpec("Release", "release.yml", 2, (JobSpec("goreleaser", LINUX, 260, kind="build"),), events=ON_MAIN),
        ),
    ),
    RepositorySpec(
        "payments", "jvm", True,
        (
            _ci(20, JobSpec("compile", LINUX, 58, kind="build"), JobSpec("test", LARGE, 88, 1)),
            WorkflowSpec("Contract tests", "contracts.yml", 8, (JobSpec("pact", OWN, 210),)),
            WorkflowSpec("Nightly", "nightly.yml", 1, (JobSpec("full suite", OWN, 2700), JobSpec("soak", OWN, 3500, 1)),
                         events=ON_CLOCK, cron_hour=2, success_main=0.92),
        ),
    ),
    RepositorySpec(
        "mobile-app", "swift", True,
        (
            _ci(14, JobSpec("lint", LINUX, 31, kind="lint"), JobSpec("unit (ios)", MACOS, 118)),
            WorkflowSpec("Build", "build.yml", 10,
                         (JobSpec("ios", MACOS, 640, kind="build"), JobSpec("android", LARGE, 505, kind="build"),
                          JobSpec("screenshots", MACOS, 380, 1, "e2e")), success_main=0.92, success_branch=0.8),
        ),
    ),
    RepositorySpec(
        "data-platform", "python", False,
        (
            _ci(17, JobSpec("ruff", LINUX, 21, kind="lint"), JobSpec("test (3.12)", LINUX, 92),
                JobSpec("test (3.13)", LINUX, 97), JobSpec("test (windows)", WINDOWS, 126), phantom="Test results"),
            WorkflowSpec("Pipelines", "pipelines.yml", 6, (JobSpec("dbt build", LINUX, 480), JobSpec("docs", LINUX, 66, 1))),
            WorkflowSpec("Nightly", "nightly.yml", 1, (JobSpec("backfill check", LARGE, 1900),), events=ON_CLOCK,
                         cron_hour=3, success_main=0.9),
            _CODEQL,
        ),
    ),
    RepositorySpec(
        "infra", "terraform", True,
        (
            _ci(11, JobSpec("fmt", LINUX, 19, kind="lint"), JobSpec("validate", LINUX, 44, kind="deploy")),
            WorkflowSpec("Terraform", "terraform.yml", 7, (JobSpec("plan", OWN, 170, kind="deploy"),
                         JobSpec("apply", OWN, 240, 1, "deploy")), success_main=0.92),
            WorkflowSpec("Drift", "drift.yml", 1, (JobSpec("detect", OWN, 420, kind="deploy"),), events=ON_CLOCK,
                         cron_hour=5),
        ),
    ),
)  # fmt: skip

ACTORS = (
    "amelie-roy", "bjornk", "chen-wei", "dana-okafor", "elif-demir", "fjansen", "g-marchetti", "hana-sato", "ivanpetrov",
    "jmartinez", "kwame-a", "lucia-f", "mhaddad", "nora-lind", "oscarv", "priya-n", "quentin-b", "rosa-almeida",
    "sven-h", "tomasz-w", "uma-k", "viktor-s", "wendy-cho", "yusuf-b", "dependabot[bot]", "renovate[bot]",
)  # fmt: skip

_AREAS = ("auth", "billing", "search", "checkout", "cache", "api", "ui", "db", "metrics", "queue", "i18n", "config")
_WORK = (
    "handle empty responses from the upstream", "retry on connection reset", "drop support for the old token format",
    "speed up cold start", "paginate the audit log", "cache the permission lookup", "validate currency codes",
    "move feature flags to the new service", "show the error code in the toast", "avoid N+1 in the order list",
    "make the timeout configurable", "keep focus when the dialog closes", "log the request id", "round half to even",
    "rename internal fields", "split the worker pool", "stream large exports", "tighten CSP headers",
    "remove dead feature flag", "accept ISO week dates", "document the rollout", "add a health probe",
)  # fmt: skip
_DEPENDENCIES = (
    "vite",
    "typescript",
    "pydantic",
    "grpc-go",
    "junit",
    "terraform-aws",
    "playwright",
    "react",
    "sqlalchemy",
)
TITLES = tuple(f"{kind}({area}): {work}" for kind, area, work in zip(
    ("feat", "fix", "refactor", "fix", "perf", "chore", "docs") * 40, _AREAS * 24, _WORK * 13, strict=False
))  # fmt: skip
BOT_TITLES = tuple(f"chore(deps): bump {name} from 5.{n}.0 to 5.{n + 1}.1" for n, name in enumerate(_DEPENDENCIES))
BRANCHES = tuple(
    f"{kind}/{name}"
    for kind, name in zip(
        ("feature", "fix", "feature", "refactor", "spike") * 20,
        ("checkout-v2", "retry-policy", "dark-mode", "ledger-split", "sso", "flaky-search", "bulk-export", "new-pricing",
         "ios-18", "cdn-headers", "orders-index", "audit-log", "passkeys", "go-1.25", "k8s-upgrade", "webhook-v3",
         "rate-limits", "currency", "onboarding", "tracing") * 5,
        strict=False,
    )
)  # fmt: skip
# Texts that have broken dashboards before.
NASTY = (
    ("feat: 🚀 ship the new onboarding 🎉", "feature/🚀-launch"),
    ("fix: <script>alert('title')</script> is not a title", "feat/<script>alert(1)</script>"),
    ("chore: ping <!channel> and *everyone* about _nothing_", "<!channel>"),
    ("fix(i18n): دعم اللغة العربية في صفحة الدفع", "fix/rtl-\u202eabc"),
    ('=HYPERLINK("http://evil.example","click")', "feature/formula"),
    ("refactor: " + "a very long title that goes on and on " * 8, "feature/" + "long-name-" * 12),
    ("docs: `code` | table [link](http://evil.example) **bold**", "docs/markdown|pipe"),
)
