"""Where and how precisely the networks run when nobody says."""

from __future__ import annotations

import pytest
import torch

from ovseg_annotate.devices import placement


@pytest.mark.parametrize(
    ("able", "expected"),
    [
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": True, "avx512_bf16": False}, torch.bfloat16),
        ({"avx512_f": True, "avx512_bf16": False}, torch.float32),
        ({"neon": True}, torch.float32),
    ],
)
def test_a_cpu_takes_bfloat16_only_where_it_multiplies_it(
    monkeypatch: pytest.MonkeyPatch, able: dict[str, bool], expected: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able, raising=False)
    assert placement("cpu", "auto", half_precision=True).dtype == expected


def test_a_torch_that_does_not_tell_means_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert placement("cpu", "auto", half_precision=True).dtype == torch.float32


def test_an_engine_that_is_exact_in_float32_only_stays_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True}, raising=False)
    assert placement("cpu", "auto", half_precision=False).dtype == torch.float32


def test_what_is_asked_for_is_taken() -> None:
    assert placement("cpu", "bfloat16", half_precision=True).precision == "bfloat16"
    assert placement("cpu", "float32", half_precision=True).precision == "float32"
