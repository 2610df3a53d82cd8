"""Minimal Streamlit page with one small chart as a baseline: `streamlit run bench/plain_page.py`."""

import streamlit as st

st.set_page_config(page_title="Plain", layout="wide")
st.plotly_chart({"data": [{"type": "scatter", "y": [k * k % 17 for k in range(30)]}], "layout": {"height": 240}})
