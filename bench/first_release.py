"""Generated data in the schema of the first release, with any number of runs, inserted by SQL."""

from sqlalchemy import Engine, text

from db.migrate import downgrade, upgrade

REPOSITORIES = 50
_DAYS = 400
_BATCH = 100_000
_REPOSITORIES = """
INSERT INTO repositories (id, full_name, default_branch, private, archived, html_url, monitored)
SELECT n, 'acme/service-' || n, 'main', true, false, 'https://github.com/acme/service-' || n, true FROM numbers
"""
_HEARTBEAT = """
INSERT INTO heartbeats (name, started_at, seen_at, data_version, detail)
VALUES ('collector', CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, 1, '{}')
"""
_RUNS = """
INSERT INTO runs (repository_id, id, workflow_id, workflow_name, run_number, attempt, title, event, branch,
    on_default_branch, head_sha, actor, status, conclusion, outcome, created_at, started_at, completed_at, updated_at,
    duration_seconds, queue_seconds, flaky, compute_seconds, wasted_seconds, cost_usd, html_url, details_pending)
SELECT n % 50 + 1, n, n % 400 + 1, 'CI ' || n % 8, n, 1, 'Change number ' || n || ' of the service',
    CASE n % 3 WHEN 0 THEN 'push' WHEN 1 THEN 'pull_request' ELSE 'schedule' END,
    CASE WHEN n % 2 = 0 THEN 'main' ELSE 'feature/' || n % 900 END, n % 2 = 0,
    '0123456789abcdef0123456789abcd' || (1000000000 + n), 'dev-' || n % 120, 'completed',
    CASE WHEN n % 8 = 0 THEN 'failure' ELSE 'success' END, CASE WHEN n % 8 = 0 THEN 'failure' ELSE 'success' END,
    {at}, {at}, {at}, {at}, n % 900 + 10.5, n % 60, false, n % 3000, 0, 0.01,
    'https://github.com/acme/service-' || (n % 50 + 1) || '/actions/runs/' || n, false
FROM numbers
"""
_ATTEMPTS = """
INSERT INTO attempts (repository_id, run_id, attempt, status, conclusion, started_at, duration_seconds, queue_seconds)
SELECT n % 50 + 1, n, 1, 'completed', 'success', {at}, n % 900 + 10.5, n % 60 FROM numbers
"""
_JOBS = """
INSERT INTO jobs (repository_id, id, run_id, attempt, name, status, conclusion, started_at, duration_seconds, runner,
    labels, copied, phantom, steps)
SELECT n % 50 + 1, n * 10 + {job}, n, 1, 'job-{job}', 'completed', 'success', {at}, n % 900, 'runner',
    '["ubuntu-latest"]', false, false, '[{{"number": 1, "name": "Set up job"}}]' FROM numbers
"""
_LOGS = """
INSERT INTO job_logs (repository_id, job_id, run_id, state, content, truncated, tries, requested_at, fetched_at,
    error_line, fingerprint, excerpt)
SELECT n % 50 + 1, n * 10 + 1, n, 'stored', {bytes}, false, 1, {at}, {at}, 'error: it failed', 'f' || n % 200,
    '["error: it failed"]' FROM numbers WHERE n % 8 = 0
"""
_NUMBERS = {
    "postgresql": "WITH numbers AS (SELECT n FROM generate_series({first}, {last}) AS n)",
    "sqlite": "WITH RECURSIVE numbers(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM numbers WHERE n < {last})",
}
_AT = {
    "postgresql": "now() - interval '400 days' + n * interval '1 second' * {step}",
    "sqlite": "strftime('%Y-%m-%d %H:%M:%S.000000', 'now', '-400 days', (n * {step}) || ' seconds')",
}
_BYTES = {"postgresql": "convert_to(repeat(md5(n::text), 60), 'UTF8')", "sqlite": "randomblob(2000)"}


def downgrade_to_first(engine: Engine) -> None:
    """Migrates the database, empty or filled, to the first revision."""
    downgrade(engine, "0001")
    upgrade(engine, "0001")


def fill(engine: Engine, runs: int, jobs: int) -> None:
    """Fills an empty database at the first revision, with `jobs` jobs per run and a log of one job in every eighth
    run."""
    kind = engine.dialect.name
    values = {"at": _AT[kind].format(step=_DAYS * 86_400 / runs), "bytes": _BYTES[kind]}
    with engine.begin() as connection:
        connection.execute(text(_numbered(kind, 1, REPOSITORIES, _REPOSITORIES)))
        connection.execute(text(_HEARTBEAT.replace("CURRENT_TIMESTAMP", "'2026-01-01 00:00:00.000000'")))
    for first in range(1, runs + 1, _BATCH):
        last = min(first + _BATCH - 1, runs)
        tables = [_RUNS, _ATTEMPTS, _LOGS, *(_JOBS.replace("{job}", str(job)) for job in range(1, jobs + 1))]
        with engine.execution_options(writes=True).begin() as connection:
            for statement in tables:
                connection.exec_driver_sql(
                    _numbered(kind, first, last, statement.format(**values)).replace(
                        "%", "%%" if kind == "postgresql" else "%"
                    )
                )
    if kind == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))


def _numbered(kind: str, first: int, last: int, statement: str) -> str:
    """Returns the statement with its numbers in a WITH clause before it, which both databases accept."""
    return _NUMBERS[kind].format(first=first, last=last) + statement
