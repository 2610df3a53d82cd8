"""Readers of page contents for tests."""

import json
import re
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from typing import Any

from streamlit.testing.v1 import AppTest


def html(page: AppTest) -> list[str]:
    return [element.proto.body for element in page.get("html")]


def markdown(page: AppTest) -> str:
    return "\n".join(element.value for element in (*page.markdown, *page.caption, *page.warning, *page.info))


def charts(page: AppTest) -> list[Any]:
    return list(page.get("plotly_chart"))


def viewers(page: AppTest) -> list[dict[str, Any]]:
    """The data of each log viewer, without the path of its script."""
    found = [json.loads(element.proto.json) for element in page.get("bidi_component")]
    return [{key: value for key, value in each.items() if key != "script"} for each in found if "script" in each]


def everything(page: AppTest) -> str:
    return markdown(page) + "\n".join(html(page))


def tiles(page: AppTest) -> dict[str, tuple[str, str]]:
    """The value and the change of every metric card, by figure."""
    body = next((block for block in html(page) if 'class="ph-tiles"' in block), "")
    found = re.findall(r'data-figure="(\w+)".*?<b>(.*?)</b>.*?ph-chip[^>]*>(.*?)</span>', body)
    return {name: (unescape(re.sub("<[^>]+>", "", value)), unescape(change)) for name, value, change in found}


def facts(page: AppTest) -> dict[str, str]:
    """The key figures of the Run page by label."""
    body = next((block for block in html(page) if "ph-facts-row" in block and "<style>" not in block), "")
    return dict(re.findall(r'ph-label">(.*?)</span><b>(.*?)</b>', body))


@dataclass
class Seen:
    """A cell: its text, its sort value and its links."""

    text: str = ""
    value: str = ""
    links: list[str] = field(default_factory=list)


def table(page: AppTest, name: str) -> list[dict[str, Seen]]:
    """The rows of a table as dicts by column label; repeated labels are numbered."""
    body = next((block for block in html(page) if f'data-table="{name}"' in block), None)
    if body is None:
        return []
    # An element may have several tables.
    body = "<table " + body[body.index(f'data-table="{name}"') :].partition("</table>")[0]
    found = _Table()
    found.feed(body)
    labels = [label if label not in found.labels[:at] else f"{label} 2" for at, label in enumerate(found.labels)]
    return [dict(zip(labels, row, strict=True)) for row in found.rows]


class _Table(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.labels: list[str] = []
        self.rows: list[list[Seen]] = []
        self._in = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ("th", "td", "caption"):
            self._in = tag
        if tag == "tr" and self.labels:
            self.rows.append([])
        elif tag == "th":
            self.labels.append("")
        elif tag == "td":
            self.rows[-1].append(Seen(value=given.get("data-value") or ""))
        elif tag == "a" and self._in == "td":
            self.rows[-1][-1].links.append(given.get("href") or "")

    def handle_data(self, data: str) -> None:
        if self._in == "th":
            self.labels[-1] += data
        elif self._in == "td":
            self.rows[-1][-1].text += data


def octets(page: AppTest) -> int:
    """The size of a page: the bytes of all elements sent to the browser."""
    return sum(_octets(block) for block in page._tree.children.values())


def _octets(node: Any) -> int:
    own = node.proto.ByteSize() if getattr(node, "proto", None) is not None else 0
    return own + sum(_octets(child) for child in getattr(node, "children", {}).values())
