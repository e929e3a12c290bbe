"""Where and in what precision the networks run. With `session`, the only file that knows `cuda`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch

from ovseg_annotate.errors import MemoryLimitError, OptionError

Result = TypeVar("Result")

_PRECISIONS = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", *_PRECISIONS)


@dataclass(frozen=True, slots=True)
class Placement:
    """A device and the precision of the networks on it."""

    device: torch.device
    dtype: torch.dtype

    @property
    def precision(self) -> str:
        return str(self.dtype).removeprefix("torch.")


def placement(device: str, precision: str, *, half_precision: bool) -> Placement:
    """Choose what "auto" means here; `half_precision` says whether the engine bears it."""
    chosen = _device(device)
    if precision == "auto":
        return Placement(chosen, _best_dtype(chosen) if half_precision else torch.float32)
    if precision not in _PRECISIONS:
        raise OptionError(f"precision {precision!r}: allowed: {', '.join(PRECISIONS)}")
    if precision != "float32" and not half_precision:
        raise OptionError(
            f"precision {precision!r}: this engine is exact in float32 only; write auto or float32"
        )
    return Placement(chosen, _PRECISIONS[precision])


def device_of_process(device: torch.device, environment: Mapping[str, str]) -> torch.device:
    """Of several processes that torchrun started on one machine, each takes a GPU of its own."""
    rank = environment.get("LOCAL_RANK")
    if rank is None or device.type != "cuda" or device.index is not None:
        return device
    return torch.device("cuda", int(rank))


def available_devices() -> tuple[str, ...]:
    """Names that `placement` takes on this machine."""
    names = ["cpu"]
    names += [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        names.append("mps")
    return tuple(names)


def memory_in_use(device: torch.device) -> int | None:
    """Bytes that tensors hold on a device; None where nobody counts."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    return torch.mps.current_allocated_memory() if device.type == "mps" else None


def run_in_batches(
    count: int, batch: int, work: Callable[[int, int], Result]
) -> tuple[list[Result], int]:
    """Call `work(start, stop)` over `count` items; halve the batch when memory runs out.

    Returns the results in order and the batch size that worked.
    """
    results: list[Result] = []
    start = 0
    while start < count:
        stop = min(count, start + batch)
        try:
            results.append(work(start, stop))
        except (torch.OutOfMemoryError, RuntimeError, MemoryError) as error:
            if not _is_out_of_memory(error):
                raise
            if batch == 1:
                raise MemoryLimitError(
                    "the device cannot hold a single window; choose a smaller tower, "
                    "precision bfloat16, or the device cpu"
                ) from error
            batch = max(1, batch // 2)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            continue
        start = stop
    return results, batch


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    # The CPU and MPS allocators have no exception type of their own.
    text = str(error).casefold()
    return "not enough memory" in text or "can't allocate memory" in text or "out of memory" in text


def _device(name: str) -> torch.device:
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    there = available_devices()
    if name not in there and not (name == "cuda" and "cuda:0" in there):
        raise OptionError(
            f"device {name!r} is not on this machine; there is: auto, {', '.join(there)}"
        )
    return torch.device(name)


def _best_dtype(device: torch.device) -> torch.dtype:
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if device.type == "cpu" and _multiplies_bfloat16():
        return torch.bfloat16
    return torch.float32


def _multiplies_bfloat16() -> bool:
    """The CPU has instructions for it; others imitate bfloat16, slower than float32."""
    if not hasattr(torch.cpu, "get_capabilities"):  # an older torch does not say
        return False
    able = torch.cpu.get_capabilities()
    return any(able.get(name, False) for name in ("avx512_bf16", "amx_bf16"))
