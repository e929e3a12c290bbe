"""Who is asked for a description, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ovseg_annotate.descriptions.chain import Chain, OtherPhrases, digest_of, open_chain
from ovseg_annotate.descriptions.lexicon import Lexicon, bundled_lexicon
from ovseg_annotate.descriptions.options import EnrichOptions
from ovseg_annotate.descriptions.prompts import ConceptPrompt, Described, Source
from ovseg_annotate.descriptions.weights import (
    ConceptWeight,
    ConceptWeights,
    read_weights,
    write_weights,
)
from ovseg_annotate.errors import OptionError


@dataclass
class Knowing:
    """Knows some names, and remembers what it was asked."""

    names: frozenset[str]
    digest: str = "knowing"
    asked: list[str] = field(default_factory=list)

    def describe(self, names: Sequence[str]) -> Described:
        self.asked.extend(names)
        return Described(
            tuple(
                ConceptPrompt(name, (self.digest,)) if name in self.names else None
                for name in names
            ),
            (f"{self.digest} was asked",),
        )


class TestOrder:
    def test_the_first_who_knows_a_name_describes_it(self) -> None:
        first, second = Knowing(frozenset("ab"), "first"), Knowing(frozenset("bc"), "second")
        answer = Chain((first, second)).describe(["a", "b", "c", "d"])
        assert [prompt and prompt.colour[0] for prompt in answer.prompts] == [
            "first",
            "first",
            "second",
            None,
        ]
        assert second.asked == ["c", "d"]
        assert answer.warnings == ("first was asked", "second was asked")

    def test_nobody_is_asked_without_need(self) -> None:
        first, second = Knowing(frozenset("ab"), "first"), Knowing(frozenset("ab"), "second")
        Chain((first, second)).describe(["a", "b"])
        assert second.asked == []

    def test_the_persons_file_comes_before_the_lexicon(self, tmp_path: Path) -> None:
        path = tmp_path / "mine.yaml"
        path.write_text("- {name: zebra, colour: [pink]}")
        chain = open_chain(EnrichOptions(source="lexicon", file=str(path)), {}, None)
        zebra, horse = chain.describe(["zebra", "horse"]).prompts
        assert zebra is not None
        assert zebra.colour == ("pink",)
        assert zebra.source is Source.FILE
        assert horse is not None
        assert horse.source is Source.LEXICON

    def test_a_name_that_nobody_knows_stays_plain(self) -> None:
        chain = open_chain(EnrichOptions(source="lexicon"), {}, None)
        assert chain.describe(["qwxyz"]).prompts == (None,)

    def test_off_asks_nobody(self) -> None:
        assert open_chain(EnrichOptions(), {}, None).providers == ()


class TestOthers:
    def test_the_same_name_borrows_the_same_phrases(self) -> None:
        others = OtherPhrases(bundled_lexicon())
        assert others.describe(["zebra"]) == others.describe(["zebra"])

    def test_they_are_not_its_own(self) -> None:
        (borrowed,) = OtherPhrases(bundled_lexicon()).describe(["zebra"]).prompts
        own = bundled_lexicon().find("zebra")
        assert borrowed is not None
        assert own is not None
        assert borrowed.colour != own.colour
        assert borrowed.source is Source.OTHERS


class TestDigests:
    def test_other_descriptions_have_another_digest(self) -> None:
        blue, red = ConceptPrompt("a", ("blue",)), ConceptPrompt("a", ("red",))
        assert digest_of([blue]) == digest_of([blue])
        assert len({digest_of([blue]), digest_of([red]), digest_of([None])}) == 3

    def test_the_chain_tells_all_of_its_links(self) -> None:
        lexicon = Lexicon([ConceptPrompt("a", ("blue",))])
        assert Chain((lexicon, bundled_lexicon())).digest.count("-1-") == 2


class TestWeights:
    def test_what_is_written_reads_back(self, tmp_path: Path) -> None:
        chosen = ConceptWeights([ConceptWeight("nucleus", 0.5), ConceptWeight("cell", 0.0)])
        write_weights(tmp_path / "weights.json", chosen)
        assert read_weights(tmp_path / "weights.json").weights == chosen.weights

    def test_a_concept_that_is_not_there_has_the_usual_weight(self) -> None:
        chosen = ConceptWeights([ConceptWeight("nucleus", 0.5)])
        assert (chosen.of("Nucleus", 0.2), chosen.of("cell", 0.2)) == (0.5, 0.2)

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            ("{", "cannot read the weights of descriptions"),
            ("[]", "expected a table 'weights'"),
            ('{"weights": {"nucleus": 2}}', "weight of 'nucleus': got 2; allowed: 0 to 1"),
            ('{"weights": {"nucleus": true}}', "weight of 'nucleus': got True"),
        ],
    )
    def test_a_file_of_another_kind_is_refused(
        self, tmp_path: Path, content: str, told: str
    ) -> None:
        path = tmp_path / "weights.json"
        path.write_text(content)
        with pytest.raises(OptionError, match=told):
            read_weights(path)
