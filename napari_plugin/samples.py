"""Pictures that the project draws itself: no file, no network, no weights."""

from __future__ import annotations

from napari_plugin.layer_data import LayerData, Origin, layers_of
from ovseg_annotate.datasets.scenes import Scene, SceneRules, SceneStyle, draw_scene
from ovseg_annotate.geometry import Size
from ovseg_annotate.regions import AnnotatedImage, Mask, Region
from ovseg_annotate.vocabulary import Concept, Vocabulary

_SIZE = Size(height=512, width=512)
# Chosen by eye.
_SHAPES_SEED, _CROWD_SEED, _MICROSCOPY_SEED = 2, 1, 11


def shapes() -> list[LayerData]:
    """Coloured shapes on a ground of another colour."""
    return [_picture(_drawn(SceneStyle.EASY, _SHAPES_SEED), "shapes")]


def crowd() -> list[LayerData]:
    """Shapes that touch and cover one another."""
    return [_picture(_drawn(SceneStyle.CROWDED, _CROWD_SEED), "crowd")]


def microscopy() -> list[LayerData]:
    """A slide as a microscope shows it."""
    return [_picture(_drawn(SceneStyle.MICROSCOPY, _MICROSCOPY_SEED), "microscopy")]


def microscopy_with_answer() -> list[LayerData]:
    """A slide and the exact place of everything on it."""
    scene = _drawn(SceneStyle.MICROSCOPY, _MICROSCOPY_SEED)
    return [_picture(scene, "microscopy"), *layers_of(_answer(scene, "microscopy"))]


def _drawn(style: SceneStyle, seed: int) -> Scene:
    return draw_scene(SceneRules(style, _SIZE, object_scale=3.0), seed)


def _picture(scene: Scene, name: str) -> LayerData:
    # The words tell the Segment dock what can be found here.
    metadata = Origin.of(_answer(scene, name)).as_metadata()
    return scene.pixels, {"name": name, "rgb": True, "metadata": metadata}, "image"


def _answer(scene: Scene, name: str) -> AnnotatedImage:
    names = dict.fromkeys(region.name for region in scene.regions)
    regions = tuple(
        Region(region.name, (), Mask.of(scene.instances == region.label))
        for region in scene.regions
    )
    words = Vocabulary(tuple(Concept(each) for each in names))
    return AnnotatedImage(name, Size(*scene.instances.shape), regions, words, None)
