"""Showing what is meant: marks on a picture become visual examples, or pick one object."""
