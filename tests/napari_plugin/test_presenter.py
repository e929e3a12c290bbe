from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from napari_at_once import Desk, HeldLane, coloured_picture

from napari_plugin.accepting import Preserve
from napari_plugin.export_kinds import ExportKind
from napari_plugin.outlining import MOST_POLYGONS
from napari_plugin.pictures import ChannelChoice
from napari_plugin.presenter import Settings
from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.errors import ImageError, OptionError, VocabularyError
from ovseg_annotate.formats import coco
from ovseg_annotate.regions import RegionOptions

PLAIN = Settings(AnnotateOptions(contrast="none"))
PLACED = {"scale": (0.5, 2.0), "translate": (3.0, 4.0), "shear": [0.5], "units": ("um", "nm")}


def desk_with(words: str = "red; green; blue", **keywords: object) -> Desk:
    desk = Desk()
    desk.table.add(words)
    desk.viewer.add_image(coloured_picture(), name="cells", **keywords)
    return desk


def segmented(words: str = "red; green; blue", **keywords: object) -> Desk:
    desk = desk_with(words, **keywords)
    desk.presenter.segment(desk.layer("cells"), PLAIN)
    assert not desk.failed
    return desk


def stroke(desk: Desk, rows: slice, columns: slice, label: int) -> None:
    """Paint as the brush does, and let the dock take it in."""
    index = np.nonzero(np.ones((64, 64), bool)[rows, columns])
    places = (index[0] + (rows.start or 0), index[1] + (columns.start or 0))
    desk.layer("suggestion").data_setitem(places, label)
    assert desk.presenter.settle()


def test_a_run_adds_the_agreed_layers() -> None:
    desk = segmented(**PLACED)
    assert [layer.name for layer in desk.viewer.layers] == [
        "cells", "cells uncertainty", "cells suggestion", "cells polygons",
    ]  # fmt: skip
    labels, uncertainty = desk.layer("suggestion"), desk.layer("uncertainty")
    assert labels.data.dtype == np.uint8
    assert list(labels.features["class"]) == ["unlabelled", "red", "green", "blue"]
    assert uncertainty.data.dtype == np.float32
    assert not uncertainty.visible
    assert 0 <= uncertainty.data.min() <= uncertainty.data.max() <= 1
    assert set(np.unique(labels.data)) == {1, 2, 3}
    assert desk.finished == 1


def test_all_layers_lie_where_the_picture_lies() -> None:
    desk = segmented(**PLACED)
    source = desk.layer("cells")
    for layer in desk.viewer.layers:
        assert np.allclose(layer.data_to_world((5, 9)), source.data_to_world((5, 9)))
        assert layer.units == source.units


def test_polygons_have_the_colour_the_name_and_the_score_of_their_concept() -> None:
    desk = segmented("zebra: red; ant: green; blue")  # not in the order of the alphabet
    polygons, labels = desk.layer("polygons"), desk.layer("suggestion")
    assert set(polygons.features["class"]) == {"zebra", "ant", "blue"}
    for name, edge in zip(polygons.features["class"], polygons.edge_color, strict=True):
        label = desk.table.vocabulary.names.index(name) + 1
        assert np.allclose(edge, labels.colormap.color_dict[label])
    assert ((polygons.features["score"] > 0) & (polygons.features["score"] <= 1)).all()


def test_a_hole_is_left_open() -> None:
    desk = segmented("red; green")
    polygons = desk.layer("polygons")
    (red,) = np.flatnonzero(polygons.features["class"] == "red")
    mask = polygons.to_masks((64, 64))[red]
    labels = desk.layer("suggestion").data
    assert np.count_nonzero(mask != (labels == 1)) < 40  # polygons are simplified


def test_the_metadata_tell_what_the_layers_were_made_from() -> None:
    about = segmented("red @0.2; green").layer("suggestion").metadata["ovseg"]
    assert about["picture"] == "cells"
    assert about["vocabulary"] == "red @0.2; green"
    assert about["provenance"]["model"] == "fake@none"


def test_a_second_run_updates_the_layers() -> None:
    desk = segmented()
    layers = list(desk.viewer.layers)
    desk.presenter.segment(desk.layer("cells"), PLAIN)
    assert list(desk.viewer.layers) == layers


def test_no_words_change_nothing_and_say_what_to_do() -> None:
    desk = Desk()
    layer = desk.viewer.add_image(coloured_picture())
    with pytest.raises(VocabularyError, match="press Enter"):
        desk.presenter.segment(layer, PLAIN)
    assert len(desk.viewer.layers) == 1


def test_no_picture_says_what_to_do() -> None:
    with pytest.raises(ImageError, match="open one"):
        desk_with().presenter.segment(None, PLAIN)


def test_an_option_that_cannot_be_is_told_and_leaves_nothing_half_made() -> None:
    desk = desk_with()
    huge = Settings(AnnotateOptions(contrast="none", scale="16x"))
    desk.table.add("; ".join(f"c{n}" for n in range(30_000)))
    desk.presenter.segment(desk.layer("cells"), huge)
    assert "name fewer concepts" in str(desk.failed[0])
    assert len(desk.viewer.layers) == 1
    assert not desk.presenter.busy


def test_corrections_survive_other_words_and_thresholds() -> None:
    desk = segmented()
    stroke(desk, slice(0, 6), slice(0, 10), 3)
    desk.table.set_heading(1, "white")
    assert desk.presenter.refresh(Settings(AnnotateOptions(contrast="none", threshold=0.3)))
    labels = desk.layer("suggestion").data
    assert (labels[0:6, 0:10] == 3).all()
    assert desk.workspace.statistics().corrected == 60
    assert not (labels == 2).any()


def test_undo_takes_a_correction_back_also_after_a_new_suggestion() -> None:
    desk = segmented()
    stroke(desk, slice(0, 6), slice(0, 10), 3)
    desk.presenter.refresh(Settings(AnnotateOptions(contrast="none", threshold=0.2)))
    desk.layer("suggestion").undo()
    desk.presenter.settle()
    assert (desk.layer("suggestion").data[0:6, 0:10] == 1).all()
    assert desk.workspace.statistics().corrected == 0
    desk.layer("suggestion").redo()
    desk.presenter.settle()
    assert desk.workspace.statistics().corrected == 60


def test_polygons_follow_the_brush() -> None:
    desk = segmented("green; -red; -blue")
    before = len(desk.layer("polygons").data)
    stroke(desk, slice(2, 5), slice(2, 5), 1)
    assert len(desk.layer("polygons").data) == before + 1


def test_a_small_correction_is_not_swept_away_by_the_minimum_area() -> None:
    desk = segmented("green; -red; -blue")
    stroke(desk, slice(2, 3), slice(2, 4), 1)
    desk.presenter.refresh(Settings(PLAIN.annotate, RegionOptions(minimum_area=500)))
    assert (desk.layer("suggestion").data[2, 2:4] == 1).all()
    assert len(desk.layer("polygons").data) == 2


def test_a_locked_concept_keeps_its_pixels() -> None:
    desk = segmented()
    before = desk.layer("suggestion").data == 1
    desk.table.set_locked(0, locked=True)
    desk.table.set_phrases(0, "white")
    desk.presenter.refresh(PLAIN)
    assert ((desk.layer("suggestion").data == 1) == before).all()


def test_accepted_pixels_are_copied_in_one_step_of_undo() -> None:
    desk = segmented()
    pixels = desk.workspace.accept([0, 2], Preserve.PIXELS, whole_stack=False)
    accepted, draft = desk.layer("accepted"), desk.layer("suggestion")
    assert pixels == np.count_nonzero(accepted.data)
    assert (accepted.data == np.where(draft.data == 2, 0, draft.data)).all()
    accepted.undo()
    assert not accepted.data.any()


def test_accepted_pixels_are_never_changed_by_a_run() -> None:
    desk = segmented()
    desk.workspace.accept([0], Preserve.PIXELS, whole_stack=False)
    before = desk.layer("accepted").data.copy()
    desk.table.set_phrases(0, "white")
    desk.presenter.refresh(PLAIN)
    assert (desk.layer("accepted").data == before).all()
    assert desk.workspace.statistics().shares[0] == pytest.approx(np.mean(before == 1))


def test_nothing_to_accept_says_so() -> None:
    with pytest.raises(OptionError, match="press Segment first"):
        desk_with().workspace.accept([0], Preserve.PIXELS, whole_stack=False)


def test_discarded_corrections_come_back_with_undo() -> None:
    desk = segmented()
    stroke(desk, slice(0, 6), slice(0, 10), 3)
    desk.workspace.forget_corrections()
    desk.presenter.settle()
    assert desk.workspace.statistics().corrected == 0
    desk.layer("suggestion").undo()
    desk.presenter.settle()
    assert desk.workspace.statistics().corrected == 60


def test_labels_follow_a_concept_that_moves() -> None:
    desk = segmented()
    before = desk.layer("suggestion").data.copy()
    polygons = sorted(desk.layer("polygons").features["class"])
    desk.table.move(0, 1)
    after = desk.layer("suggestion").data
    assert (after == np.array([0, 2, 1, 3])[before]).all()
    desk.presenter.refresh(PLAIN)
    assert (desk.layer("suggestion").data == after).all()
    assert sorted(desk.layer("polygons").features["class"]) == polygons
    assert desk.workspace.statistics().corrected == 0


def test_undo_does_not_bring_back_labels_of_before_a_move() -> None:
    desk = segmented()
    stroke(desk, slice(0, 6), slice(0, 10), 3)
    desk.table.move(0, 2)
    before = desk.layer("suggestion").data.copy()
    desk.layer("suggestion").undo()
    assert (desk.layer("suggestion").data == before).all()


def test_a_removed_concept_takes_its_pixels_along() -> None:
    desk = segmented()
    stroke(desk, slice(0, 6), slice(0, 10), 3)
    assert desk.workspace.pixels_of_person(3) == 60
    desk.table.remove(2)
    assert set(np.unique(desk.layer("suggestion").data)) == {0, 1, 2}


def test_hidden_concepts_are_transparent_and_still_there() -> None:
    desk = segmented()
    desk.table.set_visible(0, visible=False)
    labels, polygons = desk.layer("suggestion"), desk.layer("polygons")
    assert labels.colormap.color_dict[1][3] == 0
    assert (labels.data == 1).any()
    hidden = polygons.features["class"] == "red"
    assert (polygons.edge_color[hidden, 3] == 0).all()
    assert (polygons.edge_color[~hidden, 3] == 1).all()


def test_a_colour_is_the_same_in_labels_polygons_and_exports(tmp_path: Path) -> None:
    desk = segmented()
    desk.table.set_colour(1, (10, 200, 30))
    assert np.allclose(
        desk.layer("suggestion").colormap.color_dict[2][:3], (10 / 255, 200 / 255, 30 / 255)
    )
    polygons = desk.layer("polygons")
    green = polygons.features["class"] == "green"
    assert np.allclose(polygons.edge_color[green, :3], (10 / 255, 200 / 255, 30 / 255))
    desk.presenter.export(ExportKind.RECORD, tmp_path / "cells.ovseg.json")
    assert "#0ac81e" in (tmp_path / "cells.ovseg.json").read_text()


def test_an_export_has_what_stands_in_the_layers(tmp_path: Path) -> None:
    desk = segmented()
    desk.workspace.accept([0], Preserve.PIXELS, whole_stack=False)
    stroke(desk, slice(40, 60), slice(40, 60), 3)
    desk.presenter.export(ExportKind.COCO, tmp_path / "cells.coco.json")
    (image,) = coco.read(tmp_path / "cells.coco.json")
    assert sorted({region.concept for region in image.regions}) == ["blue", "green", "red"]
    blue = [region for region in image.regions if region.concept == "blue"]
    assert len(blue) == 2
    assert desk.said == [f"written: {tmp_path / 'cells.coco.json'}"]


def test_an_export_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    desk = segmented()
    (tmp_path / "file").write_text("")
    desk.presenter.export(ExportKind.COCO, tmp_path / "file" / "cells.coco.json")
    assert "cannot write" in str(desk.failed[0])


def test_one_plane_of_a_stack_is_done_where_the_viewer_stands() -> None:
    desk = Desk()
    desk.table.add("red; green")
    layer = desk.viewer.add_image(np.stack([coloured_picture()] * 3), name="cells", rgb=True)
    desk.viewer.dims.set_point(0, 2)
    desk.presenter.segment(layer, PLAIN)
    labels = desk.layer("suggestion").data
    assert labels.shape == (3, 64, 64)
    assert [bool(plane.any()) for plane in labels] == [False, False, True]
    assert {int(shape[0, 0]) for shape in desk.layer("polygons").data} == {2}


def test_a_whole_stack_is_done_plane_by_plane_the_shown_one_first() -> None:
    lane = HeldLane()
    desk = Desk(lane)
    desk.table.add("red; green")
    layer = desk.viewer.add_image(np.stack([coloured_picture()] * 3), name="cells", rgb=True)
    desk.viewer.dims.set_point(0, 1)
    desk.presenter.segment(layer, Settings(PLAIN.annotate, whole_stack=True))
    lane.step()
    assert [bool(plane.any()) for plane in desk.layer("suggestion").data] == [False, True, False]
    while lane.step():
        pass
    assert desk.layer("suggestion").data.any(axis=(1, 2)).all()
    assert {int(shape[0, 0]) for shape in desk.layer("polygons").data} == {0, 1, 2}


def test_channels_inside_a_stack_give_one_plane_for_all_of_them() -> None:
    desk = Desk()
    desk.table.add("red; green")
    channels = np.moveaxis(np.stack([coloured_picture()] * 2), -1, 1)
    layer = desk.viewer.add_image(channels, name="cells", rgb=False)
    desk.presenter.segment(layer, Settings(PLAIN.annotate, channels=ChannelChoice(1, (0, 1, 2))))
    assert not desk.failed
    labels = desk.layer("suggestion")
    assert labels.data.shape == (2, 1, 64, 64)
    assert set(np.unique(labels.data[0, 0])) == {1, 2}


def test_a_picture_removed_during_a_run_gets_no_layers() -> None:
    lane = HeldLane()
    desk = Desk(lane)
    desk.table.add("red")
    layer = desk.viewer.add_image(coloured_picture(), name="cells")
    other = desk.viewer.add_image(coloured_picture(), name="other")
    desk.presenter.segment(layer, PLAIN)
    desk.viewer.layers.remove(layer)
    lane.step()
    assert list(desk.viewer.layers) == [other]
    assert "removed meanwhile" in desk.said[-1]
    assert not desk.presenter.busy


def test_a_result_belongs_to_the_picture_it_was_asked_for() -> None:
    lane = HeldLane()
    desk = Desk(lane)
    desk.table.add("red")
    layer = desk.viewer.add_image(coloured_picture(), name="cells")
    other = desk.viewer.add_image(np.zeros((9, 9)), name="other")
    desk.presenter.segment(layer, PLAIN)
    desk.workspace.turn_to(other)
    lane.step()
    assert desk.layer("cells suggestion").data.shape == (64, 64)
    assert not any(each.name.startswith("other ") for each in desk.viewer.layers)


def test_a_result_belongs_to_the_slice_it_was_asked_for() -> None:
    lane = HeldLane()
    desk = Desk(lane)
    desk.table.add("red; green")
    layer = desk.viewer.add_image(np.stack([coloured_picture()] * 3), name="cells", rgb=True)
    desk.viewer.dims.set_point(0, 0)
    desk.presenter.segment(layer, PLAIN)
    desk.viewer.dims.set_point(0, 2)
    lane.step()
    assert [bool(plane.any()) for plane in desk.layer("suggestion").data] == [True, False, False]


def test_cancel_leaves_no_half_made_layers() -> None:
    lane = HeldLane()
    desk = Desk(lane)
    desk.table.add("red")
    desk.presenter.segment(desk.viewer.add_image(coloured_picture()), PLAIN)
    assert desk.presenter.busy
    desk.presenter.cancel()
    lane.step()
    assert not desk.presenter.busy
    assert len(desk.viewer.layers) == 1
    assert (desk.said, desk.finished) == (["stopped"], 1)


def test_concepts_that_move_during_a_run_are_not_mixed_up() -> None:
    lane = HeldLane()
    desk = Desk(lane)
    desk.table.add("red; green")
    desk.presenter.segment(desk.viewer.add_image(coloured_picture(), name="cells"), PLAIN)
    desk.table.move(0, 1)
    assert not desk.presenter.busy  # what was under way counted the other way round
    assert desk.presenter.refresh(PLAIN)
    while lane.step():
        pass
    assert (desk.layer("suggestion").data[:8, :8] == 2).all()


def test_removed_output_layers_come_back_with_the_next_run() -> None:
    desk = segmented()
    stroke(desk, slice(0, 6), slice(0, 10), 3)
    for name in ("suggestion", "polygons", "uncertainty"):
        desk.viewer.layers.remove(desk.layer(name))
    desk.presenter.segment(desk.layer("cells"), PLAIN)
    assert set(np.unique(desk.layer("suggestion").data)) == {1, 2, 3}
    assert desk.workspace.statistics().corrected == 0
    assert desk.layer("uncertainty").data.any()
    assert len(desk.layer("polygons").data)


def test_another_layer_of_our_name_is_left_alone() -> None:
    desk = desk_with()
    own = desk.viewer.add_labels(np.ones((64, 64), np.uint8), name="cells suggestion")
    desk.presenter.segment(desk.layer("cells"), PLAIN)
    assert (own.data == 1).all()


def test_statistics_tell_shares_and_confidence() -> None:
    statistics = segmented("red; green; white").workspace.statistics()
    assert statistics.shares[1] == pytest.approx(0.5, abs=0.02)
    assert statistics.shares[2] == 0
    assert statistics.mean_confidence[0] == pytest.approx(1.0, abs=0.1)
    assert statistics.mean_confidence[2] is None


def test_the_most_uncertain_place_is_looked_at_first() -> None:
    desk = segmented("red; green", scale=(0.5, 0.5))
    first = desk.workspace.next_uncertain()
    assert desk.viewer.scene.camera.center[1:] == pytest.approx((first.row / 2, first.column / 2))
    assert abs(first.column - 32) < 8 or 16 <= first.row < 32  # a border, or the blue square
    assert desk.workspace.next_uncertain().uncertainty <= first.uncertainty


def test_too_many_polygons_are_left_out_and_said_so() -> None:
    desk = Desk()
    desk.table.add("red; green")
    side = 4 * (int(MOST_POLYGONS**0.5) + 5)
    cells = np.indices((side // 4, side // 4)).sum(axis=0) % 2
    pixels = np.zeros((side, side, 3), np.uint8)
    pixels[..., 0] = np.kron(cells, np.ones((4, 4), int)) * 255
    pixels[..., 1] = 255 - pixels[..., 0]
    layer = desk.viewer.add_image(pixels, name="cells")
    desk.presenter.segment(
        layer, Settings(AnnotateOptions(contrast="none"), RegionOptions(minimum_area=1))
    )
    assert "raise the minimum area" in str(desk.failed[0])
    assert desk.layer("suggestion").data.any()
    assert desk.presenter.idle
