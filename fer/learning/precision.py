"""Which precision suits a device, by a fixed rule."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final

import torch

#: What a processor's flags must promise for bfloat16 to be quicker than float32.
_FAST_BF16: Final = ("amx_bf16", "avx512_bf16")


def auto_precision(accelerator: str) -> str:
    """Return Lightning's name of the precision for a device.

    CUDA GPUs from compute capability 8.0 on and CPUs with ``amx_bf16`` or ``avx512_bf16`` train in
    bfloat16 with float32 weights, everything else in float32. ``benchmarks/train_loop.py`` shows
    what the rule rests on.

    Args:
        accelerator: ``cpu``, ``gpu``, ``cuda``, ``mps`` or ``auto``.
    """
    if accelerator in ("gpu", "cuda", "auto") and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.get_device_capability() >= (8, 0) else "32-true"
    if accelerator == "mps" or (accelerator != "cpu" and torch.backends.mps.is_available()):
        return "32-true"
    return "bf16-mixed" if fast_bf16(cpu_flags()) else "32-true"


def fast_bf16(flags: Collection[str]) -> bool:
    """Return True if a processor with these flags is quicker in bfloat16 than in float32."""
    return any(flag in flags for flag in _FAST_BF16)


def cpu_flags() -> frozenset[str]:
    """Return the processor's feature flags, where the system lists them (Linux)."""
    info = Path("/proc/cpuinfo")
    if not info.is_file():
        return frozenset()
    for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "flags":
            return frozenset(value.split())
    return frozenset()
