"""Masks without names: from clusters of cells, through queries, to the concepts of each cell."""
