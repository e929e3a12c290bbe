"""What annotations can be exported to."""

from __future__ import annotations

from enum import StrEnum


class ExportKind(StrEnum):
    COCO = "COCO"
    LABEL_STUDIO = "Label Studio tasks"
    RECORD = "record"
    MASK = "mask"
