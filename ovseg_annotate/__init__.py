"""Type what you want labelled, get polygons for the whole data set.

from ovseg_annotate import Vocabulary, open_session, read_image

session = open_session("naclip@mini")
words = Vocabulary.parse("nucleus: cell nucleus; -glass slide")
annotation = session.annotate(read_image("cells.png"), words)
for region in annotation.regions():
print(region.concept, region.area, region.polygons)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from ovseg_annotate._version import __version__

if TYPE_CHECKING:
    from ovseg_annotate.annotate_options import AnnotateOptions
    from ovseg_annotate.annotation import Annotation, Outcome
    from ovseg_annotate.errors import OvsegError
    from ovseg_annotate.feature_store import FeatureStore
    from ovseg_annotate.geometry import Polygon, Size
    from ovseg_annotate.image import Image, ReadingOptions, from_array, images_in, read_image
    from ovseg_annotate.label_map import LabelMap
    from ovseg_annotate.pointing.examples import VisualExamples
    from ovseg_annotate.pointing.marks import AreaMark, BoxMark, Mark, PointMark
    from ovseg_annotate.pointing.picking import Picked, PickOptions
    from ovseg_annotate.refine.options import RefineOptions
    from ovseg_annotate.regions import AnnotatedImage, Region, RegionOptions
    from ovseg_annotate.session import Session, open_session
    from ovseg_annotate.vocabulary import Concept, Vocabulary
    from ovseg_annotate.watch import Progress, Watch

# Importing the package must not import torch: each name is fetched when it is first used.
_HOMES = {
    "AnnotateOptions": "annotate_options",
    "AnnotatedImage": "regions",
    "Annotation": "annotation",
    "AreaMark": "pointing.marks",
    "BoxMark": "pointing.marks",
    "Concept": "vocabulary",
    "FeatureStore": "feature_store",
    "Image": "image",
    "LabelMap": "label_map",
    "Mark": "pointing.marks",
    "Outcome": "annotation",
    "OvsegError": "errors",
    "PickOptions": "pointing.picking",
    "Picked": "pointing.picking",
    "PointMark": "pointing.marks",
    "Polygon": "geometry",
    "Progress": "watch",
    "ReadingOptions": "image",
    "RefineOptions": "refine.options",
    "Region": "regions",
    "RegionOptions": "regions",
    "Session": "session",
    "Size": "geometry",
    "VisualExamples": "pointing.examples",
    "Vocabulary": "vocabulary",
    "Watch": "watch",
    "from_array": "image",
    "images_in": "image",
    "open_session": "session",
    "read_image": "image",
}

__all__ = [
    "AnnotateOptions",
    "AnnotatedImage",
    "Annotation",
    "AreaMark",
    "BoxMark",
    "Concept",
    "FeatureStore",
    "Image",
    "LabelMap",
    "Mark",
    "Outcome",
    "OvsegError",
    "PickOptions",
    "Picked",
    "PointMark",
    "Polygon",
    "Progress",
    "ReadingOptions",
    "RefineOptions",
    "Region",
    "RegionOptions",
    "Session",
    "Size",
    "VisualExamples",
    "Vocabulary",
    "Watch",
    "__version__",
    "from_array",
    "images_in",
    "open_session",
    "read_image",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'ovseg_annotate' has no attribute {name!r}")
    return getattr(importlib.import_module(f"ovseg_annotate.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
