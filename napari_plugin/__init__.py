"""The napari door to ovseg_annotate. It is still empty."""
