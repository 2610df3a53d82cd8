"""Is it complete, and can I trust it?"""

import streamlit as st

from app import data, filters
from app.components import ledger
from app.components.storage import storage

st.markdown("### Collector")
ledger.standing()
found = data.collection()
if found.ledgers:
    names = [each.repo for each in ledger.worst_first(found.ledgers)]
    ledger.of_one(filters.repository(names))
storage()
