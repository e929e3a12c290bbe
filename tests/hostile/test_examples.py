"""The smallest inputs that ever did harm here, one a defect."""

from __future__ import annotations

import io
import json
import lzma
import math
import os
import re
import tarfile
from mmap import mmap
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import tifffile
from hostile.guard import Bounds, guarded, refusing
from hostile.kept_readers import a_version, card_changed
from hostile.reader import annotated
from PIL import Image as PillowImage
from scipy.io import savemat

from ovseg_annotate.annotate_options import AnnotateOptions
from ovseg_annotate.datasets.label_values import read_values
from ovseg_annotate.datasets.pair_archives import samples_in
from ovseg_annotate.datasets.pairs import read_pairs
from ovseg_annotate.errors import (
    FormatError,
    ImageError,
    OptionError,
    RunError,
    VersionError,
    VocabularyError,
    listed_by_nearness,
)
from ovseg_annotate.feature_store import FeatureStore, key_of
from ovseg_annotate.formats.catalogue import format_named
from ovseg_annotate.formats.coco_rle import mask_of_counts
from ovseg_annotate.formats.pixel_maps import MaskMemory
from ovseg_annotate.geometry import Size, Window
from ovseg_annotate.image import ReadingOptions, image_of_bytes, read_image
from ovseg_annotate.lake.parquet import parquet_bytes, read_parquet
from ovseg_annotate.lake.schema import Table, schema_of
from ovseg_annotate.learning_loop.looks import Looks
from ovseg_annotate.learning_loop.sealed_lines import sealed
from ovseg_annotate.learning_loop.versions import Versions
from ovseg_annotate.lessons.version import version_bytes
from ovseg_annotate.options import read_options
from ovseg_annotate.provenance import Provenance
from ovseg_annotate.regions import Mask, Region, RegionOptions
from ovseg_annotate.run_folder import (
    Fingerprint,
    RunFolder,
    RunReader,
    RunSettings,
    picture_folders,
    pictures_in,
)
from ovseg_annotate.run_folder.exports import Exports
from ovseg_annotate.run_folder.records import stamp_of
from ovseg_annotate.training.recipes import read_recipe
from ovseg_annotate.vocabulary import Vocabulary
from ovseg_annotate.whole_files import write_whole

QUICK = Bounds(seconds=3.0, memory=200 * 2**20)
LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 28))
VOCABULARIES = {
    "nested": "concepts: " + "[" * 3000,
    "a date that cannot be": "concepts: [2001-99-99]",
    "a number beyond floats": "concepts: [{name: a, threshold: 1" + "0" * 400 + "}]",
    "a number that cannot be printed": "concepts: [{name: 0x" + "f" * 6000 + "}]",
    "a billion laughs": LAUGHS + "concepts: [*a27]\n",
    "a table as a key": "concepts: [{? [1, 2] : 3}]",
}


@pytest.mark.parametrize("kind", VOCABULARIES)
def test_yaml_of_every_bad_kind_is_a_vocabulary_error(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "words.yaml"
    path.write_text(VOCABULARIES[kind], encoding="utf-8")
    with guarded(tmp_path, bounds=QUICK), refusing("words.yaml"):
        Vocabulary.read(path)


def cvat(shape: str, size: int = 10) -> str:
    return (
        "<annotations><meta><task><labels><label><name>car</name></label></labels></task></meta>"
        f'<image id="0" name="a.png" width="{size}" height="{size}">{shape}</image></annotations>'
    )


def star(points: int) -> str:
    """Every second edge crosses nearly all others."""
    angles = (number * 2.39996 for number in range(points))
    return ";".join(f"{1000 + 999 * math.cos(a)},{1000 + 999 * math.sin(a)}" for a in angles)


def brushed(count: int) -> str:
    """Runs whose sum, in 64 bits, is what it should be."""
    return ", ".join([str(2**62)] * 4 + [str(count)])


CVAT = {
    "runs that overflow": cvat(
        f'<mask label="car" left="0" top="0" width="10" height="10" rle="{brushed(100)}"/>'
    ),
    "an endless ellipse": cvat('<ellipse label="car" cx="1" cy="1" rx="1e20" ry="1"/>'),
    "a box beyond numbers": cvat('<box label="car" xtl="-1e308" ytl="0" xbr="1e308" ybr="1"/>'),
    "a scribble": cvat(f'<polygon label="car" points="{star(2000)}"/>', size=2000),
    "an unknown encoding": '<?xml version="1.0" encoding="utf-0"?>' + cvat(""),
    "an encoding of many bytes": '<?xml version="1.0" encoding="cp932"?>' + cvat(""),
    "two long names": cvat(f'<box label="{"ab" * 30_000}" xtl="0" ytl="0" xbr="1" ybr="1"/>'),
}


@pytest.mark.parametrize("kind", CVAT)
def test_shapes_of_every_bad_kind_are_refused_by_file(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "annotations.xml"
    path.write_text(CVAT[kind], encoding="utf-8")
    with guarded(tmp_path, bounds=QUICK), refusing("annotations.xml"):
        list(format_named("cvat").read(path))
    with pytest.raises(FormatError):
        list(format_named("cvat").read(path))


def test_runs_of_coco_that_overflow_are_refused() -> None:
    counts = np.array([2**62, 2**62, 2**62, 2**62, 100], np.int64)
    with pytest.raises(FormatError, match="a run length of 4611686018427387904 pixels"):
        mask_of_counts(counts, Size(10, 10), "here")


def labelme(folder: Path, side: int, shapes: int) -> Path:
    shape = {
        "label": "car", "shape_type": "rectangle", "points": [[0, 0], [3, 3]], "group_id": 1,
        "description": "", "flags": {},
    }  # fmt: skip
    document = {
        "version": "5.0.0", "flags": {}, "shapes": [shape] * shapes, "imagePath": "a.png",
        "imageData": None, "imageHeight": side, "imageWidth": side,
    }  # fmt: skip
    path = folder / "a.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_small_shapes_on_a_huge_picture_take_little_memory(tmp_path: Path) -> None:
    path = labelme(tmp_path, side=20_000, shapes=100)
    with guarded(tmp_path, bounds=QUICK):
        (image,) = format_named("labelme").read(path)
    assert len(image.regions) == 1


def test_masks_that_cost_a_few_bytes_in_the_file_are_counted_together() -> None:
    memory = MaskMemory("annotations.json: image 1")
    whole = Region("car", (), Mask(Window(0, 0, 20_000, 20_000), np.empty(0, np.uint8)))
    for _ in range(21):
        assert memory.with_room_for(whole) is whole
    with pytest.raises(FormatError, match=r"annotations\.json: image 1.*split the picture"):
        memory.with_room_for(whole)


def test_names_without_end_are_compared_in_no_time() -> None:
    long = "".join(chr(0x4E00 + number % 150) for number in range(200_000))
    names = [f"concept {number}" for number in range(60_000)]
    with guarded(bounds=QUICK):
        listed = listed_by_nearness(long, [*names, long[::-1]])
    assert len(listed) < 2500
    with pytest.raises(OptionError) as refused:
        read_options(AnnotateOptions, {long: 1})
    assert len(str(refused.value)) < 1000


@pytest.mark.parametrize("name", ["run.json", "exports.json"])
def test_a_nested_file_of_a_run_folder_is_a_run_error(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("[" * 20_000, encoding="utf-8")
    read = RunSettings.read if name == "run.json" else Exports
    with pytest.raises(RunError, match=name):
        read(tmp_path)


def test_a_nested_first_line_makes_a_record_of_somebody_else(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'{"made_from": ' + b"[" * 15_000 + b"\n")
    assert stamp_of(tmp_path / "a.json") is None


def test_a_list_of_exports_leads_to_no_file_outside_the_run(tmp_path: Path) -> None:
    """It was read, and removed where its digest was known."""
    victim, run = tmp_path / "victim.txt", tmp_path / "run"
    victim.write_bytes(b"mine")
    run.mkdir()
    digest = "81ab8b5d8a2f1f0a0eb7d2b1fd6c0a1f"
    manifest = {"masks/../../victim.txt": [digest]}
    (run / "exports.json").write_text(json.dumps(manifest), encoding="utf-8")
    with guarded(run), pytest.raises(RunError, match=r"exports\.json"), RunFolder(run) as folder:
        folder.export("masks", lambda to: (to / "a").write_text("b"))
    assert victim.read_bytes() == b"mine"


def test_a_recipe_whose_table_is_a_number_is_an_option_error(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_text("loop = 3\n", encoding="utf-8")
    with pytest.raises(OptionError, match=r"r\.toml: loop: expected a table, got 3"):
        read_recipe(path, {"loop": {"steps": 1}})


def test_a_kept_file_that_is_whole_and_nonsense_is_a_miss(tmp_path: Path) -> None:
    import hashlib  # noqa: PLC0415

    path = tmp_path / key_of("a")[:2] / f"{key_of('a')}.features"
    write_whole(path, hashlib.sha256(b"nonsense").digest(), b"nonsense")
    store = FeatureStore(folder=tmp_path)
    assert store.get(key_of("a")) is None
    assert store.counts.damaged == 1
    assert not path.exists()


def test_half_characters_in_a_file_have_a_digest() -> None:
    image = annotated()
    assert image.provenance is not None
    plain = image.provenance.as_plain() | {"model": "\ud800"}
    assert len(Provenance.from_plain(plain).digest) == 16


def test_a_message_stays_readable_whatever_it_quotes() -> None:
    text = str(OptionError("begin " + "x" * 100_000 + " end"))
    assert len(text) < 2500
    assert text.startswith("begin")
    assert text.endswith("end")


def test_the_guard_sees_what_it_is_there_to_see(tmp_path: Path) -> None:
    """A guard that cannot fail would prove nothing."""
    outside = tmp_path / "outside"
    outside.write_text("x", encoding="utf-8")
    inside = tmp_path / "inside"
    inside.mkdir()
    with pytest.raises(AssertionError, match="outside"), guarded(inside):
        outside.read_text(encoding="utf-8")
    with pytest.raises(AssertionError, match=r"os\.system"), guarded(inside):
        os.system("true")  # noqa: S605
    # Fresh pages: an array may lie where something large was given back before.
    with (
        pytest.raises(AssertionError, match="MiB"),
        guarded(bounds=Bounds(memory=2**25)),
        mmap(-1, 2**26) as fresh,
    ):
        fresh.write(bytes(2**26))
    with pytest.raises(AssertionError, match="names none"), refusing("here"):
        raise OptionError("in another place")


@pytest.mark.parametrize("name", ["../secret.png", "/etc/hosts", "a/../../secret.png", "C:\\a.png"])
def test_a_table_of_pairs_leads_to_no_picture_outside_its_folder(name: str, tmp_path: Path) -> None:
    """It was read, and learnt from."""
    table = tmp_path / "data" / "pairs.csv"
    table.parent.mkdir()
    table.write_text(f'filepath,title\n"{name}",a secret\n', encoding="utf-8")
    with guarded(table.parent), pytest.raises(FormatError, match=r"pairs\.csv, line 2: .*no path"):
        list(read_pairs(table))


def tar_of(path: Path, entry: tarfile.TarInfo, content: bytes = b"") -> Path:
    header = entry.tobuf(tarfile.GNU_FORMAT)
    path.write_bytes(lzma.compress(header + content + bytes(1024)))
    return path


def test_a_caption_that_unpacks_to_gigabytes_is_refused(tmp_path: Path) -> None:
    entry = tarfile.TarInfo("a.txt")
    entry.size = 2**34
    path = tar_of(tmp_path / "pairs.tar", entry)
    with guarded(tmp_path, bounds=QUICK), pytest.raises(FormatError, match=r"pairs\.tar: a\.txt"):
        list(samples_in(path))


def test_an_archive_whose_entries_lead_back_comes_to_an_end(tmp_path: Path) -> None:
    entry = tarfile.TarInfo("a.txt")
    entry.size = -512
    path = tar_of(tmp_path / "pairs.tar", entry)
    with guarded(tmp_path, bounds=QUICK), pytest.raises(FormatError, match=r"pairs\.tar"):
        list(samples_in(path))


@pytest.mark.parametrize("back_to", [0, 1])
@pytest.mark.parametrize("bigtiff", [False, True])
def test_pages_of_a_tiff_that_lead_back_have_an_end(back_to: int, bigtiff: bool) -> None:
    file = io.BytesIO()
    tifffile.imwrite(
        file,
        np.zeros((3, 8, 8), np.uint8),
        bigtiff=bigtiff,
        photometric="minisblack",
        metadata=None,
    )
    with tifffile.TiffFile(io.BytesIO(file.getvalue())) as written:
        pages, width = [page.offset for page in written.pages], 8 if bigtiff else 4
    data = bytearray(file.getvalue())
    reference = data.rindex(pages[2].to_bytes(width, "little"))  # behind the tags of the second
    data[reference : reference + width] = pages[back_to].to_bytes(width, "little")
    with guarded(bounds=QUICK), pytest.raises(ImageError, match=r"a\.tif: .*lead back"):
        image_of_bytes(bytes(data), "a.tif")


def test_a_page_of_a_tiff_is_as_large_as_its_stack() -> None:
    file = io.BytesIO()
    tifffile.imwrite(file, np.zeros((3, 8, 8), np.uint8), imagej=True, contiguous=False)
    data = bytearray(file.getvalue())
    with tifffile.TiffFile(io.BytesIO(data)) as written:
        place = written.pages[1].tags["ImageLength"].valueoffset
    data[place : place + 4] = b"\xff" * 4
    with guarded(bounds=QUICK), pytest.raises(ImageError, match=r"a\.tif: page 1 is"):
        image_of_bytes(bytes(data), "a.tif", ReadingOptions(channel_axis="first"))


def test_no_frame_of_a_gif_is_larger_than_what_may_be_read() -> None:
    frames = [PillowImage.new("RGB", (8, 8), (shade, 0, 0)) for shade in (0, 100, 200)]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    descriptor = b",\0\0\0\0\x08\0\x08\0"
    start, first, second, third = file.getvalue().split(descriptor)
    huge = b",\0\0\0\0" + (9_000).to_bytes(2, "little") * 2
    data = start + descriptor + first + huge + second + descriptor + third
    with guarded(bounds=QUICK), refusing("a.gif"), pytest.raises(ImageError, match="9000"):
        image_of_bytes(data, "a.gif", ReadingOptions(page=2, maximum_pixels=2**20))


def test_a_file_has_no_more_bytes_than_it_has(tmp_path: Path) -> None:
    file = io.BytesIO()
    PillowImage.new("RGB", (6, 4), (1, 2, 3)).save(file, "PNG")
    said = file.getvalue().partition(b"IDAT")[0][-4:]
    path = tmp_path / "a.png"
    path.write_bytes(file.getvalue().replace(said + b"IDAT", b"\x7f\0\0\0IDAT"))
    with guarded(tmp_path, bounds=QUICK):
        image = read_image(path)
    assert (image.pixels == (1, 2, 3)).all()


def test_folders_and_pictures_may_have_names_that_are_no_text(tmp_path: Path) -> None:
    photos = tmp_path / os.fsdecode(b"ph\xe9")
    photos.mkdir()
    PillowImage.new("RGB", (6, 4)).save(photos / "a.png")
    (photos / "a.png").rename(photos / os.fsdecode(b"caf\xe9.png"))
    (picture,) = pictures_in([photos])
    assert picture.name == "caf%E9.png"
    settings = RunSettings(
        "a@b", "0", "", "car", AnnotateOptions(), RegionOptions(), ReadingOptions()
    )
    with RunFolder(tmp_path / "run") as run:
        run.adopt(settings, [picture], replace=False)
        run.save(picture, Fingerprint.of(picture.path), annotated(picture.name))
    assert picture_folders(tmp_path / "run") == (photos,)
    (record,) = RunReader(tmp_path / "run").records()
    assert record.source == picture.path


def test_words_are_text() -> None:
    with pytest.raises(VocabularyError, match="no text"):
        Vocabulary.parse("car; caf\udce9")


def test_a_picture_is_not_read_from_a_file_of_its_name(tmp_path: Path) -> None:
    secret, sent = tmp_path / "a.bmp", io.BytesIO()
    PillowImage.new("L", (64, 64), 200).save(secret)
    PillowImage.new("L", (64, 64), 10).save(sent, "BMP")
    with guarded():
        image = image_of_bytes(sent.getvalue(), str(secret))
    assert (image.pixels == 10).all()


@pytest.mark.parametrize("number", ["reach", "before", "after"])
def test_a_version_has_no_infinite_number(tmp_path: Path, number: str) -> None:
    def infinite(card: bytes) -> bytes:
        return re.sub(rf'"{number}": [-0-9.e]+'.encode(), f'"{number}": 1e999'.encode(), card)

    content = card_changed(version_bytes(a_version()), infinite)
    with guarded(tmp_path), refusing("a.lesson"), pytest.raises(VersionError, match="infinite"):
        Versions(tmp_path / "here").take_in(content, str(tmp_path / "a.lesson"), "space")


def test_a_label_map_starts_no_other_program(tmp_path: Path) -> None:
    """Pillow draws PostScript with Ghostscript, whatever the file is called."""
    path = tmp_path / "map.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
    with guarded(tmp_path), pytest.raises(ImageError, match=r"map\.png"):
        read_values(path)


def test_a_label_map_reserves_no_memory_that_a_part_of_it_asks_for(tmp_path: Path) -> None:
    path = tmp_path / "map.png"
    PillowImage.new("L", (4, 4)).save(path)
    content = path.read_bytes()
    at = content.index(b"IDAT") - 4
    path.write_bytes(content[:at] + (2**31 - 1).to_bytes(4, "big") + content[at + 4 :])
    with guarded(tmp_path, bounds=QUICK), refusing("map.png"):
        read_values(path)


def test_a_list_may_name_a_file_that_no_system_knows(tmp_path: Path) -> None:
    with guarded(tmp_path), pytest.raises(FormatError, match=r"a\\x00b\.png"):
        read_values(tmp_path / "a\0b.png")
    for name in ("a\0b.png", "a\ud800b.png"):
        with guarded(tmp_path), refusing(repr(name)[1:-1]), pytest.raises(ImageError):
            read_image(tmp_path / name)


def test_a_label_map_of_matlab_is_not_larger_than_it_says_it_may_be(tmp_path: Path) -> None:
    path = tmp_path / "map.mat"
    savemat(path, {"LabelMap": np.zeros((2**14, 2**13 + 1), np.uint8)}, do_compression=True)
    with guarded(tmp_path), pytest.raises(FormatError, match="more than 134,217,728"):
        read_values(path)


def test_a_part_of_a_lake_that_unpacks_to_a_billion_rows_is_refused() -> None:
    nothing = pa.nulls(10**7, pa.string())
    table = pa.table(dict.fromkeys(schema_of(Table.MASKS).names, nothing))
    data = parquet_bytes(table)
    assert len(data) < 2**18
    with guarded(bounds=QUICK), pytest.raises(FormatError, match="10,000,000 rows"):
        read_parquet(data, Table.MASKS)


def test_a_look_whose_numbers_are_cut_through_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    entry = {"picture": "a", "key": "s a", "uncertainty": 0.5, "patches": [], "vector": "AAAA"}
    (tmp_path / "looks.jsonl").write_bytes(sealed(json.dumps(entry).encode()))
    assert len(Looks(tmp_path)) == 0
