"""What a page says, for tests."""

from typing import Any

from streamlit.testing.v1 import AppTest


def html(page: AppTest) -> list[str]:
    return [element.proto.body for element in page.get("html")]


def markdown(page: AppTest) -> str:
    return "\n".join(element.value for element in (*page.markdown, *page.caption, *page.warning, *page.info))


def charts(page: AppTest) -> list[Any]:
    return list(page.get("plotly_chart"))


def everything(page: AppTest) -> str:
    return markdown(page) + "\n".join(html(page))
