"""`python -m api keys`: creates, lists and revokes stored API keys."""

import argparse
import json
import re
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from core.settings import ConfigError
from db.api_keys import InvalidKey, KeyLimits, KeyRow, create_key, find_keys, list_keys, revoke_key
from db.audit import COMMAND
from db.engine import DatabaseUnavailable, describe_failure, make_engine, session_scope, write_scope
from db.enums import KeyScope
from db.migrate import NotMigrated, check_migrated
from db.repositories.repository_queries import known_repositories
from db.settings import DatabaseSettings
from health.teams.definition import team_key

_SPAN = re.compile(r"([1-9][0-9]{0,4})([hdw])")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}
_MAX_SPAN = timedelta(days=3_650)
_COLUMNS = ("ID", "NAME", "KEY", "SCOPE", "LIMITS", "CREATED", "EXPIRES", "LAST USED", "STATE")


def add_parser(commands: Any) -> None:
    """Adds the command to the subparsers of `python -m api`."""
    keys = commands.add_parser("keys", help="create, list and revoke API keys", description=__doc__)
    actions = keys.add_subparsers(dest="action", required=True)
    create = actions.add_parser("create", help="create a key and print it once")
    create.add_argument("name", help="who or what uses the key, such as grafana")
    create.add_argument("--scope", choices=list(KeyScope), required=True)
    create.add_argument("--team", help="the key reads only this team's repositories")
    create.add_argument("--repo", action="append", default=[], metavar="OWNER/NAME", help="… only these; repeatable")
    create.add_argument("--expires", metavar="SPAN", help="12h, 90d or 52w from now; default: never")
    listing = actions.add_parser("list", help="list all keys, without the keys themselves")
    revoke = actions.add_parser("revoke", help="revoke a key, within seconds")
    revoke.add_argument("key", metavar="NAME", help="the name or the id of the key")
    for action in (create, listing, revoke):
        action.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> int:
    """The exit status: 0, 1 for a database that is unavailable, 2 for an invalid setting or argument."""
    try:
        engine = make_engine(DatabaseSettings.load().database_url)
        check_migrated(engine)
        return _ACTIONS[options.action](engine, options, datetime.now(UTC))
    except (ConfigError, InvalidKey) as error:
        print(error, file=sys.stderr)
        return 2
    except (DatabaseUnavailable, NotMigrated) as error:
        print(error, file=sys.stderr)
    except SQLAlchemyError as error:
        print(describe_failure(engine, error), file=sys.stderr)
    return 1


def _create(engine: Engine, options: argparse.Namespace, now: datetime) -> int:
    expires_at = now + _span(options.expires) if options.expires else None
    with write_scope(engine) as session:
        known = {name.lower(): name for name in known_repositories(session)}
        repositories = tuple(dict.fromkeys(known.get(name.lower(), name) for name in options.repo))
        limits = KeyLimits(team_key(options.team) if options.team else None, repositories)
        row, key = create_key(
            session, COMMAND, options.name, KeyScope(options.scope), now, limits=limits, expires_at=expires_at
        )
    for name in repositories:
        if name.lower() not in known:
            print(f"repo: {name} is not monitored yet.", file=sys.stderr)
    if options.json:
        print(json.dumps(_as_dict(row, now) | {"key": key}))
        return 0
    print(f"Key {row.name} (id {row.id}, {_describe(row)}). It is not shown again:\n\n{key}\n")
    print("Requests send it in the header Authorization: Bearer KEY. From now on all requests to /api need a key.")
    return 0


def _list(engine: Engine, options: argparse.Namespace, now: datetime) -> int:
    with session_scope(engine) as session:
        rows = list_keys(session)
    if options.json:
        print(json.dumps([_as_dict(row, now) for row in rows]))
        return 0
    cells = [_COLUMNS, *(_cells(row, now) for row in rows)]
    widths = [max(len(line[index]) for line in cells) for index in range(len(_COLUMNS))]
    for line in cells:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())
    return 0


def _revoke(engine: Engine, options: argparse.Namespace, now: datetime) -> int:
    with write_scope(engine) as session:
        matches = find_keys(session, options.key)
        if len(matches) != 1:
            problem = "several keys have" if matches else "no key has"
            raise InvalidKey(f"revoke: {problem} the name {options.key[:100]!r}; see `python -m api keys list`")
        was_revoked = matches[0].revoked_at is not None
        revoke_key(session, COMMAND, matches[0].id, now)
        row = next(row for row in list_keys(session) if row.id == matches[0].id)
    if options.json:
        print(json.dumps(_as_dict(row, now)))
    else:
        print(f"Key {row.name} (id {row.id}) {'was revoked before' if was_revoked else 'is revoked'}.")
    return 0


_ACTIONS: dict[str, Callable[[Engine, argparse.Namespace, datetime], int]] = {
    "create": _create,
    "list": _list,
    "revoke": _revoke,
}


def _span(text: str) -> timedelta:
    match = _SPAN.fullmatch(text.strip())
    span = timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else timedelta(0)
    if not timedelta(0) < span <= _MAX_SPAN:
        raise InvalidKey(f"expires: invalid value {text[:40]!r}; expected 12h, 90d or 52w, at most 3650d")
    return span


def _as_dict(row: KeyRow, now: datetime) -> dict[str, Any]:
    fields = asdict(row) | {"state": row.state(now)}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in fields.items()}


def _cells(row: KeyRow, now: datetime) -> tuple[str, ...]:
    limits = [f"team {row.team_key}"] if row.team_key else []
    return (
        str(row.id),
        row.name,
        f"{row.prefix}…",
        row.scope or "–",
        ", ".join([*limits, *row.repositories]) or "–",
        _time(row.created_at),
        _time(row.expires_at),
        _time(row.last_used_at),
        row.state(now),
    )


def _describe(row: KeyRow) -> str:
    limits = [f"team {row.team_key}"] if row.team_key else []
    expiry = f"expires {_time(row.expires_at)}" if row.expires_at else "without expiry"
    return ", ".join([f"scope {row.scope}", *limits, *row.repositories, expiry])


def _time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "–"
