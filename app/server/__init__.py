"""The dashboard's HTTP server around Streamlit: middleware, own routes, logging and the start.

Streamlit's caches require its runtime to exist before they are created, so what `app/main.py` imports from here does
not import `app.data`: `lifespan`, `routes` and `oidc` import it when they are called.
"""
