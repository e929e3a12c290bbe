from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import public_trees as trees
import pytest
from annotated_samples import annotated, picture_file
from PIL import Image

from ovseg_annotate.datasets.corrected import Corrected
from ovseg_annotate.errors import FormatError, OptionError, VocabularyError
from ovseg_annotate.evaluation.data_sets import Reading, trial_sets
from ovseg_annotate.evaluation.held_out import Asking
from ovseg_annotate.vocabulary import Vocabulary

FEW = Asking(count=2)


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def streets(tmp_path: Path) -> Path:
    values = np.array([[0, 1, 2, 3], [1, 1, 255, 3]], np.uint8)
    for number in range(3):
        save(tmp_path / "images" / f"{number}.png", np.zeros((2, 4, 3), np.uint8))
        save(tmp_path / "labels" / f"{number}.png", values)
    (tmp_path / "names.txt").write_text("road\nsky\ncar\n")
    return tmp_path


@pytest.fixture
def nuclei(tmp_path: Path) -> Path:
    for number in range(6):
        name = f"stained_{number}.png"
        save(tmp_path / "images" / name, np.zeros((2, 3, 3), np.uint8))
        save(tmp_path / "labels" / name, np.array([[0, 7, 300], [0, 0, 9]], np.uint16))
    (tmp_path / "manifest.csv").write_text("name,kind\n")
    return tmp_path


def test_sets_come_in_the_order_of_their_names() -> None:
    names = [each.name for each in trial_sets(("second:easy", "scenes:microscopy"), FEW)]
    assert names == ["second-easy, unseen pairs", "second-easy, seen pairs", "microscopy"]


def test_every_set_draws_as_many_as_it_says() -> None:
    for each in trial_sets(("scenes:heldout",), Asking(count=1)):
        assert each.count == len(list(each.draw())) == 1


@pytest.mark.parametrize("wrong", ["scenes:eazy", "folder:", "coco", "voc:", "vok:x", ""])
def test_an_unknown_name_is_an_error_that_lists_what_there_is(wrong: str) -> None:
    with pytest.raises(OptionError, match=r"folder:PATH.*ade20k:PATH.*scenes:easy"):
        trial_sets((wrong,), FEW)


def test_a_set_named_twice_is_refused() -> None:
    with pytest.raises(OptionError, match="counted twice"):
        trial_sets(("scenes:heldout", "scenes:easy"), FEW)


def test_a_folder_asks_for_all_its_names_in_random_order(streets: Path) -> None:
    orders = set()
    for seed in range(8):
        (found,) = trial_sets((f"folder:{streets}",), Asking(count=2, seed=seed))
        first, _ = found.draw()
        names = first.vocabulary.names
        orders.add(names)
        table = {0: 0, 255: 4} | {number: names.index(name) + 1 for number, name in
                                  ((1, "road"), (2, "sky"), (3, "car"))}  # fmt: skip
        expected = [[table[value] for value in row] for row in ([0, 1, 2, 3], [1, 1, 255, 3])]
        assert first.truth.tolist() == expected
        assert first.ignore == 4
    assert len(orders) > 1


def test_words_say_how_to_ask_and_leave_concepts_out(streets: Path) -> None:
    words = Vocabulary.parse("car: automobile; road")
    (found,) = trial_sets((f"folder:{streets}",), FEW, words)
    first, _ = found.draw()
    assert set(first.vocabulary) == set(words)
    sky = np.array([[0, 0, 1, 0], [0, 0, 0, 0]], bool)
    assert (first.truth[sky] == 0).all()


def test_words_that_the_folder_does_not_know_are_refused(streets: Path) -> None:
    with pytest.raises(VocabularyError, match=r"knows no 'tree'.*road"):
        trial_sets((f"folder:{streets}",), FEW, Vocabulary.parse("tree; road"))


def test_nuclei_are_asked_for_in_their_validation_pictures(nuclei: Path) -> None:
    (found,) = trial_sets((f"folder:{nuclei}",), Asking())
    assert found.name == f"{nuclei.name}, stained"
    pictures = list(found.draw())
    assert [each.name for each in pictures] == ["stained_0.png", "stained_5.png"]
    assert pictures[0].truth.tolist() == [[0, 1, 1], [0, 0, 1]]
    assert pictures[0].vocabulary == Vocabulary.parse("nucleus")


def test_negative_words_compete_in_a_folder_of_instances(nuclei: Path) -> None:
    words = Vocabulary.parse("-tissue; nucleus: cell nucleus")
    (found,) = trial_sets((f"folder:{nuclei}",), Asking(), words)
    first = next(found.draw())
    assert first.vocabulary.names == ("nucleus", "tissue")
    assert first.present == (1,)


def test_instances_without_a_word_for_them_are_refused(nuclei: Path) -> None:
    (nuclei / "manifest.csv").unlink()
    with pytest.raises(VocabularyError, match="say which with --prompts"):
        trial_sets((f"folder:{nuclei}",), FEW)


def test_each_protocol_of_a_public_data_set_is_a_set(tmp_path: Path) -> None:
    data = (f"voc:{trees.voc(tmp_path / 'voc')}", f"coco:{trees.coco(tmp_path / 'coco')}")
    plain = trial_sets(data, FEW)
    assert [each.name for each in plain] == ["voc, pas20", "coco, object81"]
    chosen = trial_sets(data, FEW, reading=Reading(("things80", "pas20b", "voc21")))
    assert [each.name for each in chosen] == ["voc, pas20b", "voc, voc21", "coco, things80"]
    assert [each.protocol.name for each in chosen if each.protocol] == [
        "pas20b", "voc21", "things80",
    ]  # fmt: skip


def test_a_protocol_of_another_data_set_lists_those_there_are(tmp_path: Path) -> None:
    tree = trees.voc(tmp_path)
    with pytest.raises(OptionError, match=r"'a150'.*voc has: pas20, pas20b, voc21"):
        trial_sets((f"voc:{tree}", "scenes:easy"), FEW, reading=Reading(("pas20", "a150")))


def test_scenes_have_no_protocol(streets: Path) -> None:
    with pytest.raises(OptionError, match=r"'pas20'.*only these have protocols: voc,"):
        trial_sets((f"folder:{streets}",), FEW, reading=Reading(("pas20",)))


def test_an_export_is_the_truth_of_its_pictures(tmp_path: Path) -> None:
    from ovseg_annotate.formats.catalogue import FORMATS  # noqa: PLC0415

    picture_file(tmp_path / "photos" / "a.png")
    FORMATS["labelme"].write([annotated()], tmp_path / "right")
    reading = Reading(written_in="labelme", pictures=tmp_path / "photos")
    (found,) = trial_sets((f"export:{tmp_path / 'right'}",), FEW, reading=reading)
    (trial,) = found.draw()
    assert trial.name == "a.png"
    assert trial.present == (trial.vocabulary.names.index("red") + 1,)
    with pytest.raises(FormatError, match="unknown format 'labelm'"):
        trial_sets((f"export:{tmp_path}",), FEW, reading=Reading(written_in="labelm"))


def test_a_run_folder_is_read_by_who_knows_it(tmp_path: Path) -> None:
    path = picture_file(tmp_path / "a.png")
    asked: list[Path] = []

    def corrections(folder: Path) -> Iterator[Corrected]:
        asked.append(folder)
        yield Corrected(path, annotated())

    (found,) = trial_sets((f"run:{tmp_path}",), FEW, reading=Reading(run=corrections))
    assert len(list(found.draw())) == found.count == 1
    assert set(asked) == {tmp_path}
    with pytest.raises(OptionError, match="cannot be read here"):
        trial_sets((f"run:{tmp_path}",), FEW)
