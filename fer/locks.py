"""Moved to :mod:`fer.core.locks`."""

from fer.core.locks import lock, remove_unlocked, try_lock, unlock

hold = lock
remove_unheld = remove_unlocked
take = try_lock
release = unlock

__all__ = ["hold", "release", "remove_unheld", "take"]
