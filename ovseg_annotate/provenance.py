"""How a result came about: enough to make it again."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass

from ovseg_annotate.errors import FormatError
from ovseg_annotate.plain_data import shown


@dataclass(frozen=True, slots=True)
class Provenance:
    """Stands in every result and in every export that has a place for it."""

    model: str  # ENGINE@WEIGHTS as the user wrote it
    weights_digest: str  # sha256 of the weights
    vocabulary: str  # the grammar, contrast phrases included
    options: str  # every option of session and engine, one line
    image: str  # how the picture was read: orientation, channels, stretch
    precision: str  # float32, bfloat16, float16
    version: str  # of ovseg-annotate

    @property
    def digest(self) -> str:
        """Names the model version: equal for two pictures that were treated alike."""
        parts = (self.model, self.weights_digest, self.vocabulary, self.options, self.precision)
        text = "\n".join((*parts, self.version))
        # A file of somebody else's may hold half characters, which are no UTF-8.
        return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:16]

    def as_plain(self) -> dict[str, str]:
        """For JSON."""
        return {**asdict(self), "digest": self.digest}

    @classmethod
    def from_plain(cls, plain: object) -> Provenance:
        """Read what `as_plain` gave."""
        names = cls.__dataclass_fields__
        if not isinstance(plain, dict) or any(name not in plain for name in names):
            raise FormatError(f"provenance needs {', '.join(names)}; got {shown(plain)}")
        return cls(**{name: _text_of(plain[name], name) for name in names})


def _text_of(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise FormatError(f"{name}: expected a text, got {shown(value)}")
    return value
