"""Minutes, money and queues."""

from dataclasses import dataclass

import streamlit as st

from app.data.connection import session
from app.data.outages import lasting
from db import capacity, spending
from db.metrics.scope import Scope
from db.metrics.window import Window
from db.vocabulary import Interval


@dataclass(frozen=True)
class Capacity:
    series: list[spending.SpendPoint]
    queues: capacity.Queues
    wasted: spending.Wasted


@lasting
@st.cache_resource(ttl=600, max_entries=64, show_spinner=False)
def spend(scope: Scope, window: Window, by: spending.SpendBy, version: int) -> spending.Spending:
    with session(version) as found:
        return spending.spend(found, scope, window, by)


@lasting
@st.cache_resource(ttl=600, max_entries=64, show_spinner=False)
def use(scope: Scope, window: Window, interval: Interval, version: int) -> Capacity:
    with session(version) as found:
        return Capacity(
            spending.spend_series(found, scope, window, interval),
            capacity.queues(found, scope, window),
            spending.wasted(found, scope, window),
        )
