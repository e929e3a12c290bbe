from __future__ import annotations

import dataclasses
import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from evaluation.some_results import CONDITIONS, evaluation, gallery

from ovseg_annotate.errors import OptionError
from ovseg_annotate.evaluation.card import Training, card_text, read_training
from ovseg_annotate.evaluation.page import evaluation_page
from ovseg_annotate.evaluation.results import COLUMNS, table_rows


def test_json_has_no_number_that_is_none() -> None:
    text = json.dumps(evaluation().as_plain(), allow_nan=False)
    read = json.loads(text)
    assert read["conditions"]["threshold"] == 0.1
    assert read["sets"][0]["scores"]["mean_iou"] == pytest.approx((1 + 12 / 16) / 2)
    assert read["sets"][0]["scores"]["absent_area"] == pytest.approx(40 / 320)
    assert read["sets"][0]["baseline"]["calibration_error"] is None
    assert read["sets"][1]["baseline"] is None
    assert read["sets"][0]["scores"]["instances"] == {"mean": 1, "at_50": 1, "at_75": 1}
    assert read["sets"][0]["baseline"]["instances"]["mean"] is None


def test_a_row_has_a_text_for_every_column() -> None:
    first, second = table_rows(evaluation().sets)
    assert len(first) == len(second) == 1 + len(COLUMNS)
    assert first[:3] == ("easy & <small>", "1", "0.875")
    assert first[-1] == "1.000"
    assert second[-1] == "-"


def test_conditions_say_what_threshold_and_contrast_did() -> None:
    said = " ".join(CONDITIONS.sentences)
    assert "confidence of 0.1 stay unlabelled" in said
    assert "contrast: auto" in said
    assert CONDITIONS.command in said


class Reader(HTMLParser):
    """Counts tags and refuses a page whose tags do not match."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.addresses: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.addresses += [value or "" for name, value in attributes if name in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.open[-1] != tag and self.open[-1] == "body":  # its end tag may be left out
            self.open.pop()
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def page() -> Reader:
    reader = Reader()
    reader.feed("".join(evaluation_page(evaluation(), [gallery()])))
    return reader


def test_the_page_needs_nothing_but_itself(page: Reader) -> None:
    assert page.addresses
    assert all(address.startswith("data:image/jpeg;base64,") for address in page.addresses)
    assert "script" not in page.seen
    assert not page.open


def test_the_page_shows_picture_truth_and_answer_of_every_exhibit(page: Reader) -> None:
    assert page.seen.count("article") == 3
    assert page.seen.count("img") == 9
    # The truth has two regions; the answer, which is empty, none. The plot has one line.
    assert page.seen.count("path") == 3 * 2 + 1


def test_names_are_text_and_not_markup(page: Reader) -> None:
    assert "easy & <small>" in page.text
    assert "<b>bold</b> word" in page.text
    assert "b" not in page.seen


def test_every_set_has_its_numbers_its_plot_and_its_concepts(page: Reader) -> None:
    assert "Calibration error" in page.text
    assert page.seen.count("details") == 2  # what the columns mean, and the concepts of the set
    assert page.seen.count("dl") == 2
    for concept in ("red star", "blue background", "<b>bold</b> word"):
        assert concept in page.text


def test_the_rules_of_a_benchmark_stand_above_its_numbers() -> None:
    shown = dataclasses.replace(
        gallery(), result=dataclasses.replace(evaluation().sets[1], protocol="Rules & all.")
    )
    assert "<p>Rules &amp; all.</p>" in "".join(evaluation_page(evaluation(), [shown]))


def test_the_worst_concepts_stand_first_and_absent_ones_last() -> None:
    text = "".join(evaluation_page(evaluation(), [gallery()]))
    table = text[text.index("Concept by concept") : text.index("</table></div></details>\n<h3>")]
    names = re.findall(r"<tr><th>([^<]+)</th>", table)
    assert names == ["blue background", "red star", html.escape("<b>bold</b> word")]
    assert "<td>1.000</td><td>1</td><td>160</td>" in table  # AP75, examples, true pixels


def test_words_for_what_is_not_there_are_struck_out(page: Reader) -> None:
    assert page.seen.count("s") == 3


def test_the_card_says_data_licence_seed_command_scores_and_limits() -> None:
    text = card_text(evaluation(), Training(steps=6000, seed=1, nuclei=True))
    assert text.startswith("# mini\n")
    for said in ("Photographs", "Apache-2.0", CONDITIONS.command, "6000 steps, seed 1", "CC0"):
        assert said in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 4
    assert len({row.count("|") for row in rows}) == 1
    assert "CC0" not in card_text(evaluation(), Training())


def test_facts_of_the_training_come_from_its_recipe_and_its_weights(tmp_path: Path) -> None:
    recipe, facts = tmp_path / "mini.toml", tmp_path / "card.json"
    recipe.write_text('[pictures]\nnuclei_folder = "somewhere"\n[loop]\nseed = 7\nsteps = 10\n')
    assert read_training(recipe, facts) == Training(None, 7, nuclei=True)
    facts.write_text('{"trained_steps": 8}')
    assert read_training(recipe, facts) == Training(8, 7, nuclei=True)
    assert read_training(None, facts) == Training(8, None, nuclei=False)


def test_what_a_recipe_cannot_tell_stands_on_the_card(tmp_path: Path) -> None:
    facts = tmp_path / "card.json"
    facts.write_text('{"trained_steps": 8, "history": "The recipe changed at step 5."}')
    text = card_text(evaluation(), read_training(None, facts))
    assert "Training: 8 steps. The recipe changed at step 5." in text


def test_a_recipe_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"mini\.toml"):
        read_training(tmp_path / "mini.toml", tmp_path / "card.json")
