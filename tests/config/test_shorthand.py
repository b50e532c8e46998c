"""``data.clean=FILE.csv``: from the command line to the faces."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fer.config import entry
from fer.config.building import build_parts
from fer.config.compose import compose
from fer.config.problems import ConfigError
from fer.config.shorthand import spelled_out
from fer.core.io import expand_option_user
from fer.core.pretrained import weights_path
from fer.data.cleaning.fixes import Fix, Fixes, write_fixes
from fer.data.source import DataNotFoundError
from fer.data.synthetic import SyntheticFaces
from tests.support.train_command import SMALL, rows

FACES = ("data=synthetic", "data.source.train=20", "data.source.val=14", "data.source.test=14")


@pytest.mark.parametrize(
    ("override", "full"),
    [
        ("data.clean=fixes.csv", "data.clean.fixes=fixes.csv"),
        ("data.clean=/a/b.csv", "data.clean.fixes=/a/b.csv"),
        ("++data.clean='a=1.csv'", "++data.clean.fixes='a=1.csv'"),
        ('data.clean="a,b.csv"', 'data.clean.fixes="a,b.csv"'),
        ("data.clean=a.csv,b.csv", "data.clean.fixes=a.csv,b.csv"),
        ("data.clean=/a/fixes", "data.clean.fixes=/a/fixes"),
        ("data.clean='a b/fixes.txt'", "data.clean.fixes='a b/fixes.txt'"),
        ("data.clean=all", None),
        ("data.clean={blank: all}", None),
        ("'data.clean={fixes: a.csv}'", None),
        ("data.clean={fixes: a.csv", None),
        ("data.clean.fixes=a.csv", None),
        ("data.cleaner=a.csv", None),
    ],
)
def test_only_a_file_of_fixes_is_spelled_out(override: str, full: str | None) -> None:
    assert spelled_out(override) == (full or override)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    return tmp_path


def test_a_tilde_is_the_users_own_folder_wherever_a_path_begins(home: Path) -> None:
    config = compose(
        "train",
        [
            *FACES, "hydra.run.dir=~/run", "paths.cache='~/cache'", "init_from=~/a.ckpt",
            "callbacks=[default,distillation]", 'name="see ~/notes"',
            "callbacks.distillation.teachers=[~/b.ckpt,'~/c.ckpt']",
        ],
    )  # fmt: skip
    assert config.hydra.run.dir == f"{home}/run"
    assert (config.paths.cache, config.init_from) == (f"{home}/cache", f"{home}/a.ckpt")
    assert config.callbacks.distillation.teachers == [f"{home}/b.ckpt", f"{home}/c.ckpt"]
    assert config.name == "see ~/notes"
    assert spelled_out("ckpt=~/a,~/b") == f"ckpt={home}/a,{home}/b"
    assert weights_path("~/a.onnx") == home / "a.onnx"
    words = [expand_option_user(word) for word in ("--to=~/a", "~", "a~")]
    assert words == [f"--to={home}/a", f"{home}", "a~"]


def test_hydra_makes_the_folders_that_a_file_names_by_a_tilde(home: Path) -> None:
    (home / "mine" / "paths").mkdir(parents=True)
    text = "defaults: [default]\nruns: ~/runs\n"
    (home / "mine" / "paths" / "mine.yaml").write_text(text, encoding="utf-8")
    further = entry._check(
        "train", [*FACES, "paths=mine"], str(home / "mine"), multirun=False, holds=(), check=None
    )
    assert further == [f'paths.runs="{home}/runs"']


def test_other_words_are_still_no_cleaning() -> None:
    with pytest.raises(ConfigError, match=r"set data\.clean\.blank, .*, data\.clean\.fixes"):
        compose("train", ["data.clean=all"])
    with pytest.raises(ConfigError, match=r"data\.clean=FILE\.csv applies a file of fixes or set"):
        compose("train", ["data.clean=bar"])


def test_a_file_that_is_there_is_one_whatever_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert spelled_out("data.clean=fixes") == "data.clean=fixes"
    (tmp_path / "fixes").touch()
    assert spelled_out("data.clean=fixes") == "data.clean.fixes=fixes"


def test_a_number_is_no_file() -> None:
    with pytest.raises(ConfigError, match=r"data\.clean\.fixes +must be text or null, not 3"):
        compose("train", ["data.clean.fixes=3"])


def test_the_other_keys_stay(tmp_path: Path) -> None:
    config = compose("train", [*FACES, "data.clean=a.csv", "data.clean.duplicates=both"])
    assert config.data.clean.fixes == "a.csv"
    assert (config.data.clean.blank, config.data.clean.duplicates) == ("train", "both")
    assert compose("train", list(FACES)).data.clean.fixes is None


def test_a_file_that_is_not_there_is_told_before_the_data_is_read() -> None:
    with pytest.raises(DataNotFoundError, match=r"there are no fixes nowhere\.csv"):
        build_parts(compose("train", [*FACES, "trainer=cpu", "data.clean=nowhere.csv"]))


def write(path: Path, fingerprint: str | None = None) -> Path:
    """Write fixes for the small training's faces."""
    source = SyntheticFaces(train=64, val=32, test=32, size=48, seed=0, noise_free=False)
    fixes = [Fix(0, "train", "drop"), Fix(1, "train", "relabel", "sad", "to see it")]
    write_fixes(path, Fixes(fingerprint or source.load().fingerprint, fixes, "here"))
    return path


def train(folder: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fer.train", *SMALL, *overrides, "trainer.max_epochs=1",
         "test=false", f"hydra.run.dir={folder / 'run'}"],
        cwd=folder, capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip


@pytest.mark.slow
def test_a_training_applies_and_reports_them(tmp_path: Path) -> None:
    write(tmp_path / "fixes.csv")
    done = train(tmp_path, "data.clean=fixes.csv")
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("named in the file")]
    assert line.split()[-3:] == ["2", "1", "1"]
    told = [row for row in rows(tmp_path / "run" / "cleaning.csv") if row["what"] == "fix"]
    assert [(row["row"], row["action"], row["detail"]) for row in told] == [
        ("0", "dropped", ""), ("1", "relabelled", "sad to see it"),
    ]  # fmt: skip


@pytest.mark.slow
def test_a_training_refuses_fixes_for_other_data(tmp_path: Path) -> None:
    write(tmp_path / "fixes.csv", fingerprint="abc")
    done = train(tmp_path, "data.clean=fixes.csv")
    assert done.returncode == 2
    assert "these fixes are for the data with the fingerprint abc, but" in done.stderr
    assert "Traceback" not in done.stderr
