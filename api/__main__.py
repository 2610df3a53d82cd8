"""`python -m api`: serves the API on API_HOST and API_PORT. `python -m api keys`: administers its keys."""

import argparse
import gc
import sys
from collections.abc import Sequence

import uvicorn

from api import keys_command
from api.main import create_app
from api.settings import ApiSettings
from core.http.connections import limit_connections
from core.logging import PROD, capture_warnings_and_errors, logging_config
from core.settings import ConfigError


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m api",
        description="Serves the API on API_HOST and API_PORT (default: 127.0.0.1:3000) until Ctrl-C. Settings are "
        "environment variables or lines of .env: docs/configuration.md.",
    )
    keys_command.add_parser(parser.add_subparsers(dest="command"))
    options = parser.parse_args(arguments)
    return keys_command.run(options) if options.command else _serve()


def _serve() -> int:
    try:
        settings = ApiSettings.load()
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    if settings.backend_env == PROD:
        capture_warnings_and_errors()
    limit_connections()
    app = create_app(settings)
    _tune_interpreter()
    uvicorn.run(
        app,
        host=settings.api_host,
        port=settings.api_port,
        access_log=False,
        server_header=False,
        # X-Forwarded-For is trusted only from the proxies of FORWARDED_ALLOW_IPS.
        proxy_headers=bool(settings.forwarded_allow_ips),
        forwarded_allow_ips=settings.forwarded_allow_ips,
        # Docker and the Kubernetes manifests of this repository kill the process 10 s after SIGTERM.
        timeout_graceful_shutdown=6,
        log_config=logging_config("api", settings.backend_env, settings.secret_values()),
    )
    return 0


def _tune_interpreter() -> None:
    # Objects that exist now live as long as the process: a full collection would scan them in up to 0.1 s per request.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    # Lets the event loop send cached responses while worker threads compute others.
    sys.setswitchinterval(0.001)


if __name__ == "__main__":
    sys.exit(main())
