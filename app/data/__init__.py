"""Reads and writes of the dashboard: the only modules of the dashboard that use the database and Streamlit's caches.

Cached values are small (figures, not rows) and shared by all browser sessions. Their keys are the filter and the
version of the data, which the collector increments with every change.
"""
