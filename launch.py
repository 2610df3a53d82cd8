"""`make run`: starts collector, API and dashboard on this machine until Ctrl-C; without GITHUB_REPOS, with the bundled
simulator of GitHub."""

import argparse
import errno
import os
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from honcho.manager import Manager
from honcho.printer import Printer
from sqlalchemy.exc import SQLAlchemyError

from api.settings import ApiSettings
from app.settings import AccessSettings
from collector.settings import CollectorSettings
from core.http.settings import is_loopback, require_protection
from core.settings import ConfigError, Port
from db.api_keys import has_keys_at
from db.collection.setup_report import delete_setup_report
from db.engine import DatabaseUnavailable, make_engine, write_scope
from db.migrate import upgrade

# Separate from the database of real repositories: GitHub does not know the repositories of the simulator.
DEMO_DATABASE = "sqlite:///data/demo.db"
_DEMO_TEAMS_FILE = Path(__file__).with_name("demo") / "teams.yaml"
# Ports after a taken one that are tried for the suggestion in the message.
_PORTS_TRIED = 100
# Added to a port that needs privileges: 8080 instead of 80.
_UNPRIVILEGED = 8_000
_ANY_ADDRESS = frozenset(("0.0.0.0", "::"))  # noqa: S104 - compared with settings


class AppSettings(AccessSettings):
    """The dashboard's settings and those of `make run` alone. `database_url`: null if the variable is not set."""

    database_url: str | None = None
    demo_port: Port = 3999


def main(arguments: Sequence[str] | None = None) -> int:
    """Checks all settings before the first process starts, so that an error is one line and not four logs."""
    argparse.ArgumentParser(
        prog="make run",
        description="Starts collector, API and dashboard on this machine until Ctrl-C; without GITHUB_REPOS, with a "
        "demo. Ports: APP_PORT, API_PORT and DEMO_PORT. Settings are environment variables or lines of .env: "
        "docs/configuration.md.",
    ).parse_args(arguments)
    try:
        collector, api, app = CollectorSettings.load(), ApiSettings.load(), AppSettings.load()
        is_demo = not collector.repos
        database = DEMO_DATABASE if is_demo and app.database_url is None else collector.database_url
        _require_protection(api, database)
        _require_free_ports(
            ("API_PORT", api.api_host, api.api_port),
            ("APP_PORT", "127.0.0.1", app.app_port),
            *([("DEMO_PORT", "127.0.0.1", app.demo_port)] if is_demo else []),
        )
        upgrade(make_engine(database))
        if not is_demo:
            _delete_setup_report_of_demo()
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    except DatabaseUnavailable as error:
        print(error, file=sys.stderr)
        return 1
    _print_urls(is_demo, api, app)
    return _run(is_demo, app, database)


def _require_protection(api: ApiSettings, database: str) -> None:
    """Raises ConfigError where the API would not start. Before the migration, so that an error changes nothing."""
    address = api.listen_address()
    # Of an address that only this machine reaches, the database need not be read.
    needs_stored = address.is_open and not api.keys and not api.access_by_proxy
    has_stored = has_keys_at(database) if needs_stored else False
    try:
        require_protection(api, address, guarded=bool(api.keys or has_stored))
    except ConfigError as error:
        if has_stored is None:
            raise ConfigError(f"{error} Stored keys cannot be read.") from None
        raise


def _delete_setup_report_of_demo() -> None:
    """Deletes the names of repositories that the set-up page of an earlier demo showed. The collector deletes only
    those in its own database."""
    if not Path(DEMO_DATABASE.removeprefix("sqlite:///")).is_file():
        return
    engine = make_engine(DEMO_DATABASE)
    # A database that was never migrated, or is damaged, is no reason not to start.
    with suppress(SQLAlchemyError), write_scope(engine) as session:
        delete_setup_report(session)
    engine.dispose()


def _run(is_demo: bool, app: AppSettings, database: str) -> int:
    # APP_PUBLISH is a setting of containers; here the dashboard listens on the loopback interface only.
    fixed = {"PYTHONUNBUFFERED": "1", "APP_PUBLISH": f"127.0.0.1:{app.app_port}"}
    environment = {**os.environ, **fixed, **(_demo_environment(app, database) if is_demo else {})}
    # Every line of the programs has its own time.
    manager = Manager(Printer(sys.stdout, time_format=""))
    for name, command in _commands(is_demo, app.app_port, app.demo_port).items():
        manager.add_process(name, command, env=environment)
    manager.loop()
    # 130 and 143: ended by Ctrl-C or SIGTERM, which is not an error.
    return 0 if manager.returncode in (None, 0, 130, 143) else int(manager.returncode)


def _demo_environment(app: AppSettings, database: str) -> Mapping[str, str]:
    """Environment variables of the demo's processes besides those of this process."""
    database_url = {} if app.database_url is not None else {"DATABASE_URL": database}
    simulator = f"http://127.0.0.1:{app.demo_port}"
    return {
        "DEMO_GITHUB_URL": simulator,
        "DEMO_TEAMS_FILE": str(_DEMO_TEAMS_FILE),
        "DEMO_RECEIVER_URL": f"{simulator}/_notifications",
        **database_url,
    }


def _commands(is_demo: bool, app_port: int, demo_port: int = 3999) -> Mapping[str, str]:
    python = f'exec "{sys.executable}"'
    simulator = f"{python} -m demo --port {demo_port} --rate-limit none --state data/demo.json"
    return ({"github": simulator} if is_demo else {}) | {
        "collector": f"{python} -m collector",
        "api": f"{python} -m api",
        "app": f"{python} -m streamlit run app/main.py --server.port {app_port} --server.address localhost "
        "--logger.level warning --browser.serverPort " + str(app_port),
    }


def _print_urls(is_demo: bool, api: ApiSettings, app: AppSettings) -> None:
    content = "a demo with a simulated GitHub (set GITHUB_REPOS to see your own)" if is_demo else "your pipelines"
    print(f"\nPipeline Health shows {content}.\n")
    print(f"  Dashboard  http://localhost:{app.app_port}")
    print(f"  API        http://{api.api_host}:{api.api_port}/docs\n")
    print("Ctrl-C stops everything.\n", flush=True)


# A variable, its host and its port.
Address = tuple[str, str, int]


def _require_free_ports(*addresses: Address) -> None:
    """Raises ConfigError with one line for each address at which no program can listen, and the command that uses other
    ports, if they are the remedy."""
    failures = {address: failure for address in addresses if (failure := _failure(address, addresses))}
    if not failures:
        return
    lines = [
        f"{name}: cannot listen on {host}:{port}: {failure.reason}; {failure.remedy}."
        for (name, host, port), failure in failures.items()
    ]
    if settings := list(_free_port_settings(failures, addresses)):
        lines.append(f"To use other ports: {' '.join([*settings, 'make run'])}")
    raise ConfigError("\n".join(lines))


@dataclass(frozen=True)
class _Failure:
    """Why no program can listen at an address. `first_candidate`: the first port that may be free, null if another port
    is not the remedy."""

    reason: str
    remedy: str
    first_candidate: int | None = None


def _failure(address: Address, addresses: Sequence[Address]) -> _Failure | None:
    _, host, port = address
    remedy = "choose another port"
    if error := _bind_error(host, port):
        reason = error.strerror or str(error)
        if error.errno == errno.EADDRINUSE:
            return _Failure(reason, remedy, port + 1)
        if error.errno in (errno.EACCES, errno.EPERM):
            return _Failure(reason, f"{remedy}, from 1024", port + _UNPRIVILEGED)
        if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            return _Failure(reason, "set API_HOST to an address of this machine")
        return _Failure(reason, "see the error of the operating system")
    earlier = addresses[: addresses.index(address)]
    same = next((other for other, at, number in earlier if number == port and _overlap(at, host)), None)
    return _Failure(f"{same} is the same port", remedy, port + 1) if same else None


def _overlap(host: str, other: str) -> bool:
    """Whether programs at both hosts need different ports."""
    return host == other or (is_loopback(host) and is_loopback(other)) or not {host, other}.isdisjoint(_ANY_ADDRESS)


def _free_port_settings(failures: Mapping[Address, _Failure], addresses: Sequence[Address]) -> Iterator[str]:
    """The settings of other ports that are free."""
    used = {port for _, _, port in addresses}
    for (name, host, _), failure in failures.items():
        first = failure.first_candidate
        if first is None:
            continue
        candidates = range(first, min(first + _PORTS_TRIED, 65_536))
        free = next((other for other in candidates if other not in used and not _bind_error(host, other)), None)
        if free:
            used.add(free)
            yield f"{name}={free}"


def _bind_error(host: str, port: int) -> OSError | None:
    """Why no program can listen there; null if one can."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error
    return None


if __name__ == "__main__":
    sys.exit(main())
