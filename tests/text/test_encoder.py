from __future__ import annotations

from pathlib import Path

import pytest
import torch
from text.letter_tower import LetterTower
from torch import Tensor
from torch.nn.functional import normalize

from ovseg_annotate.errors import OptionError, WeightsError
from ovseg_annotate.text.encoder import PhraseEncoder, Wording
from ovseg_annotate.text.store import VectorStore
from ovseg_annotate.text.templates import SHORT
from ovseg_annotate.vocabulary import Vocabulary

PLAIN = Wording("weights", ("{}",))
WORDS = Vocabulary.parse("car: sedan, truck; road; -sky: truck")


def test_rows_stand_in_the_order_of_the_phrases() -> None:
    tower = LetterTower()
    text = PhraseEncoder(tower, PLAIN).bank(WORDS)
    expected = [tower.direction(phrase) for phrase in ("sedan", "truck", "road", "truck")]
    torch.testing.assert_close(text.embeddings, torch.stack(expected))


def test_a_phrase_is_the_unit_mean_of_its_templates() -> None:
    tower = LetterTower()
    text = PhraseEncoder(tower, Wording("weights", ("a {}", "the {}."))).bank(
        Vocabulary.parse("car")
    )
    mean = (tower.direction("a car") + tower.direction("the car.")) / 2
    torch.testing.assert_close(text.embeddings[0], normalize(mean, dim=0))


def test_a_phrase_is_never_encoded_twice() -> None:
    tower = LetterTower()
    encoder = PhraseEncoder(tower, PLAIN)
    encoder.bank(WORDS)
    assert tower.asked == ["sedan", "truck", "road"]
    encoder.bank(Vocabulary.parse("road; bus"))
    assert tower.asked == ["sedan", "truck", "road", "bus"]


def test_a_phrase_on_disk_is_not_encoded_again(tmp_path: Path) -> None:
    first = PhraseEncoder(LetterTower(), PLAIN, VectorStore(tmp_path)).bank(WORDS)
    later = LetterTower()
    again = PhraseEncoder(later, PLAIN, VectorStore(tmp_path)).bank(WORDS)
    assert later.asked == []
    assert torch.equal(first.embeddings, again.embeddings)


@pytest.mark.parametrize(
    "other", [Wording("other weights", ("{}",)), Wording("weights", ("a {}",))]
)
def test_other_weights_or_templates_are_encoded_anew(tmp_path: Path, other: Wording) -> None:
    PhraseEncoder(LetterTower(), PLAIN, VectorStore(tmp_path)).bank(WORDS)
    tower = LetterTower()
    PhraseEncoder(tower, other, VectorStore(tmp_path)).bank(WORDS)
    assert len(tower.asked) == 3


def test_keys_do_not_run_into_one_another() -> None:
    assert Wording("w", ("{}a", "b{}")).key("c") != Wording("w", ("{}", "ab{}")).key("c")
    assert Wording("w", ("{}", "{}b")).key("c") != Wording("w", ("{}",)).key("{}bc")


def test_thousands_of_phrases_and_templates_go_to_the_tower_in_pieces() -> None:
    class Bounded(LetterTower):
        def encode(self, texts: list[str]) -> Tensor:
            assert len(texts) <= 4096
            return super().encode(texts)

    tower = Bounded(width=4)
    words = Vocabulary.parse("; ".join(f"thing {number}" for number in range(1500)))
    text = PhraseEncoder(tower, Wording("weights", SHORT)).bank(words)
    assert text.embeddings.shape == (1500, 4)
    mean = torch.stack([tower.direction(one.replace("{}", "thing 1400")) for one in SHORT]).mean(0)
    torch.testing.assert_close(text.embeddings[1400], normalize(mean, dim=0))


def test_braces_in_a_phrase_are_letters() -> None:
    tower = LetterTower()
    PhraseEncoder(tower, Wording("weights", ("a {}.",))).bank(Vocabulary.parse("{x} {0}"))
    assert tower.asked == ["a {x} {0}."]


def test_a_tower_that_gives_no_numbers_is_reported_and_not_kept(tmp_path: Path) -> None:
    class Damaged(LetterTower):
        def direction(self, text: str) -> Tensor:
            return torch.full((self.width,), float("nan"))

    store = VectorStore(tmp_path)
    with pytest.raises(WeightsError, match="damaged"):
        PhraseEncoder(Damaged(), PLAIN, store).bank(WORDS)
    assert len(store) == 0


@pytest.mark.parametrize("templates", [(), ("no place",), ("{} and {}",)])
def test_templates_without_one_place_for_the_phrase_are_refused(
    templates: tuple[str, ...],
) -> None:
    with pytest.raises(OptionError, match="template"):
        Wording("weights", templates)
