"""What a page says, for tests."""

import json
from typing import Any

from streamlit.testing.v1 import AppTest


def html(page: AppTest) -> list[str]:
    return [element.proto.body for element in page.get("html")]


def markdown(page: AppTest) -> str:
    return "\n".join(element.value for element in (*page.markdown, *page.caption, *page.warning, *page.info))


def charts(page: AppTest) -> list[Any]:
    return list(page.get("plotly_chart"))


def viewers(page: AppTest) -> list[dict[str, Any]]:
    """What each log viewer is told, but where its program is."""
    found = [json.loads(element.proto.json) for element in page.get("bidi_component")]
    return [{key: value for key, value in each.items() if key != "script"} for each in found if "script" in each]


def everything(page: AppTest) -> str:
    return markdown(page) + "\n".join(html(page))
