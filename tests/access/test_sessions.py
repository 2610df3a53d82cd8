"""Programs that serve users open their sessions in a few places, where they are restricted."""

import ast
from collections.abc import Callable
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_OPENING = {"Session", "session_scope", "write_scope", "interactive_write_scope", "polling_write_scope", "begin_write"}
# By file, the functions that open sessions: for requests, which restrict them; for keys, versions and states of
# the system; and for deliveries of webhooks.
_PLACES = {
    "api/deps.py": {"get_session", "write_session"},
    "api/exporter/cached.py": {"render"},
    "api/health.py": {"_read_rows", "check_collection"},
    "api/keyring.py": {"_read_primary", "read", "record_use", "refresh"},
    "api/keys_command.py": {"_create", "_list", "_revoke"},
    "api/response_cache.py": {"_read"},
    "api/response_cache_middleware.py": {"_query"},
    "api/webhook_buffer.py": {"_write"},
    "app/data/connection.py": {"_end_sessions", "_generation", "unrestricted_session", "write_session"},
}
# Functions that read everything: who may see what, and sizes.
_UNRESTRICTED = {
    "app/data/connection.py": {"_visible_repositories", "read_session"},
    "app/data/collection.py": {"storage_overview"},
}


def _callers(is_wanted: Callable[[str], bool]) -> dict[str, set[str]]:
    """The functions with such a call, by file."""
    callers: dict[str, set[str]] = {}
    for file in (file for program in ("api", "app") for file in sorted((_ROOT / program).rglob("*.py"))):
        for function in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                calls = (ast.unparse(node.func) for node in ast.walk(function) if isinstance(node, ast.Call))
                if any(map(is_wanted, calls)):
                    callers.setdefault(str(file.relative_to(_ROOT)), set()).add(function.name)
    return callers


def test_sessions_are_opened_where_they_are_restricted() -> None:
    """A function that needs a session uses `api.deps` or `app.data.connection.read_session`."""
    assert _callers(lambda call: call in _OPENING or call.endswith(("reader.session", "reader().session"))) == _PLACES


def test_unrestricted_sessions_of_the_dashboard_read_no_repositories() -> None:
    assert _callers(lambda call: call == "unrestricted_session") == _UNRESTRICTED
