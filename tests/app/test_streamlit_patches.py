"""The parts of Streamlit that app/streamlit_patches relies on: fails if an upgrade removes or changes one of them."""

import ast
import asyncio
import inspect
import re
from functools import cache
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import plotly.tools
import pytest
import streamlit as st
from plotly.basedatatypes import BaseFigure
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from streamlit import auth_util, config, logger, user_info
from streamlit.testing.v1 import AppTest
from streamlit.web.server import server_util
from streamlit.web.server.starlette import (
    starlette_app_utils,
    starlette_auth_routes,
    starlette_server_config,
    starlette_websocket,
)

from app.access.login import CALLBACK
from app.streamlit_patches import auth_routes, cookies, document, loggers
from app.streamlit_patches.figure import UncheckedFigure
from app.streamlit_patches.websocket_host import WebSocketHostMiddleware

APP = Path(document.__file__).parents[1]
# What Streamlit documents for use by apps.
PUBLIC = ("streamlit", "streamlit.errors", "streamlit.testing.v1")
NAVIGATION = APP / "javascript" / "navigation"


def _parameters(function: object) -> list[str]:
    return list(inspect.signature(function).parameters)  # type: ignore[arg-type]


def _imported_modules(file: Path) -> set[str]:
    modules: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "streamlit":
            modules |= {alias.name if hasattr(st, alias.name) else f"streamlit.{alias.name}" for alias in node.names}
            # Modules of Streamlit that its public namespace merely happens to contain.
            modules |= {
                f"streamlit.{alias.name}" for alias in node.names if inspect.ismodule(getattr(st, alias.name, 0))
            }
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules.add(node.module)
    return modules


def test_private_modules_of_streamlit_and_plotly_are_imported_by_the_patches_only() -> None:
    for file in APP.rglob("*.py"):
        if "streamlit_patches" in file.parts:
            continue
        private = {name for name in _imported_modules(file) if name.split(".")[0] == "streamlit"} - set(PUBLIC)
        private |= {name for name in _imported_modules(file) if name.startswith("plotly.") and "basedatatypes" in name}
        assert not private, f"{file} imports {private}"


def test_cookies_are_signed_and_split_as_expected() -> None:
    assert _parameters(auth_util.get_cookie_with_chunks) == ["get_single_cookie_fn", "cookie_name"]
    assert _parameters(starlette_app_utils.decode_signed_value)[:3] == ["secret", "name", "value"]
    assert _parameters(server_util.get_cookie_secret) == []
    names = [value for name, value in vars(starlette_server_config).items() if name.endswith("_COOKIE_NAME")]
    assert {cookies.USER_COOKIE, cookies.XSRF_COOKIE} <= set(names)
    assert all(name.startswith(cookies.COOKIE_PREFIX) for name in names)
    token = cookies.new_xsrf_token()
    assert cookies.has_xsrf_token({cookies.XSRF_COOKIE: token})
    assert starlette_app_utils.validate_xsrf_token(token, token)
    assert not cookies.has_xsrf_token({})


def test_the_cookie_secret_is_an_option() -> None:
    before = config.get_option("server.cookieSecret")
    cookies.set_cookie_secret("a-secret")
    try:
        assert server_util.get_cookie_secret() == "a-secret"
    finally:
        config.set_option("server.cookieSecret", before)


def test_the_login_routes_look_their_functions_up_at_each_request() -> None:
    assert _parameters(auth_routes._create_oauth_client) == ["provider"]
    assert _parameters(auth_routes._set_auth_cookie) == ["response", "user_info", "tokens"]
    source = inspect.getsource(starlette_auth_routes)
    assert len(re.findall(r"(?<!def )\b_create_oauth_client\(provider\)", source)) == 3
    assert len(re.findall(r"await _set_auth_cookie\(response, ", source)) == 1
    paths = {route.path for route in starlette_auth_routes.create_auth_routes("")}
    assert paths == {"/auth/login", "/auth/logout", CALLBACK}
    assert starlette_auth_routes._LOGGER.name == auth_routes.LOGGER_NAME
    assert _parameters(user_info.generate_login_redirect_url) == ["provider"]


def test_the_replacements_prepare_the_client_and_extend_the_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    client, prepared, saved = object(), [], []

    async def save(response: object, claims: object, tokens: object) -> None:
        saved.append((claims, tokens))

    async def extend(claims: dict[str, object]) -> dict[str, object]:
        return claims | {"more": 1}

    for name in ("_create_oauth_client", "_set_auth_cookie"):
        monkeypatch.setattr(starlette_auth_routes, name, getattr(starlette_auth_routes, name))
    monkeypatch.setattr(auth_routes, "_create_oauth_client", lambda provider: (client, "https://here"))
    monkeypatch.setattr(auth_routes, "_set_auth_cookie", save)
    auth_routes.install(lambda *arguments: prepared.append(arguments), extend)
    assert starlette_auth_routes._create_oauth_client("okta") == (client, "https://here")
    asyncio.run(starlette_auth_routes._set_auth_cookie(Response(), {"sub": "1"}, {"id": "x"}))
    assert (prepared, saved) == ([("okta", client)], [({"sub": "1", "more": 1}, {"id": "x"})])


def test_loggers_get_their_handlers_from_one_function(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("get_logger", "update_formatter"):
        assert "setup_formatter(" in inspect.getsource(getattr(logger, name))
    assert _parameters(logger.setup_formatter) == ["logger"]
    monkeypatch.setattr(logger, "setup_formatter", logger.setup_formatter)
    monkeypatch.setattr(logger, "_loggers", {})
    loggers.use_root_handlers()
    created = logger.get_logger("streamlit.created-later")
    assert created.propagate
    assert created.handlers == []


def test_a_websocket_whose_host_is_its_origin_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    """And without a request to the internet for this machine's address."""
    assert _parameters(starlette_websocket._is_origin_allowed) == ["origin", "host"]
    monkeypatch.setattr(starlette_websocket, "is_url_from_allowed_origins", lambda _: pytest.fail("compared"))
    seen: list[dict[bytes, bytes]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(dict(scope["headers"]))

    headers = [(b"host", b"127.0.0.1:8501"), (b"origin", b"https://health.example.com")]
    middleware = WebSocketHostMiddleware(app)
    for kind in ("websocket", "http"):
        asyncio.run(middleware({"type": kind, "headers": headers}, _never, _never))
    socket, request = seen
    assert starlette_websocket._is_origin_allowed(socket[b"origin"].decode(), socket[b"host"].decode())
    assert request[b"host"] == b"127.0.0.1:8501"


async def _never(*_: object) -> Any:
    pytest.fail("Nothing is received or sent.")


def test_the_document_contains_what_is_replaced() -> None:
    html = (document.STREAMLIT / "index.html").read_text("utf-8")
    assert html.count("<head>") == html.count("</head>") == html.count("</body>") == 1
    assert len(document.DEFAULT_FONT.findall(html)) >= 1
    for prefix in document.COMMON_COMPONENTS + document.CHART_COMPONENTS:
        assert document.preload_assets(prefix), prefix


def test_the_scripts_read_the_globals_of_the_bypass() -> None:
    for name in ("__streamlit", "BACKEND_BASE_URL", "HOST_CONFIG", "allowedOrigins", "useExternalAuthToken"):
        assert name in _scripts(), name


def test_the_navigation_finds_the_elements_and_events_of_streamlit() -> None:
    sources = "".join(file.read_text("utf-8") for file in NAVIGATION.glob("*.js"))
    styles = "".join(file.read_text("utf-8") for file in APP.rglob("*.css") if "javascript" not in file.parts)
    names = set(re.findall(r"""data-testid[*^]?=["']?(st\w+)""", sources + styles))
    assert names
    missing = {name for name in names if name not in _scripts()}
    assert not missing
    assert re.search("addEventListener\\([\"'`]popstate", _scripts())


def test_a_chart_takes_a_base_figure_as_it_is() -> None:
    spec = {"data": [{"type": "scatter", "y": [1, 2]}], "layout": {"title": {"text": "t"}}}
    assert issubclass(UncheckedFigure, BaseFigure)
    drawn = UncheckedFigure(spec).to_dict()
    assert plotly.tools.return_figure_from_figure_or_data(UncheckedFigure(spec), validate_figure=True) == drawn
    assert drawn["data"] == spec["data"]
    assert drawn["layout"]["title"] == {"text": "t"}
    assert go.Figure(drawn).layout.template.layout.colorway is not None


def test_streamlit_draws_the_figure_without_checking_it() -> None:
    def page() -> None:
        import streamlit

        from app.streamlit_patches.figure import UncheckedFigure

        streamlit.plotly_chart(UncheckedFigure({"data": [{"type": "no such type"}], "layout": {}}))

    assert not AppTest.from_function(page).run().exception


@cache
def _scripts() -> str:
    return "".join(file.read_text("utf-8") for file in (document.STREAMLIT / "static" / "js").glob("*.js"))
