"""Log lines of tools in a passing pipeline. `{n}`, `{d}`, `{ms}` and `{sha}` are filled with another value in every line."""

CHECKOUT = (
    "Syncing repository: {repo}",
    "##[group]Getting Git version info",
    "Working directory is '/home/runner/work/{name}/{name}'",
    "[command]/usr/bin/git version",
    "git version 2.53.0",
    "##[endgroup]",
    "##[command]/usr/bin/git config --local --unset-all extensions.worktreeConfig",
    "Deleting the contents of '/home/runner/work/{name}/{name}'",
    "##[group]Initializing the repository",
    "[command]/usr/bin/git init /home/runner/work/{name}/{name}",
    "Initialized empty Git repository in /home/runner/work/{name}/{name}/.git/",
    "[command]/usr/bin/git remote add origin https://github.com/{repo}",
    "##[endgroup]",
    "##[group]Fetching the repository",
    "[command]/usr/bin/git -c protocol.version=2 fetch --no-tags --prune --no-recurse-submodules --depth=1 origin +{commit}",
    "remote: Enumerating objects: {n}, done.",
    "remote: Counting objects: 100% ({n}/{n}), done.",
    "From https://github.com/{repo}",
    " * branch            {commit} -> FETCH_HEAD",
    "##[endgroup]",
    "##[group]Checking out the ref",
    "[command]/usr/bin/git checkout --progress --force {commit}",
    "HEAD is now at {short} {title}",
    "##[endgroup]",
)
PERMISSIONS = (
    "##[group]GITHUB_TOKEN Permissions", "Actions: read", "Checks: write", "Contents: read", "Metadata: read",
    "PullRequests: write", "##[endgroup]", "Secret source: Actions", "Prepare workflow directory",
    "Prepare all required actions", "Getting action download info",
    "Download action repository 'actions/checkout@v5' (SHA:08c6903cd8c0fde910a37f88322edcfb5dd907a8)",
    "Download action repository 'actions/cache@v4' (SHA:0057852bfaa89a56745cba8c7296529d2fc39830)",
)  # fmt: skip
INSTALL = {
    "node": ("npm warn deprecated inflight@1.0.{d}: This module is not supported", "added @acme/ui-{sha}@{d}.{n}.0",
             "reify:@types/node: timing reifyNode:node_modules/@types/node Completed in {n}ms"),
    "go": ("go: downloading golang.org/x/net v0.{d}{d}.0", "go: downloading github.com/acme/kit-{sha} v1.{d}.{n}"),
    "jvm": ("Download https://repo.acme.example/maven/com/acme/kit-{sha}/{d}.{n}/kit.pom", "Resolving dependencies of :ledger"),
    "swift": ("Installing AcmeKit{sha} ({d}.{n}.0)", "Using rake 13.2.{d}"),
    "python": ("Prepared {n} packages in {ms}ms", " + acme-{sha}=={d}.{n}.0", "Installed {n} packages in {ms}ms"),
    "terraform": ("- Finding hashicorp/aws versions matching \"~> 6.{d}\"...", "- Installed module network-{sha} v{d}.{n}.0"),
}  # fmt: skip
MAIN: dict[str, dict[str, tuple[str, ...]]] = {
    "lint": {
        "node": ("\x1b[32m✔\x1b[39m src/features/{sha}.tsx ({n} lines)", "checked {n} files"),
        "go": ("vet: ./internal/{sha}", "staticcheck: ok ./internal/{sha} ({n} files)"),
        "python": ("checked pipelines/load_{sha}.py", "pipelines/model_{sha}.py: ok"),
    },
    "test": {
        "node": ("\x1b[0m\x1b[7m\x1b[1m\x1b[32m PASS \x1b[39m\x1b[22m\x1b[27m\x1b[0m src/features/{sha}.test.ts ({d}.{n} s)",
                 "  \x1b[32m✓\x1b[39m renders without data ({n} ms)", "  \x1b[32m✓\x1b[39m keeps the order of rows ({n} ms)"),
        "go": ("=== RUN   TestCase{sha}", "--- PASS: TestCase{sha} (0.{n}s)", "ok  \tgithub.com/acme/api-gateway/internal/{sha}\t0.{n}s"),
        "jvm": ("> Task :ledger:compileTestJava UP-TO-DATE", "LedgerTest > case{n}() \x1b[32mPASSED\x1b[0m",
                "RefundTest > keepsCents[{n}]() \x1b[32mPASSED\x1b[0m"),
        "swift": ("Test Case '-[PayTests.CartTests testCase{n}]' started.", "Test Case '-[PayTests.CartTests testCase{n}]' passed (0.{n} seconds)."),
        "python": ("tests/load/test_{sha}.py ..........................                     [ {d}%]",
                   "tests/models/test_{sha}.py ...s......                                   [{d}{d}%]"),
    },
    "build": {
        "node": ("\x1b[2mdist/assets/\x1b[22m\x1b[36mindex-{sha}.js\x1b[39m  {n}.{d}0 kB │ gzip: {ms}.{d} kB", "transforming ({n}) src/pages/{sha}.tsx"),
        "jvm": ("> Task :app:processResources", "> Task :kit-{sha}:compileKotlin", "> Task :kit-{sha}:jar"),
        "swift": ("▸ Compiling View{sha}.swift", "▸ Linking Pay", "▸ Copying Assets-{n}.car"),
    },
    "deploy": {
        "terraform": ("module.network.aws_subnet.private[{d}]: Refreshing state... [id=subnet-{sha}]",
                      "module.cluster.aws_iam_role.node: Refreshing state... [id=node-{sha}]",
                      "data.aws_caller_identity.current: Read complete after {d}s"),
    },
    "e2e": {
        "node": ("  \x1b[32m✓\x1b[39m  {n} [chromium] › tests/login.spec.ts:1{d}:3 › signs in ({d}.{d}s)",
                 "  \x1b[32m✓\x1b[39m  {n} [webkit] › tests/orders.spec.ts:4{d}:3 › filters by month ({d}.{d}s)",
                 "  \x1b[32m✓\x1b[39m  {n} [chromium] › tests/profile.spec.ts:2{d}:3 › changes the picture ({d}.{d}s)"),
    },
}  # fmt: skip
OTHER = ("#{d} sha256:{sha} {n}B / {n}MB {ms}.{d}s", "#{d} DONE {d}.{d}s", "step {n}: ok ({ms} ms)")
ACTION = (
    "Received {n} of {n} (100.0%), {ms}.{d} MBs/sec",
    "Cache restored from key: Linux-{sha}",
    "Finished in {d}.{n}s",
)
CLEANING_UP = (
    "Post job cleanup.", "[command]/usr/bin/git version", "git version 2.53.0",
    "Temporarily overriding HOME='/home/runner/work/_temp/{sha}' before making global git config changes",
    "[command]/usr/bin/git config --local --name-only --get-regexp core\\.sshCommand", "Cleaning up orphan processes",
)  # fmt: skip
