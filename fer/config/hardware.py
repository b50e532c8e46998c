"""What a training asks of the machine."""

from __future__ import annotations

import torch
from omegaconf import DictConfig, OmegaConf


def missing_hardware(config: DictConfig) -> str | None:
    """Say which hardware the configuration asks for and this machine lacks, if any."""
    trainer = config.trainer
    wanted = trainer.accelerator
    if wanted == "mps" and not torch.backends.mps.is_available():
        return "trainer.accelerator=mps: no Apple GPU"
    if wanted in ("gpu", "cuda"):
        if wanted == "gpu" and torch.backends.mps.is_available():
            return None
        found = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if found == 0:
            return (
                f"trainer.accelerator={wanted}: no CUDA GPU that torch {torch.__version__} can use"
            )
        devices = trainer.devices
        needed = (
            max(devices) + 1 if OmegaConf.is_list(devices) else devices if devices != "auto" else 1
        )
        if needed > found:
            return f"trainer.devices={devices}: only {found} CUDA GPU(s)"
    if wanted == "tpu":
        from lightning.pytorch.accelerators import XLAAccelerator

        if not XLAAccelerator.is_available():
            return "trainer.accelerator=tpu: no TPU"
    return None
