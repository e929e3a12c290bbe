from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from annotated_samples import picture_file, settings
from hypothesis import given
from hypothesis import strategies as st
from vector_engine import VectorEngine, vector_session

from ovseg_annotate.errors import ImageError
from ovseg_annotate.geometry import Window
from ovseg_annotate.image import from_array, read_image
from ovseg_annotate.learning_loop.looks import FILE_NAME, Eyes, Look, Looks, Seen
from ovseg_annotate.learning_loop.uncertainty import Patch
from ovseg_annotate.run_folder import Fingerprint
from ovseg_annotate.vocabulary import Vocabulary


def seen(path: Path) -> Seen:
    return Seen(path.name, settings().digest, Fingerprint.of(path).sha256, path)


def test_looking_runs_the_tower_once(tmp_path: Path) -> None:
    session = vector_session()
    assert isinstance(session.engine, VectorEngine)
    picture = picture_file(tmp_path / "a.png")
    session.annotate(read_image(picture), Vocabulary.parse("red; green"))
    encoded = session.engine.encoded_windows
    look = Eyes(session, settings(), comparable=True).look_at(seen(picture))
    assert session.engine.encoded_windows == encoded
    assert look.patches
    assert look.vector.shape == (16,)


def test_how_a_picture_looks_depends_on_its_colours_and_on_no_words(tmp_path: Path) -> None:
    session = vector_session()
    red, reddish, green = (
        session.picture_vector(read_image(picture_file(tmp_path / f"{number}.png", colour)))
        for number, colour in enumerate(((255, 0, 0), (245, 5, 0), (0, 255, 0)))
    )
    assert np.linalg.norm(red - reddish) < 0.1 * np.linalg.norm(red - green)


def test_the_vector_of_a_picture_is_the_mean_of_those_of_its_windows() -> None:
    pixels = np.zeros((32, 64, 3), np.uint8)
    pixels[:, 32:] = 255
    session = vector_session()
    vector = session.picture_vector(from_array(pixels))
    halves = [
        session.picture_vector(from_array(pixels[:, part])) for part in (slice(32), slice(32, 64))
    ]
    assert np.linalg.norm(vector - np.mean(halves, axis=0)) < 0.05


def test_a_file_that_changed_is_refused(tmp_path: Path) -> None:
    taken = seen(picture_file(tmp_path / "a.png"))
    picture_file(tmp_path / "a.png", (0, 0, 9))
    with pytest.raises(ImageError, match="not the file that was annotated"):
        Eyes(vector_session(), settings(), comparable=True).look_at(taken)


def look(number: int, width: int = 5) -> Look:
    patch = Patch(Window(number, 2, 8, 8), 0.25, ("zellkern, größe", ""))
    return Look(f"{number}.png", f"key {number}", 0.5, (patch,), np.arange(width, dtype=np.float16))


@pytest.mark.parametrize("width", [0, 5])
def test_looks_come_back_as_they_were(tmp_path: Path, width: int) -> None:
    Looks(tmp_path).add(look(1, width))
    back = Looks(tmp_path).get("key 1")
    assert back is not None
    assert (back.picture, back.uncertainty, back.patches) == ("1.png", 0.5, look(1).patches)
    assert np.array_equal(back.vector, look(1, width).vector)


@given(st.integers(0, 10_000))
def test_a_file_cut_anywhere_costs_one_look_at_most(cut: int) -> None:
    import tempfile  # noqa: PLC0415  hypothesis and tmp_path do not go together

    with tempfile.TemporaryDirectory() as name:
        looks, path = Looks(Path(name)), Path(name) / FILE_NAME
        for number in range(3):
            looks.add(look(number))
        content = path.read_bytes()
        kept = content[: cut % len(content)]
        path.write_bytes(kept)
        whole = sum(line in kept for line in content.splitlines())
        again = Looks(Path(name))
        assert len(again) == whole
        again.add(look(7))
        assert len(Looks(Path(name))) == whole + 1


def test_a_line_that_lacks_only_its_end_is_whole(tmp_path: Path) -> None:
    Looks(tmp_path).add(look(1))
    path = tmp_path / FILE_NAME
    path.write_bytes(path.read_bytes().removesuffix(b"\n"))
    again = Looks(tmp_path)
    assert len(again) == 1
    again.add(look(2))
    assert len(Looks(tmp_path)) == 2
