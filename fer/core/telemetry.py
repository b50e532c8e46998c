"""Telemetry of libraries, switched off before they are imported; child processes inherit it.

Variables that the user has set stay. ``import fer`` calls this first.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import Final

OFF: Final = {
    # ONNX Runtime from 1.29: a device's identifier in the user's cache, and events to a collector.
    "ORT_DISABLE_TELEMETRY": "1",
    # Asks the package index for a newer version whenever it is imported.
    "NO_ALBUMENTATIONS_UPDATE": "1",
    # Reports of wandb's own errors, not the logged runs.
    "WANDB_ERROR_REPORTING": "false",
    # What a cluster is used for, from the processes that Ray starts.
    "RAY_USAGE_STATS_ENABLED": "0",
    # Sent with the weights that timm downloads on request.
    "HF_HUB_DISABLE_TELEMETRY": "1",
    # For whatever else comes along with them: https://donottrack.sh
    "DO_NOT_TRACK": "1",
}


def disable_telemetry() -> None:
    """Switch telemetry off, where the user has not chosen otherwise."""
    runtime = sys.modules.get("onnxruntime")
    if runtime is not None and not os.environ.get("ORT_DISABLE_TELEMETRY"):
        warnings.warn(
            "onnxruntime was imported before fer and reports to its maker by default (from 1.29 "
            "on): import fer first, or set ORT_DISABLE_TELEMETRY=1",
            stacklevel=3,
        )
    for name, value in OFF.items():
        # Libraries treat an empty variable as unset.
        if not os.environ.get(name):
            os.environ[name] = value
    # The only way once it is loaded, and on Windows before 1.29.
    if runtime is not None and os.environ["ORT_DISABLE_TELEMETRY"] == OFF["ORT_DISABLE_TELEMETRY"]:
        runtime.disable_telemetry_events()
