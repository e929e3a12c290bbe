"""What corrections teach a model, as small files, and how it changes scores."""
