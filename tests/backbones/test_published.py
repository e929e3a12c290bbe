from __future__ import annotations

import open_clip
import pytest

from ovseg_annotate.backbones.published import find_published, published_names
from ovseg_annotate.errors import ModelError, WeightsError

# With the exceptions to "laion is plain, openai, metaclip and dfn are quick".
AGREEING = [
    "ViT-B-32-quickgelu/openai",
    "ViT-B-32-quickgelu/laion400m_e32",
    "ViT-B-32/laion2b_s34b_b79k",
    "ViT-B-16/laion400m_e32",
    "ViT-B-16-quickgelu/dfn2b",
    "ViT-L-14/dfn2b_s39b",
    "ViT-H-14/metaclip_altogether",
    "ViT-H-14-378-quickgelu/dfn5b",
]
DISAGREEING = {
    "ViT-B-16/openai": "ViT-B-16-quickgelu/openai",
    "ViT-B-32/laion400m_e31": "ViT-B-32-quickgelu/laion400m_e31",
    "ViT-L-14/dfn2b": "ViT-L-14-quickgelu/dfn2b",
    "ViT-L-14-336/openai": "ViT-L-14-336-quickgelu/openai",
    "ViT-bigG-14/metaclip_fullcc": "ViT-bigG-14-quickgelu/metaclip_fullcc",
}


@pytest.mark.parametrize("name", AGREEING)
def test_weights_with_the_activation_of_their_training_are_found(name: str) -> None:
    assert find_published(name).name == name
    assert name in published_names()


@pytest.mark.parametrize(("name", "right"), DISAGREEING.items())
def test_the_wrong_activation_is_an_error_with_the_right_name(name: str, right: str) -> None:
    with pytest.raises(WeightsError, match=f"trained with QuickGELU.*use {right}$"):
        find_published(name)
    assert name not in published_names()
    assert right in published_names()


def test_every_listed_name_can_be_looked_up_and_is_on_the_hub() -> None:
    names = published_names()
    assert len(names) == 130
    for name in names:
        wanted = find_published(name)
        assert wanted.name == name
        assert wanted.repository.count("/") == 1
        assert wanted.files[0].endswith(".safetensors")
        assert wanted.licence


def test_a_file_named_by_open_clip_is_asked_for_as_safetensors_first() -> None:
    configured = open_clip.get_pretrained_cfg("ViT-B-16", "laion2b_s34b_b88k")["hf_hub"]
    assert configured.endswith("/")
    files = find_published("ViT-B-16/laion2b_s34b_b88k").files
    assert files == ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")


def test_pixels_are_normalised_as_the_training_did() -> None:
    assert find_published("ViT-L-14/laion2b_s32b_b82k").mean == (0.5, 0.5, 0.5)
    assert find_published("ViT-L-14-quickgelu/openai").mean[0] == pytest.approx(0.48145466)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ViT-B16/openai", ["unknown configuration 'ViT-B16'", "ViT-B-16"]),
        ("ViT-B-16/laion2b", ["unknown weights 'laion2b'", "ViT-B-16/laion2b_s34b_b88k"]),
        ("ViT-B-16", ["no weights are named", "ViT-B-16/laion2b_s34b_b88k"]),
        ("ViT-S-16/openai", ["no published weights for ViT-S-16", "openai"]),
        ("RN50-quickgelu/openai", ["cannot give dense features", "ResNet"]),
    ],
)
def test_an_unknown_name_lists_the_nearest_ones(name: str, words: list[str]) -> None:
    with pytest.raises(ModelError) as refusal:
        find_published(name)
    for word in words:
        assert word in str(refusal.value)


def test_licences_that_forbid_selling_are_told_apart() -> None:
    assert find_published("ViT-B-16-quickgelu/openai").licence == "MIT"
    assert find_published("ViT-B-16-quickgelu/metaclip_400m").licence == "CC-BY-NC-4.0"
    assert "Apple" in find_published("ViT-B-16-quickgelu/dfn2b").licence
    assert find_published("ViT-L-14-CLIPA/datacomp1b").licence.startswith("unknown; see https://")
