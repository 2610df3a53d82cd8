"""Collector page: completeness of the data, state of the collector, and storage."""

import streamlit as st

from app.components import collector
from app.components.collector import storage_panel
from app.data.collection import load_collection
from app.filters import controls

st.markdown("### Collector")
collector.live_status()
overview = load_collection()
if overview.ledgers:
    names = [ledger.repo for ledger in collector.incomplete_first(overview.ledgers)]
    collector.repository_ledger(controls.repository_control(names))
storage_panel()
