"""Small data sets, converted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fer.data.conversion.command import main
from fer.data.conversion.plan import Making, make_plan
from fer.data.conversion.writing import convert


def converted(source: Path, folder: Path, **making: Any) -> dict[str, Any]:
    """Convert a source, and return what the set says of itself."""
    return convert(make_plan(source), folder, Making(**{"shard": 8, **making}))


def data_convert(*arguments: str | Path) -> int:
    """Run ``fer data convert`` and return its exit code."""
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as end:
        return int(end.code or 0)


def contents(folder: Path) -> dict[str, bytes]:
    """Return what lies in a folder, but for locks."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith("lock")
    }
