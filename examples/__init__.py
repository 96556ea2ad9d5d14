"""Experiments to copy, and a first run of one of them (quickstart.py)."""
