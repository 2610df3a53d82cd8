"""Is it complete, and can I trust it?"""

import streamlit as st

from app import data, filters
from app.components import collector
from app.components.collector import storage

st.markdown("### Collector")
collector.standing()
found = data.collection()
if found.ledgers:
    names = [each.repo for each in collector.worst_first(found.ledgers)]
    collector.of_one(filters.repository(names))
storage()
