"""Weights of others that are worth naming: a literal table."""

from __future__ import annotations

from dataclasses import dataclass

# The training-free engines that take a vision transformer, the recommended one first.
TRANSFORMERS = ("naclip", "clearclip", "sclip", "maskclip", "scclip")


@dataclass(frozen=True, slots=True)
class KnownWeights:
    """Weights of others that are worth naming; any other CONFIG/TAG of open_clip works too."""

    name: str  # as in ENGINE@WEIGHTS
    repository: str  # on the hub
    megabytes: int  # of the parameters in float32; the download tells exactly
    licence: str  # "unknown" where it was not checked
    description: str
    engines: tuple[str, ...] = TRANSFORMERS


KNOWN_WEIGHTS: tuple[KnownWeights, ...] = (
    KnownWeights(
        "ViT-B-16-quickgelu/openai",
        "timm/vit_base_patch16_clip_224.openai",
        598,
        "MIT (openai/CLIP)",
        "the tower the papers report on; a good first choice",
    ),
    KnownWeights(
        "ViT-B-16/datacomp_xl_s13b_b90k",
        "laion/CLIP-ViT-B-16-DataComp.XL-s13B-b90K",
        598,
        "MIT",
        "the same size, trained on 1.4 billion filtered pairs",
    ),
    KnownWeights(
        "ViT-B-16/laion2b_s34b_b88k",
        "laion/CLIP-ViT-B-16-laion2B-s34B-b88K",
        598,
        "MIT",
        "the same size, trained on LAION-2B",
    ),
    KnownWeights(
        "ViT-B-32-quickgelu/openai",
        "timm/vit_base_patch32_clip_224.openai",
        605,
        "MIT (openai/CLIP)",
        "quicker and coarser: cells of 32 pixels",
    ),
    KnownWeights(
        "ViT-L-14-quickgelu/openai",
        "timm/vit_large_patch14_clip_224.openai",
        1710,
        "MIT (openai/CLIP)",
        "finer cells, five times the work; better with scclip only",
    ),
    KnownWeights(
        "ViT-L-14/datacomp_xl_s13b_b90k",
        "laion/CLIP-ViT-L-14-DataComp.XL-s13B-b90K",
        1710,
        "MIT",
        "the large tower on filtered pairs",
    ),
    KnownWeights(
        "ViT-H-14/laion2b_s32b_b79k",
        "laion/CLIP-ViT-H-14-laion2B-s32B-b79K",
        3944,
        "MIT",
        "the largest listed; ten times the work of B-16",
    ),
    KnownWeights(
        "EVA02-B-16/merged2b_s8b_b131k",
        "timm/eva02_base_patch16_clip_224.merged2b_s8b_b131k",
        599,
        "unknown",
        "rotary positions, at ease with other picture sizes",
    ),
    KnownWeights(
        "ViT-B-16-SigLIP2/webli",
        "timm/ViT-B-16-SigLIP2",
        1501,
        "unknown",
        "many languages; its text tower is most of the download",
    ),
    KnownWeights(
        "convnext_base_w/laion2b_s13b_b82k_augreg",
        "laion/CLIP-convnext_base_w-laion2B-s13B-b82K-augreg",
        718,
        "unknown",
        "convolutions: any picture size, cells of 32 pixels",
        ("conv",),
    ),
)
