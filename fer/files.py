"""Moved to :mod:`fer.core.io`."""

from fer.core.io import (
    DISK_ERRORS,
    atomic_write,
    expand_option_user,
    expand_user,
    real_path,
    remove_leftovers,
    why_not_writable,
    write_json,
    write_text,
)

FULL = DISK_ERRORS
written_beside = atomic_write
option_at_home = expand_option_user
at_home = expand_user
real = real_path
unusable = why_not_writable

__all__ = [
    "FULL",
    "at_home",
    "option_at_home",
    "real",
    "remove_leftovers",
    "unusable",
    "write_json",
    "write_text",
    "written_beside",
]
