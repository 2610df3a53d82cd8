"""What the stored data takes, table by table, and what is deleted next."""

from collections.abc import Sequence

import streamlit as st

from app import data
from app.components import cells
from app.components.panel import panel
from app.components.table import Column, table
from app.components.text import html
from db.metrics.service_words import ServiceFact
from db.queries.sizes import TableSize

_COLUMNS = (
    Column("Table", fluid=True),
    Column("Rows", align="right", help="About so many: not counted, estimated by the database"),
    Column("Data", align="right", help="With what is stored beside the rows, as logs are"),
    Column("Indexes", align="right"),
)
_SHOWN = 8


def storage() -> None:
    found = data.stored()
    with panel("Storage", "what is kept, and for how long · renewed every minute", key="storage"):
        fact_grid(found.facts)
        rows = [_row(each) for each in found.storage.largest(_SHOWN)]
        if rows:
            table("storage", _COLUMNS, rows, caption="Size of the tables of the database")


def fact_grid(facts: Sequence[ServiceFact]) -> None:
    listed = "".join(
        f"<div><small>{html(each.label)}</small><b>{html(each.value)}</b><p>{html(each.more)}</p></div>"
        for each in facts
    )
    st.html(f'<div class="ph-facts">{listed}</div>')


def _row(each: TableSize) -> list[cells.Cell]:
    return [
        cells.text(each.name, mono=True),
        cells.about(each.rows),
        cells.size(each.table_bytes),
        cells.size(each.index_bytes),
    ]
