"""Is it complete, and can I trust it?"""

import streamlit as st

from app import data, filters
from app.components import collector
from app.components.collector import storage_panel

st.markdown("### Collector")
collector.live_status()
found = data.collection()
if found.ledgers:
    names = [each.repo for each in collector.incomplete_first(found.ledgers)]
    collector.repository_ledger(filters.ledger_repository(names))
storage_panel()
