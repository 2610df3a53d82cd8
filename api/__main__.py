"""python -m api: the API as configured by API_HOST and API_PORT."""

import sys

import uvicorn

from api.main import create_app
from api.settings import ApiSettings
from core.http.connections import limit_connections
from core.logging import PROD, capture_warnings_and_errors, logging_config
from core.settings import ConfigError


def main() -> int:
    try:
        settings = ApiSettings.load()
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    if settings.backend_env == PROD:
        capture_warnings_and_errors()
    limit_connections()
    uvicorn.run(
        create_app(settings),
        host=settings.api_host,
        port=settings.api_port,
        access_log=False,
        server_header=False,
        # Without a proxy that somebody named nobody speaks for others.
        proxy_headers=bool(settings.forwarded_allow_ips),
        forwarded_allow_ips=settings.forwarded_allow_ips,
        # Whoever stops it waits 10 s before it kills: Docker, and Kubernetes with the manifests here.
        timeout_graceful_shutdown=6,
        log_config=logging_config("api", settings.backend_env, settings.secret_values()),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
