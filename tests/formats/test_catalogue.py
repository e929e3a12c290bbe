"""The table of formats."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ovseg_annotate.errors import FormatError, OptionError
from ovseg_annotate.formats.catalogue import FORMATS, format_named
from ovseg_annotate.geometry import Size
from ovseg_annotate.options import read_options
from ovseg_annotate.regions import AnnotatedImage, Mask, Region
from ovseg_annotate.vocabulary import Vocabulary


def test_an_unknown_name_lists_all_the_nearest_first() -> None:
    with pytest.raises(FormatError, match=r"'coca'; there is: coco,.*label-studio"):
        format_named("coca")


@pytest.mark.parametrize("name", FORMATS)
def test_options_are_read_from_texts(name: str) -> None:
    kind = format_named(name).options
    assert read_options(kind, {}) == kind()
    with pytest.raises(OptionError, match="colour_of_the_sky"):
        read_options(kind, {"colour_of_the_sky": 1})


def test_an_option_changes_what_is_written(tmp_path: Path, small_region: AnnotatedImage) -> None:
    chosen = format_named("label-studio")
    options = read_options(chosen.options, {"shapes": "brush", "from-name": "b"})
    (path,) = chosen.write([small_region], tmp_path, options)
    assert '"type":"brushlabels"' in path.read_text()


@pytest.mark.parametrize("name", FORMATS)
def test_a_path_that_is_not_there_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"there is no .*nowhere"):
        format_named(name).read(tmp_path / "nowhere")


@pytest.mark.parametrize("name", FORMATS)
def test_an_empty_folder_is_refused_or_empty(name: str, tmp_path: Path) -> None:
    if name == "geojson":
        assert list(format_named(name).read(tmp_path)) == []
    else:
        with pytest.raises(FormatError, match=str(tmp_path)):
            list(format_named(name).read(tmp_path))


@pytest.mark.parametrize("name", FORMATS)
def test_pictures_are_taken_one_by_one(name: str, tmp_path: Path) -> None:
    """Writing must not collect what it is given: a run has hundreds of thousands of pictures."""
    vocabulary = Vocabulary.parse("car")
    given: list[weakref.ref[object]] = []

    def pictures() -> Iterator[AnnotatedImage]:
        for number in range(20):
            mask = Mask.of(np.ones((4, 4), bool))
            given.append(weakref.ref(mask.bits))
            region = Region("car", (), mask)
            yield AnnotatedImage(f"{number}.png", Size(4, 4), (region,), vocabulary, None)
            assert sum(bits() is not None for bits in given) <= 3

    format_named(name).write(pictures(), tmp_path)


@pytest.mark.parametrize("name", FORMATS)
def test_a_failure_in_the_middle_leaves_no_half_file(
    name: str, tmp_path: Path, small_region: AnnotatedImage
) -> None:
    def pictures() -> Iterator[AnnotatedImage]:
        yield small_region
        raise RuntimeError("the reader of pictures failed")

    with pytest.raises(RuntimeError):
        format_named(name).write(pictures(), tmp_path)
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in left if path.name.startswith(".")]
    assert not {"tasks.json", "annotations.json", "annotations.xml", "data.yaml", "labels.csv"} & {
        path.name for path in left
    }
