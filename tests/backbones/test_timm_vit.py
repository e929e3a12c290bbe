from __future__ import annotations

import pytest
import torch
from backbones.tiny_towers import NATIVE, STRIDE, TimmWrapper, images, siglip, tiny_card
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from ovseg_annotate.backbones.timm_vit import TimmVision, class_token_projection
from ovseg_annotate.errors import ModelError


def test_a_siglip_token_goes_the_way_of_a_query_that_sees_it_alone() -> None:
    tower = siglip()
    trunk = tower.visual.trunk
    tokens, _ = tower.vision.embed(images(1, NATIVE, STRIDE))
    alone = [trunk.forward_head(trunk.norm(token[None, None])) for token in tokens[0]]
    torch.testing.assert_close(tower.vision.project(tokens)[0], torch.cat(alone))


def test_attention_with_normalised_heads_is_refused() -> None:
    trunk = VisionTransformer(
        img_size=32, patch_size=8, embed_dim=48, depth=1, num_heads=3, qk_norm=True, num_classes=8
    )
    with pytest.raises(ModelError, match="normalised or gated attention heads"):
        TimmVision(TimmWrapper(trunk, nn.Sequential()), tiny_card(), class_token_projection)
