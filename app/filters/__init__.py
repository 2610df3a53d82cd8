"""The filters of a page: from its URL to the scope and the window of a query.

`url_state` keeps the URL and Streamlit's session state equal, `controls` renders the widgets, `selection` translates
the state into scopes, windows and texts, and `problems` reports what of the URL cannot be shown.
"""
