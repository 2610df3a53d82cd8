"""Backup, restore and copy of a database."""
