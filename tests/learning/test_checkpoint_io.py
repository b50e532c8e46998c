"""A checkpoint is there whole or not at all, and leftovers of a kill are cleared away."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fer.core.io import atomic_write, remove_leftovers, write_text
from fer.learning.checkpoint_io import AtomicCheckpointIO


def save(path: Path, value: float) -> None:
    AtomicCheckpointIO().save_checkpoint({"weight": torch.full((3,), value), "epoch": 1}, path)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_checkpoint_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "last.ckpt"
    save(path, 1.0)
    save(path, 2.0)
    stored = AtomicCheckpointIO().load_checkpoint(path, weights_only=True)
    assert stored["weight"].tolist() == [2.0] * 3
    assert names(path.parent) == ["last.ckpt"]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
@pytest.mark.parametrize("old", [True, False], ids=["before", "none"])
def test_a_full_disk_costs_the_new_checkpoint_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException], old: bool
) -> None:
    path = tmp_path / "last.ckpt"
    if old:
        save(path, 1.0)
    before = path.read_bytes() if old else None
    written: list[Path] = []

    def full(file: Path, content: bytes) -> None:
        with file.open("wb") as stream:
            stream.write(content[: len(content) // 2])
        written.append(file)
        raise error("no space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(error, match="no space left"):
        save(path, 2.0)
    assert len(written) == 1
    assert written[0].parent == tmp_path
    assert (path.read_bytes() if path.exists() else None) == before
    assert names(tmp_path) == (["last.ckpt"] if old else [])


def test_storage_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="storage options"):
        AtomicCheckpointIO().save_checkpoint({}, tmp_path / "a.ckpt", storage_options={})
    assert names(tmp_path) == []


def killed_at(path: Path) -> Path:
    """Leave what a process leaves that is killed while it writes ``path``."""
    with atomic_write(path) as beside:
        beside.write_bytes(b"half")
        copy = beside.with_suffix(".copy")
        copy.write_bytes(b"half")
    copy.replace(beside)
    path.unlink()
    return beside


def test_leftovers_of_a_kill_go_and_nothing_else(tmp_path: Path) -> None:
    left = [killed_at(tmp_path / name) for name in ("last.ckpt", "best.ckpt", "history.csv")]
    kept = ["best.ckpt", "last.ckpt", "a-12345678.ckpt", ".hidden", ".gitignore"]
    for name in kept:
        write_text(tmp_path / name, name)
    inner = tmp_path / "inner"
    inner.mkdir()
    deeper = killed_at(inner / "last.ckpt")
    assert all(path.is_file() for path in left)

    remove_leftovers(tmp_path)
    assert names(tmp_path) == sorted([*kept, "inner"])
    assert all((tmp_path / name).read_text(encoding="utf-8") == name for name in kept)
    assert deeper.is_file()
    remove_leftovers(tmp_path)
