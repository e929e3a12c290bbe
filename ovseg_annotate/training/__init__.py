"""One loop for everything that can be trained, and the training of the bundled model."""
