"""The dashboard's HTTP server around Streamlit: middleware, own routes, logging and the start.

No module here imports `app.data` when it is imported itself: Streamlit's caches require its runtime to exist first.
"""
