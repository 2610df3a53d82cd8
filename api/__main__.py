"""python -m api: the API as configured by API_HOST and API_PORT."""

import sys

import uvicorn

from api.config import Settings
from api.main import create_app
from db.config import ConfigError
from db.telemetry.setup import PROD, logging_config, tell_everything


def main() -> int:
    try:
        settings = Settings.load()
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    if settings.backend_env == "prod" and settings.public and not settings.keys:
        where, remedy = (
            (f"API_PUBLISH={settings.api_publish}", "API_PUBLISH to 127.0.0.1:3000")
            if settings.api_publish
            else (f"API_HOST={settings.api_host}", "API_HOST to 127.0.0.1")
        )
        print(
            f"API_KEYS: {where} lets other machines in and no key is set; set API_KEYS, or {remedy}.", file=sys.stderr
        )
        return 2
    if settings.backend_env == PROD:
        tell_everything()
    uvicorn.run(
        create_app(settings),
        host=settings.api_host,
        port=settings.api_port,
        access_log=False,
        server_header=False,
        # Whoever stops it waits 10 s before it kills: Docker, and Kubernetes with the manifests here.
        timeout_graceful_shutdown=6,
        log_config=logging_config("api", settings.backend_env, settings.secret_values()),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
