"""Descriptions from a model behind an address, asked over the loopback interface."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from descriptions.scripted_model import Script, answering, entries, names_in, right

from ovseg_annotate.descriptions.answers import answer_from
from ovseg_annotate.descriptions.chain import open_chain
from ovseg_annotate.descriptions.endpoint import (
    API_KEY,
    BASE_URL,
    MODEL,
    EndpointProvider,
    EndpointSettings,
    settings_from,
)
from ovseg_annotate.descriptions.options import EnrichOptions
from ovseg_annotate.descriptions.prompts import ConceptPrompt, Source
from ovseg_annotate.descriptions.store import AnswerStore
from ovseg_annotate.errors import CacheError, OptionError

KEY = "secret-key"


def settings(address: str, timeout: float = 20.0) -> EndpointSettings:
    return EndpointSettings(address, "tiny-model", KEY, timeout)


def after(refusals: dict[str | None, tuple[int, str]]) -> Script:
    """Answers rightly except in these forms."""

    def script(body: dict[str, Any]) -> tuple[int, str]:
        form = body.get("response_format", {}).get("type")
        return refusals.get(form) or right(body)

    return script


class TestAsking:
    def test_only_names_and_the_task_leave_the_machine(self) -> None:
        with answering(right) as model:
            EndpointProvider(settings(model.address)).describe(["moss", "rust"])
        (body,) = model.bodies
        assert model.asked == [["moss", "rust"]]
        assert set(body) == {"model", "temperature", "seed", "messages", "response_format"}
        assert (body["model"], body["temperature"]) == ("tiny-model", 0)
        assert model.keys == [f"Bearer {KEY}"]

    def test_a_right_answer_describes_all_names_in_order(self) -> None:
        with answering(right) as model:
            answer = EndpointProvider(settings(model.address)).describe(["moss", "rusty iron"])
        assert [prompt and prompt.name for prompt in answer.prompts] == ["moss", "rusty iron"]
        assert answer.prompts[1] == ConceptPrompt(
            "rusty iron", ("10 greens",), ("round",), ("soft felt",), source=Source.ENDPOINT
        )
        assert answer.warnings == ()

    def test_many_names_go_in_batches_of_twenty(self) -> None:
        names = [f"thing{number}" for number in range(45)]
        with answering(right) as model:
            answer = EndpointProvider(settings(model.address)).describe(names)
        assert [len(asked) for asked in model.asked] == [20, 20, 5]
        assert all(answer.prompts)

    def test_without_a_key_none_is_sent(self) -> None:
        with answering(right) as model:
            EndpointProvider(EndpointSettings(model.address, "m")).describe(["moss"])
        assert model.keys == [None]


class TestLooserForms:
    @pytest.mark.parametrize(
        ("refusals", "forms"),
        [
            ({"json_schema": (400, "")}, ["json_schema", "json_object"]),
            (
                {"json_schema": (400, ""), "json_object": (400, "")},
                ["json_schema", "json_object", None],
            ),
            ({"json_schema": (200, "I would rather talk")}, ["json_schema", "json_object"]),
            ({"json_schema": (200, '{"classes": [{"na')}, ["json_schema", "json_object"]),
        ],
        ids=["400", "400 twice", "talk", "broken off"],
    )
    def test_what_is_refused_is_asked_again(
        self, refusals: dict[str | None, tuple[int, str]], forms: list[str | None]
    ) -> None:
        with answering(after(refusals)) as model:
            answer = EndpointProvider(settings(model.address)).describe(["moss"])
        assert model.forms == forms
        assert all(answer.prompts)
        assert answer.warnings == ()

    def test_what_is_forbidden_is_not_asked_again(self) -> None:
        with answering(lambda body: (401, "")) as model:
            answer = EndpointProvider(settings(model.address)).describe(["moss"])
        assert len(model.bodies) == 1
        assert answer.prompts == (None,)
        assert "tiny-model at" in answer.warnings[0]
        assert "HTTP 401" in answer.warnings[0]

    def test_half_an_answer_counts_and_the_rest_is_told(self) -> None:
        with answering(lambda body: (200, entries(names_in(body)[:1]))) as model:
            answer = EndpointProvider(settings(model.address)).describe(["moss", "rust"])
        assert [prompt is None for prompt in answer.prompts] == [False, True]
        assert "described 1 of 2 names; not 'rust'" in answer.warnings[0]


class TestReadingAnswers:
    @pytest.mark.parametrize(
        "text",
        [
            '{"classes": [{"name": "moss", "colour": ["green"]}]}',
            '[{"name": "Moss", "color": ["green"]}]',
            '{"moss": {"color": "green"}}',
            'Sure!\n```json\n{"moss": {"colour": ["green."]}}\n```\nAnything else?',
            'Here it is: {"name": "moss", "colour": ["green", "mossy green"]} bye',
        ],
    )
    def test_many_shapes_are_understood(self, text: str) -> None:
        (prompt,) = answer_from(text, ["moss"]).prompts
        assert prompt == ConceptPrompt("moss", ("green",), source=Source.ENDPOINT) or (
            prompt is not None and prompt.colour[0] == "green"
        )

    @pytest.mark.parametrize("text", ["", "null", "42", '{"moss": 3}', '[{"colour": ["a"]}]', "[["])
    def test_nonsense_describes_nothing(self, text: str) -> None:
        assert answer_from(text, ["moss"]).prompts == (None,)

    def test_the_name_and_long_phrases_are_left_out(self) -> None:
        said = '{"moss": {"colour": ["moss green", "green", "a b c d e f g h i"]}}'
        (prompt,) = answer_from(said, ["moss"]).prompts
        assert prompt is not None
        assert prompt.colour == ("green",)

    def test_another_name_is_not_taken(self) -> None:
        assert answer_from('{"fern": {"colour": ["green"]}}', ["moss"]).prompts == (None,)


class TestKeeping:
    def test_an_answer_is_asked_for_once(self, tmp_path: Path) -> None:
        store = AnswerStore(tmp_path / "kept", "tiny-model")
        with answering(right) as model:
            first = EndpointProvider(settings(model.address), store).describe(["moss", "rust"])
            again = EndpointProvider(settings(model.address), store).describe(["rust", "moss"])
        assert len(model.bodies) == 1
        assert again.prompts == tuple(reversed(first.prompts))

    def test_without_a_store_too(self) -> None:
        with answering(right) as model:
            provider = EndpointProvider(settings(model.address))
            assert provider.describe(["moss"]) == provider.describe(["moss"])
        assert len(model.bodies) == 1

    def test_another_model_is_asked_again(self, tmp_path: Path) -> None:
        with answering(right) as model:
            for name in ("tiny-model", "large-model"):
                wanted = EndpointSettings(model.address, name)
                store = AnswerStore(tmp_path, name)
                EndpointProvider(wanted, store).describe(["moss"])
        assert len(model.bodies) == 2

    def test_a_damaged_file_counts_as_absent(self, tmp_path: Path) -> None:
        store = AnswerStore(tmp_path, "m")
        store.put(ConceptPrompt("moss", ("green",)))
        (file,) = tmp_path.iterdir()
        file.write_text('{"name": "moss", "colo')
        assert store.get("moss") is None

    def test_a_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(CacheError, match="choose another cache folder"):
            AnswerStore(tmp_path / "file" / "below", "m")


class TestFailing:
    def test_nobody_listening_is_told_and_nothing_is_lost(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as bound:
            port = bound.getsockname()[1]
        chain = open_chain(
            EnrichOptions(source="endpoint"),
            {BASE_URL: f"http://127.0.0.1:{port}/v1", MODEL: "tiny-model", API_KEY: KEY},
            None,
        )
        answer = chain.describe(["zebra", "qwxyz"])
        zebra, unknown = answer.prompts
        assert zebra is not None
        assert zebra.source is Source.LEXICON
        assert unknown is None
        (warning,) = answer.warnings
        assert "gave no descriptions (ConnectError)" in warning
        assert "'zebra', 'qwxyz'" in warning

    def test_a_slow_model_is_given_up(self) -> None:
        released = threading.Event()
        try:
            with answering(right, released) as model:
                provider = EndpointProvider(settings(model.address, timeout=0.2))
                answer = provider.describe([f"thing{number}" for number in range(30)])
                released.set()
        finally:
            released.set()
        assert answer.prompts == (None,) * 30
        assert len(answer.warnings) == 1
        assert "ReadTimeout" in answer.warnings[0]
        assert "and 25 more" in answer.warnings[0]

    def test_the_key_is_in_no_message(self) -> None:
        with answering(lambda body: (500, "")) as model:
            provider = EndpointProvider(settings(model.address))
            told = " ".join(provider.describe(["moss"]).warnings)
        assert told
        for text in (told, repr(settings(model.address)), str(settings(model.address))):
            assert KEY not in text
        assert KEY not in provider.digest

    def test_a_password_in_the_address_is_in_no_message(self) -> None:
        with pytest.raises(OptionError) as caught:
            EndpointSettings(f"ftp://me:{KEY}@somewhere/v1", "m")
        assert KEY not in str(caught.value)


class TestOffline:
    @pytest.mark.parametrize("address", ["http://models.example/v1", "https://10.0.0.3/v1"])
    def test_names_stay_on_this_machine(self, address: str) -> None:
        wanted = EnrichOptions(source="endpoint")
        with pytest.raises(OptionError, match="need the network, and this is offline"):
            open_chain(wanted, {BASE_URL: address, MODEL: "m"}, None, offline=True)

    def test_a_model_on_this_machine_may_be_asked(self) -> None:
        wanted = EnrichOptions(source="endpoint")
        places = {BASE_URL: "http://localhost:11434/v1", MODEL: "m"}
        assert len(open_chain(wanted, places, None, offline=True).providers) == 2


class TestSettings:
    def test_without_an_address_it_is_off(self) -> None:
        with pytest.raises(OptionError, match=rf"need {BASE_URL} and {MODEL}.*use the lexicon"):
            settings_from({})

    @pytest.mark.parametrize("address", ["localhost:11434", "ftp://host/v1", "http://"])
    def test_an_address_of_another_kind_is_refused(self, address: str) -> None:
        with pytest.raises(OptionError, match="expected an address such as"):
            settings_from({BASE_URL: address, MODEL: "m"})

    def test_a_model_must_be_named(self) -> None:
        with pytest.raises(OptionError, match=f"{MODEL} is empty"):
            settings_from({BASE_URL: "http://localhost:1/v1"})
