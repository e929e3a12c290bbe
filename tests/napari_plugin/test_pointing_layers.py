from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari_at_once import Desk, coloured_picture

from napari_plugin.pictures import LayerPictures
from napari_plugin.pointing_layers import PointingLayers, Tool
from napari_plugin.presenter import Settings
from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.errors import OptionError, VocabularyError
from ovseg_annotate.pointing.marks import AreaMark, BoxMark, PointMark
from ovseg_annotate.vocabulary import Vocabulary

WORDS = Vocabulary.parse("zebra; ant")
PLAIN = Settings(AnnotateOptions(contrast="none"))


def pointing(shape: tuple[int, ...] = (64, 64), **keywords: object) -> PointingLayers:
    viewer = ViewerModel()
    layer = viewer.add_image(np.zeros(shape), name="cells", **keywords)
    return PointingLayers(viewer, LayerPictures.of(layer))


def test_a_point_is_told_in_pixel_edges_of_the_picture() -> None:
    made = pointing(scale=(0.5, 2.0))
    layer = made.take_up(Tool.POINT, WORDS, 2, positive=True)
    layer.add([10, 20])
    made.choose(WORDS, 1, positive=False)
    layer.add([3, 4])
    assert made.marks((), WORDS) == (
        PointMark("ant", 20.5, 10.5),
        PointMark("zebra", 4.5, 3.5, positive=False),
    )


def test_points_show_the_colour_of_their_concept() -> None:
    made = pointing()
    layer = made.take_up(Tool.POINT, WORDS, 2, positive=True)
    layer.add([10, 20])
    assert np.allclose(layer.face_color[0, :3] * 255, WORDS.colours[1])


def test_choosing_another_concept_leaves_earlier_marks_as_they_are() -> None:
    made = pointing()
    layer = made.take_up(Tool.POINT, WORDS, 2, positive=True)
    layer.add([10, 20])  # it stays selected in napari
    made.choose(WORDS, 1, positive=False)
    assert made.marks((), WORDS) == (PointMark("ant", 20.5, 10.5),)


def test_a_box_is_told_by_its_corners() -> None:
    made = pointing()
    layer = made.take_up(Tool.BOX, WORDS, 1, positive=True)
    layer.add_rectangles([[10, 20], [15, 40]])
    assert made.marks((), WORDS) == (BoxMark("zebra", 20.5, 10.5, 40.5, 15.5),)


def test_a_scribble_is_an_area() -> None:
    made = pointing()
    layer = made.take_up(Tool.SCRIBBLE, WORDS, 2, positive=True)
    layer.data[5:7, 8:20] = 2
    (mark,) = made.marks((), WORDS)
    assert isinstance(mark, AreaMark)
    assert mark.concept == "ant"
    assert np.argwhere(mark.mask).min(axis=0).tolist() == [5, 8]
    assert np.count_nonzero(mark.mask) == 24


def test_marks_belong_to_the_plane_they_are_on() -> None:
    made = pointing((3, 64, 64))
    points = made.take_up(Tool.POINT, WORDS, 1, positive=True)
    points.add([[0, 1, 1], [2, 5, 6]])
    made.take_up(Tool.SCRIBBLE, WORDS, 1, positive=True).data[1, 4, 4] = 1
    assert made.marks((2,), WORDS) == (PointMark("zebra", 6.5, 5.5),)
    assert [type(mark) for mark in made.marks((1,), WORDS)] == [AreaMark]


def test_tools_are_made_once_and_again_after_removal() -> None:
    made = pointing()
    layer = made.take_up(Tool.BOX, WORDS, 1, positive=True)
    assert made.take_up(Tool.BOX, WORDS, 2, positive=True) is layer
    assert layer.mode == "add_rectangle"
    made._viewer.layers.remove(layer)
    assert made.layer(Tool.BOX) is None
    assert made.take_up(Tool.BOX, WORDS, 2, positive=True) is not layer


def test_a_mark_of_a_removed_concept_is_told() -> None:
    made = pointing()
    made.take_up(Tool.POINT, WORDS, 2, positive=True).add([1, 1])
    with pytest.raises(VocabularyError, match=r"'ant'.*add that concept, or delete the mark"):
        made.marks((), Vocabulary.parse("zebra"))


def test_scribbles_follow_a_concept_that_moves() -> None:
    desk = Desk()
    desk.table.add("red; green")
    layer = desk.viewer.add_image(coloured_picture(), name="cells")
    source = desk.presenter.source_of(layer, PLAIN)
    desk.workspace.point(layer, source, Tool.SCRIBBLE, 0, yes=True)
    desk.layer("scribbles").data[3, 3] = 1
    desk.table.move(0, 1)
    assert desk.layer("scribbles").data[3, 3] == 2


def test_pointing_needs_a_concept() -> None:
    desk = Desk()
    layer = desk.viewer.add_image(coloured_picture())
    source = desk.presenter.source_of(layer, PLAIN)
    with pytest.raises(OptionError, match="choose a concept"):
        desk.workspace.point(layer, source, Tool.POINT, 0, yes=True)


def test_learning_without_marks_says_what_to_do() -> None:
    desk = Desk()
    desk.table.add("red")
    desk.presenter.segment(desk.viewer.add_image(coloured_picture()), PLAIN)
    with pytest.raises(OptionError, match="scribble, click or draw a box"):
        desk.presenter.learn(PLAIN)
