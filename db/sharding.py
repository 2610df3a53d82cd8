"""Which tables a sharded PostgreSQL (Citus) distributes, and whether the database at hand is one."""

from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Pool, text

# One copy on every node: joined with distributed tables on any column.
REFERENCE_TABLES = ("repositories",)
# By repository_id, their shards side by side: rows of a repository are on one node. The first one is distributed first.
DISTRIBUTED_TABLES = (
    "runs", "attempts", "jobs", "job_logs", "rollups", "usage_rollups", "rollup_marks", "broken_episodes", "run_gaps",
    "backfills", "sync_states", "workflows", "workflow_schedules",
)  # fmt: skip
SHARD_KEY = "repository_id"

# A setting of Citus; a PostgreSQL without it takes it, too, and does nothing.
SEQUENTIAL = text("SET LOCAL citus.multi_shard_modify_mode TO 'sequential'")

# By pool, which an engine shares with those that differ from it in options alone.
_sharded: WeakKeyDictionary[Pool, bool] = WeakKeyDictionary()


def is_sharded(connection: Connection) -> bool:
    """Whether runs are distributed. Read once for each engine: programs restart after `python -m db distribute`."""
    if connection.dialect.name != "postgresql":
        return False
    pool = connection.engine.pool
    if pool not in _sharded:
        _sharded[pool] = "runs" in distributed_tables(connection)
    return _sharded[pool]


def has_citus(connection: Connection) -> bool:
    return bool(connection.scalar(text("SELECT 1 FROM pg_extension WHERE extname = 'citus'")))


def distributed_tables(connection: Connection) -> set[str]:
    """Names of the tables that Citus distributes or copies to all nodes; empty on a plain PostgreSQL."""
    if not has_citus(connection):
        return set()
    # Partition method "h": by hash. "n" are reference tables (replication "t") and local ones that Citus knows ("s").
    query = "SELECT CAST(logicalrelid AS text) FROM pg_dist_partition WHERE partmethod = 'h' OR repmodel = 't'"
    return {str(name).removeprefix("public.") for name in connection.scalars(text(query))}
