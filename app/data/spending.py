"""Minutes, money and queues."""

from dataclasses import dataclass

import streamlit as st

from app.data.connection import session
from db import capacity
from db.metrics.scope import Scope
from db.metrics.window import Window
from db.vocabulary import Interval


@dataclass(frozen=True)
class Capacity:
    series: list[capacity.SpendPoint]
    queues: capacity.Queues
    wasted: capacity.Wasted


@st.cache_resource(ttl=600, max_entries=64, show_spinner=False)
def spend(scope: Scope, window: Window, by: capacity.SpendBy, version: int) -> capacity.Spending:
    with session(version) as found:
        return capacity.spend(found, scope, window, by)


@st.cache_resource(ttl=600, max_entries=64, show_spinner=False)
def use(scope: Scope, window: Window, interval: Interval, version: int) -> Capacity:
    with session(version) as found:
        return Capacity(
            capacity.spend_series(found, scope, window, interval),
            capacity.queues(found, scope, window),
            capacity.wasted(found, scope, window),
        )
