"""Moved to :mod:`fer.core.pretrained`."""

from fer.core.pretrained import WEIGHTS_FOLDER, is_pretrained_name, weights_path

FOLDER = WEIGHTS_FOLDER
is_name = is_pretrained_name
file_of = weights_path

__all__ = ["FOLDER", "file_of", "is_name"]
