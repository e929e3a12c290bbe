"""The 80 templates that CLIP's authors published, as open_clip ships them."""

from __future__ import annotations

import open_clip


def published_templates() -> tuple[str, ...]:
    """With `{}` where the phrase goes."""
    return tuple(str(template("{}")) for template in open_clip.OPENAI_IMAGENET_TEMPLATES)
