"""Who may see the dashboard: Streamlit's login says who somebody is, and the rules here whether they may in."""
