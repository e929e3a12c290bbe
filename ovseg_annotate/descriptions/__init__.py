"""What concepts look like, in words: from a person's file, a lexicon of ours, or a language model.

No networks here: `engines.enriched_text` turns the sentences into vectors.
"""
