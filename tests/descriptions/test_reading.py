"""A person's own descriptions."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ovseg_annotate.descriptions.lexicon import lexicon_of_file
from ovseg_annotate.descriptions.prompts import ConceptPrompt, Source
from ovseg_annotate.descriptions.reading import read_descriptions, write_descriptions
from ovseg_annotate.errors import VocabularyError

YAML = """
descriptions:
  - name: nucleus
    synonyms: [cell nucleus]
    colour: [dark blue, violet]
    shape_size: round
  - {name: slide, texture_material: [clear glass]}
"""


def written(folder: Path, text: str, name: str = "looks.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


class TestReading:
    def test_yaml_is_read(self, tmp_path: Path) -> None:
        nucleus, slide = read_descriptions(written(tmp_path, YAML))
        assert nucleus == ConceptPrompt(
            "nucleus",
            colour=("dark blue", "violet"),
            shape_size=("round",),
            synonyms=("cell nucleus",),
            source=Source.FILE,
        )
        assert slide.texture_material == ("clear glass",)

    def test_json_is_read(self, tmp_path: Path) -> None:
        path = written(tmp_path, '[{"name": "rust", "colour": ["orange brown"]}]', "looks.json")
        assert read_descriptions(path)[0].colour == ("orange brown",)

    def test_synonyms_find_the_entry(self, tmp_path: Path) -> None:
        found = lexicon_of_file(written(tmp_path, YAML)).find("cell nuclei")
        assert found is None  # an irregular plural is a synonym of its own
        assert lexicon_of_file(written(tmp_path, YAML)).find("Cell Nucleus") is not None

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        st.lists(
            st.lists(st.text("abc d", min_size=1, max_size=9).filter(str.strip), max_size=4),
            min_size=3,
            max_size=3,
        ).filter(any)
    )
    def test_what_is_written_reads_back(self, tmp_path: Path, groups: list[list[str]]) -> None:
        colour, shape, texture = (
            tuple(dict.fromkeys(" ".join(text.split()) for text in group)) for group in groups
        )
        prompt = ConceptPrompt("thing", colour, shape, texture)
        path = tmp_path / "pinned.json"
        write_descriptions(path, [prompt])
        assert read_descriptions(path) == (prompt,)


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("entry", "told"),
        [
            ("- nucleus", "entry 1: a description is a table"),
            ("- {colour: [blue]}", "entry 1: name must be a text, got None"),
            ("- {name: nucleus}", r"\(nucleus\): nothing is described; give at least one of"),
            ("- {name: n, colour: 3}", r"\(n\): colour must be a text or a list of texts, got 3"),
            ("- {name: n, color: [blue]}", "unknown key 'color'; there is: colour"),
            ("- {name: n, colour: [a, b, c, d, e]}", "colour has 5 phrases; allowed: up to 4"),
            ("- {name: n, colour: [a b c d e f g h i]}", "of 9 words; allowed: up to 8"),
            ("descriptions: []", "has no list of descriptions"),
            ("nucleus", "has no list of descriptions"),
            ("- {name: [", "is not valid YAML"),
        ],
    )
    def test_the_message_names_the_entry_and_what_is_allowed(
        self, tmp_path: Path, entry: str, told: str
    ) -> None:
        with pytest.raises(VocabularyError, match=told) as caught:
            lexicon_of_file(written(tmp_path, entry))
        assert "looks.yaml" in str(caught.value)

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(VocabularyError, match="cannot read the descriptions"):
            read_descriptions(tmp_path / "none.yaml")

    def test_json_that_breaks_off(self, tmp_path: Path) -> None:
        with pytest.raises(VocabularyError, match="is not valid JSON"):
            read_descriptions(written(tmp_path, "[{", "looks.json"))

    def test_a_name_that_stands_twice(self, tmp_path: Path) -> None:
        twice = "- {name: a, colour: [red]}\n- {name: A, colour: [blue]}"
        with pytest.raises(VocabularyError, match=r"looks.yaml: 'A' is described twice"):
            lexicon_of_file(written(tmp_path, twice))
