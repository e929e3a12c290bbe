"""From words to unit vectors: templates, contrast phrases, the text bank and its cache."""
