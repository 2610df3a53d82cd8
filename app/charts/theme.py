"""Colours, layout and axes shared by all charts. The colours can be told apart with all three colour-vision
deficiencies, and work on light and dark backgrounds. Colours of outcomes: app.status_style."""

from html import escape
from typing import Any

from app.status_style import FAILURE, SUCCESS

USED_MINUTES = "rgba(26,111,203,0.55)"
SUCCESS_FAINT = "rgba(8,166,158,0.10)"
PREVIOUS_PERIOD = "rgba(122,135,150,0.65)"
MARKER_COLOURS = {"bad": FAILURE, "good": SUCCESS}
SUCCESS_SOFT, QUEUE_SOFT = "rgba(8,166,158,0.55)", "rgba(122,135,150,0.30)"
REFERENCE = "#8A93A0"
CRITICAL_PATH = "#8A93A0"
GRID = "rgba(128,140,155,0.22)"
AXIS_TEXT = "#7A8696"
HEAT_DARK = [
    "#1C2735",
    "#213A56",
    "#285078",
    "#31679A",
    "#4080BA",
    "#5B99CF",
    "#7BB2E0",
    "#9CC9EC",
    "#BBDCF5",
    "#D9EAFD",
]
SERIES = {
    False: ("#1A6FCB", "#7457D1", "#C2497F", "#4A90A4", "#8A6D3B", "#5C6773"),
    True: ("#4C9AF0", "#A48BF0", "#E07FAE", "#7CC3D6", "#D8B26E", "#A3ACB8"),
}
P50, P95 = {False: "#7457D1", True: "#A48BF0"}, {False: "#1A6FCB", True: "#4C9AF0"}
HEAT = ["#DCE9F8", "#B9D3F1", "#94BBE9", "#6CA1DE", "#4788CF", "#2F70BB", "#2059A0", "#164684", "#0F3769", "#0C2C55"]

# The mode bar is hidden by charts.css: the chart menu uses its button that saves an image.
CONFIG = {
    "displayModeBar": True,
    "modeBarButtons": [["toImage"]],
    "displayNotifier": False,
    "responsive": True,
    "scrollZoom": False,
}
HEIGHT = 225


def layout(**more: Any) -> dict[str, Any]:
    """The layout of every chart; `more` overrides it."""
    base: dict[str, Any] = {
        "height": HEIGHT,
        "margin": margin(),
        "hovermode": "x unified",
        "showlegend": False,
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 1.02,
            "xanchor": "left",
            "yanchor": "bottom",
            "traceorder": "normal",
            "title": {"text": ""},
        },
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "dragmode": False,
        # Streamlit draws a new chart several times until it has its size: hidden series stay hidden.
        "uirevision": "constant",
        "font": {"size": 12},
        "xaxis": axis(showgrid=False),
        "yaxis": axis(),
    }
    return base | more


def empty(message: str) -> dict[str, Any]:
    """A figure without axes that contains the reason why there is no data."""
    hidden = axis(visible=False, showgrid=False, range=[0, 1])
    note = {
        "text": escape_label(message),
        "x": 0.5,
        "y": 0.5,
        "xref": "paper",
        "yref": "paper",
        "showarrow": False,
        "font": {"size": 13, "color": AXIS_TEXT},
    }
    return {"data": [], "layout": layout(hovermode=False, xaxis=hidden, yaxis=hidden, annotations=[note])}


def margin(**more: int) -> dict[str, int]:
    """Margins in pixels, with room for the labels of both axes. With automatic margins Plotly draws every chart
    twice."""
    return {"l": 46, "r": 20, "t": 28, "b": 36, "pad": 4} | more


def axis(**more: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "title": {"text": "", "standoff": 0},
        "gridcolor": GRID,
        "zeroline": False,
        "automargin": False,
        "ticklabeloverflow": "allow",
        "nticks": 6,
        "tickfont": {"color": AXIS_TEXT, "size": 11},
        "fixedrange": True,
        "ticks": "",
    }
    return base | more


def time_axis(since: str, until: str, hoverformat: str) -> dict[str, Any]:
    """A time axis with a thin dotted line below the pointer, since a hover belongs to one time bucket."""
    spike = {"spikecolor": AXIS_TEXT, "spikethickness": 1, "spikedash": "dot"}
    return axis(showgrid=False, type="date", range=[since, until], hoverformat=hoverformat, **spike)


def escape_label(text: object) -> str:
    """Escapes text for labels and hovers, which Plotly reads as HTML: names from GitHub must stay text."""
    return escape(str(text), quote=False)
