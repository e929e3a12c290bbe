"""One file a system; engines never import one another."""
