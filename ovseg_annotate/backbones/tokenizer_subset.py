"""A byte-pair table cut down to the merges that a word list needs, in the original format.

The stock open_clip tokenizer reads the result unchanged. Words that are not in the list fall
into smaller pieces instead of failing.
"""

from __future__ import annotations

import gzip
import io
import itertools
import re
from collections.abc import Iterable
from pathlib import Path

from open_clip.tokenizer import SimpleTokenizer, default_bpe

MERGES_FILE = "bpe_simple_vocab_16e6.txt.gz"  # open_clip's own name for it
_BYTE_TOKENS = 512  # every byte, inside a word and at its end
_SPECIAL_TOKENS = 2  # start and end of text

Merge = tuple[str, str]


def needed_merges(words: Iterable[str], merges_file: str | Path | None = None) -> list[Merge]:
    """The merges that the full table uses for these words, in the order of the full table."""
    ranks = {merge: rank for rank, merge in enumerate(read_merges(merges_file or default_bpe()))}
    used: set[Merge] = set()
    for word in sorted(set(_single_words(words))):
        used.update(_merges_of(word, ranks))
    return sorted(used, key=ranks.__getitem__)


def merges_bytes(merges: Iterable[Merge]) -> bytes:
    """The gzipped table: a version line, then one merge a line; equal input, equal bytes."""
    lines = ['"bpe_simple_vocab_16e6.txt#version: 0.2', *(" ".join(merge) for merge in merges)]
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0, filename="") as packed:
        packed.write("\n".join(lines).encode("utf-8"))
    return buffer.getvalue()


def read_merges(merges_file: str | Path) -> list[Merge]:
    """Read a gzipped merges file; only as many lines as CLIP's own vocabulary uses."""
    lines = gzip.decompress(Path(merges_file).read_bytes()).decode("utf-8").split("\n")
    merges = []
    for line in lines[1 : 49_152 - 256 - 2 + 1]:
        left, right = line.split()
        merges.append((left, right))
    return merges


def subset_tokenizer(merges_file: str | Path, context_length: int) -> SimpleTokenizer:
    return SimpleTokenizer(bpe_path=str(merges_file), context_length=context_length)


def vocabulary_size(merges: Iterable[Merge]) -> int:
    return _BYTE_TOKENS + sum(1 for _ in merges) + _SPECIAL_TOKENS


def _single_words(texts: Iterable[str]) -> Iterable[str]:
    for text in texts:
        yield from re.findall(r"[^\W\d_]+", text.lower())


def _merges_of(word: str, ranks: dict[Merge, int]) -> Iterable[Merge]:
    """Byte-pair encoding: join the neighbouring pair of the lowest rank until none is left."""
    pieces = [*word[:-1], word[-1] + "</w>"]
    while len(pieces) > 1:
        pair = min(itertools.pairwise(pieces), key=lambda p: ranks.get(p, len(ranks)))
        if pair not in ranks:
            return
        yield pair
        pieces = _joined(pieces, pair)


def _joined(pieces: list[str], pair: Merge) -> list[str]:
    joined: list[str] = []
    index = 0
    while index < len(pieces):
        if tuple(pieces[index : index + 2]) == pair:
            joined.append(pieces[index] + pieces[index + 1])
            index += 2
        else:
            joined.append(pieces[index])
            index += 1
    return joined
