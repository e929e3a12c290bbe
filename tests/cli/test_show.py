"""The overlay page."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from annotated_samples import annotated, fingerprint, picture, settings
from PIL import Image as PillowImage
from typer.testing import CliRunner

from ovseg_annotate.cli.app import app
from ovseg_annotate.errors import RunError
from ovseg_annotate.formats import native
from ovseg_annotate.geometry import Size
from ovseg_annotate.overlay import Page, Sheet, concept_shares, page_html
from ovseg_annotate.overlay.drawing import jpeg_address, region_paths, shown_size
from ovseg_annotate.regions import AnnotatedImage, Mask, Region
from ovseg_annotate.run_folder import RunFolder
from ovseg_annotate.vocabulary import Vocabulary

VOID = {"meta", "img", "input", "link", "br"}


class Tags(HTMLParser):
    """Collects what a page holds and checks that every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.open.pop() != tag:
            assert tag in ("html", "body"), f"{tag} closes what is not open"

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.seen if name == tag]


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    with RunFolder(tmp_path / "labels") as folder:
        pictures = [picture(tmp_path / "photos" / name) for name in ("a.png", "b.png", "c.png")]
        folder.adopt(settings(), pictures, replace=False)
        for taken in pictures:
            folder.save(taken, fingerprint(taken), annotated(taken.name))
    return tmp_path / "labels"


def shown(*arguments: str) -> Tags:
    done = CliRunner().invoke(app, ["show", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return Tags(Path(done.stdout.strip()).read_text(encoding="utf-8"))


def test_the_page_shows_every_picture_with_its_regions(labels: Path) -> None:
    tags = shown(str(labels))
    assert len(tags.all("article")) == 3
    assert len(tags.all("path")) == 3
    assert [each["class"] for each in tags.all("path")] == ["c0"] * 3


def test_the_page_needs_nothing_beside_it(labels: Path) -> None:
    page = (labels / "overview.html") if shown(str(labels)) else labels
    text = page.read_text(encoding="utf-8")
    addresses = re.findall(r"""(?:src|href)=["']([^"']*)""", text)
    assert addresses
    assert all(address.startswith("data:") for address in addresses)
    assert "http://" not in text
    assert "https://" not in text
    assert "default-src 'none'" in text


def test_concepts_that_are_labelled_can_be_switched_and_negative_ones_are_not_listed(
    labels: Path,
) -> None:
    switches = [each for each in shown(str(labels)).all("input") if each["type"] == "checkbox"]
    assert [each["value"] for each in switches if "value" in each] == ["0", "1"]


def test_a_limit_spreads_the_pictures_and_says_so(labels: Path) -> None:
    tags = shown(str(labels), "--limit", "2")
    assert len(tags.all("article")) == 2
    assert "2 of 3 pictures, evenly spread; --limit shows more" in tags.text


def test_a_picture_that_was_moved_is_found_by_the_folder_it_is_in_now(
    labels: Path, tmp_path: Path
) -> None:
    (tmp_path / "photos").rename(tmp_path / "moved")
    assert any("moved?" in text for text in shown(str(labels)).text)
    found = shown(str(labels), "--pictures", str(tmp_path / "moved"))
    assert not any("moved?" in text for text in found.text)


def test_a_correction_says_that_it_is_one(labels: Path) -> None:
    path = labels / "records" / "b.png.json"
    native.write_record(path, native.Record(annotated("b.png", "green"), native.Kind.CORRECTION))
    tags = shown(str(labels))
    assert "corrected by a person" in tags.text
    assert not any("no picture known" in text for text in tags.text)


def test_a_page_of_something_else_than_a_run_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a run folder"):
        CliRunner().invoke(app, ["show", str(tmp_path)], catch_exceptions=False)


def test_names_with_markup_are_text() -> None:
    words = Vocabulary.parse('"<script>alert(1)</script>"')
    image = AnnotatedImage('<b>&".png', Size(8, 8), (), words, None)
    page = Page("<i>", ("<u>",), words)
    tags = Tags("".join(page_html(page, [Sheet(image, None, "<s>")])))
    names = {name for name, _ in tags.seen}
    assert not names & {"b", "u", "s"}
    assert len(tags.all("script")) == 1


def test_regions_are_drawn_where_they_are_at_the_size_shown() -> None:
    image = annotated()
    paths = region_paths(image, Size(height=12, width=16), {"red": "c0"})
    numbers = [
        float(number) for number in re.findall(r"[-\d.]+", re.findall(r'd="(.*?)"', paths)[0])
    ]
    assert (min(numbers[::2]), max(numbers[::2])) == (8.0, 16.0)
    assert (min(numbers[1::2]), max(numbers[1::2])) == (0.0, 12.0)


def test_a_hole_is_drawn_as_a_ring_of_its_own() -> None:
    pixels = np.ones((30, 30), np.bool_)
    pixels[10:20, 10:20] = False
    region = Region("red", (), Mask.of(pixels))
    image = AnnotatedImage("a", Size(30, 30), (region,), Vocabulary.parse("red"), None)
    assert region_paths(image, image.size, {"red": "c0"}).count("M") == 2


def test_large_pictures_shrink_and_small_ones_stay() -> None:
    assert shown_size(Size(height=4000, width=2000), 1000) == Size(height=1000, width=500)
    assert shown_size(Size(height=40, width=20), 1000) == Size(height=40, width=20)
    assert shown_size(Size(height=1, width=40_000), 1000) == Size(height=1, width=1000)


def test_the_embedded_picture_is_a_jpeg_of_that_size() -> None:
    address = jpeg_address(np.zeros((40, 60, 3), np.uint8), Size(height=20, width=30))
    content = base64.b64decode(address.removeprefix("data:image/jpeg;base64,"))
    assert PillowImage.open(io.BytesIO(content)).size == (30, 20)


def test_shares_count_pixels_of_masks_and_polygons_alike() -> None:
    image = annotated()
    shares = {each.name: each for each in concept_shares(image)}
    assert list(shares) == ["red", "green"]
    assert (shares["red"].share, shares["red"].regions) == (0.5, 1)
    assert shares["red"].confidence == 0.75
    assert (shares["green"].share, shares["green"].confidence) == (0.0, None)
