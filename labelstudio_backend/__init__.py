"""The Label Studio door to ovseg_annotate. It is still empty."""
