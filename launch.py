"""make run: everything on this machine, under one Ctrl-C. Without GITHUB_REPOS, on the bundled simulator."""

import os
import socket
import sys
from collections.abc import Mapping

from honcho.manager import Manager

from api.settings import ApiSettings
from app.settings import AccessSettings
from collector.settings import CollectorSettings
from core.http.settings import require_protection
from core.settings import ConfigError, Port
from db.engine import DatabaseUnavailable, make_engine
from db.migrate import upgrade

# Not that of one's own repositories: GitHub is never asked about what only the simulator has.
DEMO_DATABASE = "sqlite:///data/demo.db"


class AppSettings(AccessSettings):
    """The dashboard's, and what make run alone reads. `database_url` null: nobody chose one."""

    database_url: str | None = None
    demo_port: Port = 3999


def main() -> int:
    """Checks everything that can be checked before the first process starts: one clear line beats four logs."""
    try:
        collector, api, app = CollectorSettings.load(), ApiSettings.load(), AppSettings.load()
        demo = not collector.repos
        require_protection(api, api.listen_address(), guarded=bool(api.keys))
        database = DEMO_DATABASE if demo and app.database_url is None else collector.database_url
        _require_free_port("API_PORT", api.api_host, api.api_port)
        _require_free_port("APP_PORT", "127.0.0.1", app.app_port)
        if demo:
            _require_free_port("DEMO_PORT", "127.0.0.1", app.demo_port)
        upgrade(make_engine(database))
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    except DatabaseUnavailable as error:
        print(error, file=sys.stderr)
        return 1
    _print_urls(demo, api, app)
    return _run(demo, app, database)


def _run(demo: bool, app: AppSettings, database: str) -> int:
    # Of APP_PUBLISH only containers know anything: here the dashboard listens on this machine alone.
    here = {"PYTHONUNBUFFERED": "1", "APP_PUBLISH": f"127.0.0.1:{app.app_port}"}
    environment = {**os.environ, **here, **(_demo_environment(app, database) if demo else {})}
    manager = Manager()
    for name, command in _commands(demo, app.app_port, app.demo_port).items():
        manager.add_process(name, command, env=environment)
    manager.loop()
    # Stopped by Ctrl-C or SIGTERM as asked: nothing went wrong.
    return 0 if manager.returncode in (None, 0, 130, 143) else int(manager.returncode)


def _demo_environment(app: AppSettings, database: str) -> Mapping[str, str]:
    """What its processes are told beside what they read themselves."""
    chosen = {} if app.database_url is not None else {"DATABASE_URL": database}
    return {"DEMO_GITHUB_URL": f"http://127.0.0.1:{app.demo_port}", **chosen}


def _commands(demo: bool, app_port: int, demo_port: int = 3999) -> Mapping[str, str]:
    python = f'exec "{sys.executable}"'
    found = {"github": f"{python} -m demo --port {demo_port} --rate-limit none --state data/demo.json"} if demo else {}
    return found | {
        "collector": f"{python} -m collector",
        "api": f"{python} -m api",
        "app": f"{python} -m streamlit run app/main.py --server.port {app_port} --server.address localhost "
        "--logger.level warning --browser.serverPort " + str(app_port),
    }


def _print_urls(demo: bool, api: ApiSettings, app: AppSettings) -> None:
    what = "a demo on a simulated GitHub (set GITHUB_REPOS to see your own)" if demo else "your pipelines"
    print(f"\nPipeline Health shows {what}.\n")
    print(f"  Dashboard  http://localhost:{app.app_port}")
    print(f"  API        http://{api.api_host}:{api.api_port}/docs\n")
    print("Ctrl-C stops everything.\n", flush=True)


def _require_free_port(name: str, host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigError(
                f"{name}: cannot listen on {host}:{port}: {error.strerror}; choose another port."
            ) from None


if __name__ == "__main__":
    sys.exit(main())
