"""What stands around the dashboard's script: headers, packed files, health, logs in windows, and a warm start.

Nothing here imports the dashboard's data at once: Streamlit's caches want its runtime to be there before them."""
