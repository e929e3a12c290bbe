from __future__ import annotations

from collections import Counter
from importlib.util import find_spec

import open_clip
import pytest
import torch
from backbones.micro import micro_config
from timm.layers import RotaryEmbeddingCat

from ovseg_annotate.backbones.kinds import (
    TowerKind,
    kind_of,
    require_kind,
    supported_configurations,
)
from ovseg_annotate.backbones.network import build_network, card_of, clip_of
from ovseg_annotate.backbones.tokens import stand_in_tokenizer
from ovseg_annotate.errors import ModelError

# One of each adapter and of each way that its configurations differ.
BUILT = {
    "ViT-B-32-quickgelu": (224, 32, 512),
    "ViT-M-16-alt": (224, 16, 384),
    "coca_base": (288, 18, 512),
    "ViT-L-14-CLIPA": (224, 14, 768),
    "ViT-B-16-SigLIP": (224, 16, 768),
    "ViT-SO400M-14-SigLIP2-378": (378, 14, 1152),
    "EVA02-B-16": (224, 16, 512),
    "EVA01-g-14": (224, 14, 1024),
    "MobileCLIP-B": (224, 16, 512),
    "MobileCLIP2-L-14": (224, 14, 768),
    "convnext_base_w": (256, 32, 640),
    "convnext_large_d": (256, 32, 768),
}


def test_every_shipped_configuration_has_its_kind() -> None:
    kinds = Counter(kind_of(open_clip.get_model_config(name)) for name in open_clip.list_models())
    assert kinds == {
        TowerKind.VIT: 48,
        TowerKind.CLIPA: 6,
        TowerKind.SIGLIP: 28,
        TowerKind.EVA: 7,
        TowerKind.TIMM_VIT: 3,
        TowerKind.CONVNEXT: 11,
        None: 41,
    }
    assert len(supported_configurations()) == 144 - 41


@pytest.mark.parametrize("name", BUILT)
def test_a_shipped_configuration_is_built_and_opened(name: str) -> None:
    configuration = open_clip.get_model_config(name)
    network = build_network(name, configuration)
    card = card_of(name, configuration, network, digest="", licence="")
    clip = clip_of(network, configuration, card, stand_in_tokenizer(configuration["text_cfg"]))
    side, stride, width = BUILT[name]
    assert (card.window.height, card.window.width) == (side, side)
    assert (card.stride, card.width) == (stride, width)
    image, text = (set(map(id, part.parameters())) for part in clip.modules)
    assert image
    assert text
    assert not image & text


@pytest.mark.parametrize(
    ("name", "reason", "alternative"),
    [
        ("RN50-quickgelu", "ResNet", "ViT-B-16-quickgelu"),
        ("coca_ViT-L-14", "learned queries", "ViT-L-14"),
        ("PE-Core-B-16", "rotary positions together with attention pooling", "ViT-B-16"),
        ("ViTamin-L-336", "convolutional stem", "ViT-L-14-336"),
        ("MobileCLIP2-S2", "no last attention block", "MobileCLIP2-B"),
        ("swin_base_patch4_window7_224", "shifted windows", "ViT-"),
    ],
)
def test_a_refusal_names_the_configuration_the_reason_and_what_to_use(
    name: str, reason: str, alternative: str
) -> None:
    with pytest.raises(ModelError) as refusal:
        require_kind(name, open_clip.get_model_config(name))
    message = str(refusal.value)
    assert message.startswith(f"{name} cannot give dense features")
    assert reason in message
    assert alternative in message.split("use one of: ")[1]


def test_an_unknown_network_of_timm_is_refused_by_its_name() -> None:
    configuration = {"vision_cfg": {"timm_model_name": "mixer_b16_224"}, "text_cfg": {}}
    with pytest.raises(ModelError, match="no adapter for the timm network mixer_b16_224"):
        require_kind("mine", configuration)


def test_a_configuration_that_open_clip_cannot_build_is_an_error_with_its_name() -> None:
    configuration = {"embed_dim": 8, "vision_cfg": {"patches": 3}, "text_cfg": {}}
    with pytest.raises(ModelError, match=r"open_clip cannot build mine .*patches"):
        build_network("mine", configuration)


@pytest.mark.skipif(find_spec("transformers") is not None, reason="the library is installed")
def test_a_hub_text_tower_asks_for_the_library_it_needs() -> None:
    name = "xlm-roberta-base-ViT-B-32"
    with pytest.raises(ModelError, match="pip install transformers"):
        build_network(name, open_clip.get_model_config(name))


def test_causal_masks_are_remade_as_the_constructor_makes_them() -> None:
    made = build_network("micro", micro_config())
    assert torch.equal(made.attn_mask, open_clip.CLIP(**micro_config()).attn_mask)


def test_rotary_tables_are_remade_as_the_constructor_makes_them() -> None:
    network = build_network("EVA02-B-16", open_clip.get_model_config("EVA02-B-16"))
    rope = network.visual.trunk.rope
    fresh = RotaryEmbeddingCat(
        rope.dim, in_pixels=False, feat_shape=[14, 14], ref_feat_shape=[16, 16]
    )
    assert torch.equal(rope.pos_embed, fresh.pos_embed)
    assert torch.equal(rope.bands, fresh.bands)


def test_building_draws_no_random_numbers() -> None:
    before = torch.random.get_rng_state()
    build_network("micro", micro_config())
    assert torch.equal(torch.random.get_rng_state(), before)
