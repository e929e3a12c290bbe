"""How good a labelling is, and what a correction of it costs."""
