"""How a command line is read: shorthand, ``~``, quoting, and options among the overrides."""

from __future__ import annotations

from pathlib import Path

import pytest

from fer.config.compose import compose
from fer.config.overrides import expand, quoted, read_arguments, written
from fer.core.io import expand_option_user
from fer.core.pretrained import weights_path
from tests.support.errors import raises

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
        ("data.clean.fixes=a.csv", None),
        ("data.cleaner=a.csv", None),
    ],
)
def test_only_a_file_of_fixes_is_expanded(override: str, full: str | None) -> None:
    assert expand(override) == (full or override)


def test_a_file_that_is_there_is_one_whatever_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert expand("data.clean=fixes") == "data.clean=fixes"
    (tmp_path / "fixes").touch()
    assert expand("data.clean=fixes") == "data.clean.fixes=fixes"


def test_the_other_keys_of_the_cleaning_stay() -> None:
    config = compose("train", [*FACES, "data.clean=a.csv", "data.clean.duplicates=both"])
    assert (config.data.clean.fixes, config.data.clean.blank) == ("a.csv", "train")
    assert compose("train", list(FACES)).data.clean.fixes is None


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    return tmp_path


def test_a_tilde_is_the_users_home_folder_wherever_a_path_begins(home: Path) -> None:
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
    assert expand("ckpt=~/a,~/b") == f"ckpt={home}/a,{home}/b"
    assert weights_path("~/a.onnx") == home / "a.onnx"
    words = [expand_option_user(word) for word in ("--to=~/a", "~", "a~")]
    assert words == [f"--to={home}/a", f"{home}", "a~"]


def test_a_tilde_of_a_file_is_replaced_before_a_folder_is_made(home: Path) -> None:
    (home / "mine" / "paths").mkdir(parents=True)
    text = "defaults: [default]\nruns: ~/runs\n"
    (home / "mine" / "paths" / "mine.yaml").write_text(text, encoding="utf-8")
    config = compose("train", [*FACES, "paths=mine"], [str(home / "mine")])
    assert config.hydra.run.dir.startswith(f"{home}/runs/")
    assert config.hydra.sweep.dir.startswith(f"{home}/runs/")


def test_a_path_is_read_back_as_it_is() -> None:
    path = "a=b, it's [1] {2}/c d.ckpt"
    assert compose("train", [*FACES, f"ckpt_path={quoted(path)}"]).ckpt_path == path
    assert compose("train", [*FACES, f"ckpt_path={written(path)}"]).ckpt_path == path


def test_options_may_stand_among_the_overrides() -> None:
    read = read_arguments(["seed=1", "-m", "data=synthetic", "--config-dir", "a", "test=true"])
    assert (read.multirun, read.config_dir) == (True, "a")
    assert read.overrides == ["seed=1", "data=synthetic", "test=true"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--multirn", "seed=0,1"],
        ["--data", "synthetic"],
        ["--cfg", "jobs"],
        ["seed=0", "--config-dir"],
        ["-m", "--run"],
        ["--resolve"],
    ],
)
def test_mistaken_options_are_refused(arguments: list[str]) -> None:
    with raises("bad_option"):
        read_arguments(arguments)
