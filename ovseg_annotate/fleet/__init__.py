"""The same session over many machines: Ray places, moves and retries; what is done is ours."""
