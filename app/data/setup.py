"""What the set-up page reads."""

from app.data.caching import cache_data
from app.data.connection import read_session
from app.data.outages import serve_stale
from db.collection.setup_report import StoredSetupReport, read_setup_report


@serve_stale
@cache_data(ttl=3, max_entries=1)
def load_setup_report() -> StoredSetupReport | None:
    """The collector's last check of the credentials; null if there was none, or if GITHUB_REPOS is set."""
    with read_session() as session:
        return read_setup_report(session)
