"""Code that depends on Streamlit's internals.

Streamlit has no public interface for what these modules do. Each module states the reason and the version of Streamlit
that it was written for; tests/app/test_streamlit_patches.py fails when an upgrade removes or changes what it uses. No
other module of the dashboard imports a private module of Streamlit.
"""
