"""Authors, titles and branches of the sample runs."""

ACTORS = (
    "amelie-roy", "bjornk", "chen-wei", "dana-okafor", "elif-demir", "fjansen", "g-marchetti", "hana-sato",
    "ivanpetrov", "jmartinez", "kwame-a", "lucia-f", "mhaddad", "nora-lind", "oscarv", "priya-n", "quentin-b",
    "rosa-almeida", "sven-h", "tomasz-w", "uma-k", "viktor-s", "wendy-cho", "yusuf-b", "zoe-lambert",
)  # fmt: skip
BOTS = ("dependabot[bot]", "renovate[bot]")
QUEUE_BOT = "github-merge-queue[bot]"

# (title, branch) of a change.
CHANGES = (
    ("feat(checkout): keep the cart when the session expires", "feat/checkout-session"),
    ("fix(search): escape wildcards in the query", "fix/search-wildcards"),
    ("perf(api): cache the permission lookup for 30 s", "perf/permission-cache"),
    ("fix(auth): refresh the token before it expires", "fix/token-refresh"),
    ("refactor(queue): split the worker pool by priority", "refactor/worker-pool"),
    ("feat(billing): prorate upgrades in the middle of a month", "feat/prorated-upgrades"),
    ("fix(i18n): use the plural form for zero items", "fix/plural-zero"),
    ("feat(ui): dark mode for the settings page", "feat/dark-mode"),
    ("chore(ci): cache the dependencies between jobs", "chore/ci-cache"),
    ("docs: describe how to rotate the signing keys", "docs/key-rotation"),
    ("fix(export): stream large files instead of buffering them", "fix/stream-exports"),
    ("feat(audit): page through the audit log", "feat/audit-log-pages"),
    ("fix(db): add the missing index on orders.created_at", "fix/orders-index"),
    ("test(payments): cover refunds of split payments", "test/split-refunds"),
    ("feat(api): return Retry-After with every 429", "feat/retry-after"),
    ("fix(webhooks): retry on connection reset", "fix/webhook-retries"),
    ("refactor: drop the old feature flag client", "refactor/flag-client"),
    ("feat(passkeys): sign in without a password", "feat/passkeys"),
    ("fix(a11y): keep the focus when the dialog closes", "fix/dialog-focus"),
    ("perf(ui): load the charts only when they are visible", "perf/lazy-charts"),
    ("chore: move to the new base image", "chore/base-image"),
    ("feat(metrics): count cache misses by tenant", "feat/tenant-cache-metrics"),
    ("fix(timezones): accept ISO week dates", "fix/iso-weeks"),
    ("revert: \"perf(api): cache the permission lookup for 30 s\"", "revert/permission-cache"),
    ("feat(onboarding): import contacts from a CSV file", "feat/import-contacts"),
    ("fix(ledger): round half to even", "fix/ledger-rounding"),
    ("security: tighten the content security policy", "security/csp"),
    ("feat(orders): show the reason of a declined payment", "feat/decline-reasons"),
    ("fix(cache): do not keep empty answers", "fix/empty-cache-entries"),
    ("chore(deps): update the linters", "chore/linters"),
    ("feat(admin): suspend an account with a note", "feat/suspend-account"),
    ("fix(mobile): do not crash on rotated photos", "fix/rotated-photos"),
    ("refactor(config): read settings in one place", "refactor/settings"),
    ("feat(pricing): new tiers behind a flag", "feat/new-pricing"),
    ("build: upgrade the compiler", "build/compiler-upgrade"),
    ("fix(retry): add jitter to the backoff", "fix/backoff-jitter"),
    ("feat(tracing): pass the trace id to background jobs", "feat/trace-jobs"),
    ("fix(upload): resume after a lost connection", "fix/resume-uploads"),
    ("style: rename internal fields for consistency", "style/field-names"),
    ("fix(limits): count bursts per key, not per address", "fix/rate-limit-keys"),
    ("feat(reports): weekly summary by e-mail", "feat/weekly-summary"),
    ("test: remove sleeps from the scheduler tests", "test/no-sleeps"),
    ("chore(release): prepare the next version", "release/next"),
    ("fix(network): prefer IPv6 where it works", "fix/ipv6"),
    ("feat(storage): encrypt backups with a key per tenant", "feat/backup-keys"),
    ("fix: make the health check answer during migrations", "fix/health-in-migrations"),
)  # fmt: skip
_DEPENDENCIES = (
    "vite", "typescript", "pydantic", "grpc", "junit-jupiter", "hashicorp/aws", "playwright", "react", "sqlalchemy",
    "eslint", "okhttp", "golang.org/x/net", "actions/checkout", "ruff", "kotlinx-coroutines",
)  # fmt: skip
BOT_CHANGES = tuple(
    (f"chore(deps): bump {name} from {n % 7 + 1}.{n}.0 to {n % 7 + 1}.{n + 1}.1", f"dependabot/{name}-{n + 1}.1")
    for n, name in enumerate(_DEPENDENCIES)
)
# Texts that a dashboard must escape: markup, formulas, right-to-left marks, great length.
HOSTILE_CHANGES = (
    ("feat: 🚀 ship the new onboarding 🎉 (👩‍💻 + 🤖)", "feat/🚀-launch"),
    ("fix: <script>alert('title')</script> is not a title", "feat/<script>alert(1)</script>"),
    ("chore: ping <!channel> and *bold* about _nothing_ <https://evil.example|click>", "chore/<!channel>"),
    ("fix(i18n): دعم اللغة العربية في صفحة الدفع", "fix/rtl-\u202egnp"),
    ('=HYPERLINK("https://evil.example","click")', "feat/formula"),
    ("refactor: " + "a very long title that goes on and on " * 8, "feat/" + "long-name-" * 12),
    ("docs: `code` | table [link](https://evil.example) **bold** $x^2$", "docs/markdown|pipe"),
)
