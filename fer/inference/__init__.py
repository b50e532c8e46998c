"""A trained model in use."""

from fer.inference.checkpoint import CheckpointError, CheckpointModel, load_checkpoint

__all__ = ["CheckpointError", "CheckpointModel", "load_checkpoint"]
