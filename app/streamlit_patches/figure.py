"""A figure that is drawn as it is written. Streamlit has Plotly check every dict it is given, attribute by attribute,
which takes a third of the time of a page; ours are made by code, and tests check each of them once."""

from functools import cache
from typing import Any

import plotly.io as pio
from plotly.basedatatypes import BaseFigure


class UncheckedFigure(BaseFigure):  # type: ignore[misc] # Plotly has no types
    """Taken for a checked figure. Colours and fonts that it leaves open are those of the default template."""

    def __init__(self, spec: dict[str, Any]) -> None:
        # Nothing of Plotly's own set-up: it would copy and check all of it.
        self._spec = spec

    def to_dict(self) -> dict[str, Any]:
        return {**self._spec, "layout": {"template": _template(pio.templates.default)} | self._spec["layout"]}

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)


@cache
def _template(name: str) -> dict[str, Any]:
    return dict(pio.templates[name].to_plotly_json())
