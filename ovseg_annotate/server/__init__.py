"""A session behind a door of its own: pictures once, then small questions on kept features."""
