"""Pretrained towers: the only importers of open_clip and timm."""
