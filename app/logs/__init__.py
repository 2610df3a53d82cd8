"""Logs for the dashboard's viewer: lines with their times, colours and groups, searched and sent in windows."""
