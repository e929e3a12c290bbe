"""Suggestions drawn over their pictures, as one page that needs nothing beside it."""

from ovseg_annotate.overlay.page import Page, Sheet, page_html
from ovseg_annotate.overlay.shares import ConceptShare, concept_shares

__all__ = ["ConceptShare", "Page", "Sheet", "concept_shares", "page_html"]
