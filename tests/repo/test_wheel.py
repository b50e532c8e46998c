"""What the wheel carries, and that it runs away from the checkout."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.support.wheel import ROOT, build, build_wheel, python_of, run_outside


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_what_lies_in_the_packages_is_inside(wheel: Path, names: set[str]) -> None:
    """Modules, pages, models, and the configuration, unchanged and nothing more of it."""
    files = {
        (f"fer/{name}" if name.startswith("conf/") else name): ROOT / name
        for folder in ("fer", "conf")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
        for name in [path.relative_to(ROOT).as_posix()]
    }
    assert {name for name in names if name.startswith("fer/")} == set(files)
    with zipfile.ZipFile(wheel) as archive:
        assert all(archive.read(name) == path.read_bytes() for name, path in files.items())


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_models_of_any_kind_of_file_are_packed(tmp_path: Path, kind: str) -> None:
    """Git ignores checkpoints elsewhere, and what is built leaves out what Git ignores."""
    root = tmp_path / "root"
    shutil.copytree(ROOT / "fer" / "weights", root / "fer" / "weights")
    for name in (".gitignore", "pyproject.toml", "README.md", "LICENSE", "fer/__init__.py"):
        shutil.copy(ROOT / name, root / name)
    (root / "conf").mkdir()
    files = {f"fer/weights/some.{suffix}" for suffix in ("onnx", "pt", "json")}
    for name in (*files, "conf/train.yaml", "fer/best.ckpt"):
        (root / name).touch()
    (built,) = build(root, tmp_path, kind)
    if kind == "wheel":
        with zipfile.ZipFile(built) as archive:
            packed = set(archive.namelist())
    else:
        with tarfile.open(built) as archive:
            packed = {name.partition("/")[2] for name in archive.getnames()}
    assert files <= packed
    assert "fer/best.ckpt" not in packed


def test_nothing_else_is_inside(names: set[str]) -> None:
    others = {name.split("/", maxsplit=1)[0] for name in names}
    (metadata,) = others - {"fer"}
    assert metadata.endswith(".dist-info")
    assert any(name.startswith(f"{metadata}/licenses/") for name in names)


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel's files, and this one's packages behind them."""
    folder = tmp_path_factory.mktemp("environment")
    command = [sys.executable, "-m", "venv", "--without-pip", str(folder)]
    subprocess.run(command, check=True)
    ran = run_outside(
        [python_of(folder), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], folder
    )
    packages = Path(ran.stdout.strip())
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    # Paths in a .pth are not searched for further .pth files: the editable install stays unseen.
    ours = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "dependencies.pth").write_text("".join(f"{path}\n" for path in sorted(ours)))
    return folder


def test_the_wheel_is_what_is_imported(environment: Path, tmp_path: Path) -> None:
    code = "import fer, sys; print(fer.__file__); print(*sys.path, sep='\\n')"
    ran = run_outside([python_of(environment), "-c", code], tmp_path)
    assert ran.returncode == 0, ran.stderr
    file, *path = ran.stdout.splitlines()
    assert Path(file).is_relative_to(environment)
    assert str(ROOT) not in path


@pytest.mark.slow
def test_the_wheel_checks_a_training(environment: Path, tmp_path: Path) -> None:
    command = [python_of(environment), "-m", "fer.train"]
    choices = ["check_only=true", "data=synthetic", "trainer=cpu"]
    ran = run_outside([*command, *choices], tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "configuration checked, nothing was run" in ran.stdout
    assert str(ROOT) not in ran.stdout + ran.stderr
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_the_wheel_has_the_command(wheel: Path, names: set[str]) -> None:
    (entry_points,) = (name for name in names if name.endswith("entry_points.txt"))
    with zipfile.ZipFile(wheel) as archive:
        assert "fer = fer.cli:main" in archive.read(entry_points).decode()
