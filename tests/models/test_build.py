"""A spec becomes an object, or a message that says the fix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from torch import nn

from fer.models import BuildError, Fusion, allowing, build
from fer.models.build import locate

LINEAR = {"_target_": "torch.nn.Linear", "in_features": 4, "out_features": 2}


def test_arguments_come_from_spec_position_and_wiring() -> None:
    made = build(
        {"_target_": "torch.nn.Linear", "bias": False}, 4, expects=nn.Module, out_features=2
    )
    assert isinstance(made, nn.Linear)
    assert (made.in_features, made.out_features, made.bias) == (4, 2, None)


@pytest.mark.parametrize("spec", [{}, {"bias": False}, {"_target_": None}, {"_target_": 3}])
def test_missing_target(spec: dict[str, Any]) -> None:
    with pytest.raises(BuildError, match="import path of its class under '_target_'"):
        build(spec, expects=nn.Module)


@pytest.mark.parametrize("path", ["torch.nope.Linear", "nope.Linear", "Linear", "", ".", "a..b"])
def test_unknown_module(path: str) -> None:
    with pytest.raises(BuildError, match=r"can't import"):
        build({"_target_": path}, expects=nn.Module)


def test_unknown_name_with_a_suggestion() -> None:
    with pytest.raises(BuildError, match=r"'torch\.nn' has no 'Linaer'; did you mean 'Linear'\?"):
        build({"_target_": "torch.nn.Linaer"}, expects=nn.Module)
    with pytest.raises(BuildError, match=r"has no 'Xyzzyx'$"):
        build({"_target_": "torch.nn.Xyzzyx"}, expects=nn.Module)


@pytest.mark.parametrize(
    ("target", "argument"),
    [
        ("os.system", "touch {}"),
        ("pathlib.Path", "{}"),
        ("os.mkdir", "{}"),
        ("builtins.open", "{}"),
    ],
)
def test_another_kind_is_refused_before_it_is_called(
    tmp_path: Path, target: str, argument: str
) -> None:
    trace = tmp_path / "trace"
    is_refused = pytest.raises(BuildError, match=f"'{target}' is not a Module")
    with is_refused, allowing([target.partition(".")[0]]):
        build({"_target_": target}, argument.format(trace), expects=nn.Module)
    assert not trace.exists()


def test_a_class_of_another_kind_is_refused() -> None:
    with pytest.raises(BuildError, match=r"'torch\.nn\.Linear' is not a Fusion"):
        build(LINEAR, expects=Fusion)
    with pytest.raises(BuildError, match="is not a Module"):
        build({"_target_": "torch.optim.Adam"}, expects=nn.Module)


def test_unexpected_argument_names_the_known_ones() -> None:
    with pytest.raises(BuildError) as error:
        build({**LINEAR, "biass": True}, expects=nn.Module)
    text = str(error.value)
    assert "torch.nn.Linear" in text
    assert "'biass'" in text
    assert "in_features, out_features, bias" in text
    assert "self" not in text.split("it takes")[1]


def test_what_the_part_refuses_is_told_with_its_name() -> None:
    with pytest.raises(BuildError, match=r"^fer\.models\.Concat: fusion joins two branches"):
        build({"_target_": "fer.models.Concat"}, [3], expects=Fusion)


def test_a_part_within_a_part_is_named_once() -> None:
    spec = {"_target_": "fer.models.SequenceBranch", "view": {"_target_": "fer.models.Rwos"}}
    with pytest.raises(BuildError) as error:
        build(spec, 48, expects=nn.Module)
    assert str(error.value).startswith("_target_ 'fer.models.Rwos'")
    assert "did you mean 'Rows'?" in str(error.value)


def test_only_what_is_allowed_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To import a module is to run it, so a description alone does not bring that about."""
    trace = tmp_path / "trace"
    (tmp_path / "own_layers.py").write_text(
        f"import torch, pathlib\npathlib.Path({str(trace)!r}).touch()\n"
        "class Layer(torch.nn.Identity): pass\nclass Layers(Layer): pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    spec = {"_target_": "own_layers.Layer"}
    with (
        pytest.raises(BuildError, match="--allow own_layers"),
        allowing(["own", "own_layers.Layers"]),
    ):
        build(spec, expects=nn.Module)
    assert not trace.exists()
    for name in ("own_layers", "own_layers.Layer"):
        with allowing([name]):
            assert isinstance(build(spec, expects=nn.Module), nn.Identity)
    with pytest.raises(BuildError, match="--allow"):
        build(spec, expects=nn.Module)


@pytest.mark.parametrize("path", [
    "torch.utils.model_dump.__main__.main", "lightning.pytorch.demos.lstm.SimpleLSTM",
    "torchmetrics.image.perceptual_path_length.PerceptualPathLength",
])  # fmt: skip
def test_a_file_names_no_program_and_nothing_that_fetches(path: str) -> None:
    """The first ends the process as it is imported, the last downloads a network when made."""
    for allowed in ([], ["antigravity"]):
        with allowing(allowed), pytest.raises(BuildError, match="--allow"):
            locate(path)
