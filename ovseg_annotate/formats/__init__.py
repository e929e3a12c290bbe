"""Annotation formats: regions to plain data and back. No model code, no I/O but files."""
