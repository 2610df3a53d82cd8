"""Figures that skip Plotly's validation.

`st.plotly_chart` converts a dict to a `plotly.graph_objects.Figure`, which checks every attribute and takes a third of
the time of a page. It takes a `BaseFigure` as it is. The dashboard's figures are built by code; tests validate each of
them. Written for Streamlit 1.67 and Plotly 7.1.
"""

from functools import cache
from typing import Any

import plotly.io as pio
from plotly.basedatatypes import BaseFigure


class UncheckedFigure(BaseFigure):  # type: ignore[misc] # Plotly has no types
    """A figure of a dict with `data` and `layout`. Colours and fonts that it leaves out come from Plotly's default
    template, which Streamlit sets."""

    def __init__(self, spec: dict[str, Any]) -> None:
        # BaseFigure.__init__ would copy and validate the spec.
        self._spec = spec

    def to_dict(self) -> dict[str, Any]:
        return {**self._spec, "layout": {"template": _template(pio.templates.default)} | self._spec["layout"]}

    def __setattr__(self, name: str, value: Any) -> None:
        # BaseFigure's own validates attributes by the fields that __init__ would have set.
        object.__setattr__(self, name, value)


@cache
def _template(name: str) -> dict[str, Any]:
    return dict(pio.templates[name].to_plotly_json())
