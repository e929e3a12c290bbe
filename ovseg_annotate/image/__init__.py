"""Pictures: read from files and arrays, upright, in RGB, within limits."""

from ovseg_annotate.image.options import ReadingOptions
from ovseg_annotate.image.picture import Image
from ovseg_annotate.image.reading import (
    SUFFIXES,
    file_bytes,
    from_array,
    image_of_bytes,
    images_in,
    read_image,
    size_of_file,
)

__all__ = [
    "SUFFIXES",
    "Image",
    "ReadingOptions",
    "file_bytes",
    "from_array",
    "image_of_bytes",
    "images_in",
    "read_image",
    "size_of_file",
]
