"""Is it complete, and can I trust it?"""

import streamlit as st

from app.components import collector
from app.components.collector import storage_panel
from app.data.collection import load_collection
from app.filters import controls

st.markdown("### Collector")
collector.live_status()
found = load_collection()
if found.ledgers:
    names = [each.repo for each in collector.incomplete_first(found.ledgers)]
    collector.repository_ledger(controls.repository_control(names))
storage_panel()
