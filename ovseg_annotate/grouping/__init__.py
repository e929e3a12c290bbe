"""Cells that gather in groups, and what keeps groups apart: torch modules without weights."""
