"""Type what you want labelled, get polygons for the whole data set."""
