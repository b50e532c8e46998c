"""Models of clips in use: read back, exported, asked by arrays and by films."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fer.core.clips import pad_clips
from fer.inference import OnnxModel, Recognizer, load_checkpoint
from fer.inference.checkpoint import TEMPERATURE
from fer.inference.export import TOLERANCE, export
from fer.inference.preprocess import FacesError
from fer.learning import FerModule
from tests.support.errors import raises
from tests.support.learners import small_module
from tests.support.parts import composed

SIZE, FRAMES = 16, 5
SMALL = ("backbone=small", "model.backbone.widths=[4]", "model.backbone.kernels=[[3]]",
         "model.backbone.pools=[max]", "model.head.hidden=[8]")  # fmt: skip
MODELS: Mapping[str, tuple[str, ...]] = {
    "clip_lstm": ("model=clip_lstm", *SMALL, "model.time.units=4"),
    "clip_frames": ("model=clip_frames", *SMALL),
    "convlstm": ("model=convlstm", *SMALL, "model.widths=[4,3]"),
    "clip_lstm both ways": (
        "model=clip_lstm", *SMALL, "model.time.units=4", "model.time.bidirectional=true",
        "model.time.depth=2", "model.time.pooling=attention",
    ),
}  # fmt: skip


def checkpoint(path: Path, name: str) -> Path:
    """Write a checkpoint of a network that has learnt nothing, but varied statistics."""
    torch.manual_seed(0)
    config = composed(*MODELS[name], "data=synthetic_clips")
    module = FerModule(
        model=config["model"],
        loss=config["loss"],
        optimizer=config["optimizer"],
        scheduler=config["scheduler"],
        classes=["no", "yes", "both"],
        size=SIZE,
        frames=FRAMES,
    )
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 2)
    options = dict(module.hparams)
    torch.save(
        {"state_dict": module.state_dict(), "hyper_parameters": options, TEMPERATURE: 1.7}, path
    )
    return path


def some_clips(seed: int = 0, *lengths: int) -> list[np.ndarray[Any, np.dtype[np.uint8]]]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (n, SIZE, SIZE), dtype=np.uint8) for n in lengths or (1, 4, 5)]


@pytest.fixture(scope="module")
def best(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("clips") / "best.ckpt", "clip_lstm")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, best: Path) -> Path:
    path = tmp_path_factory.mktemp("exported") / "clips.onnx"
    export(load_checkpoint(best), path)
    return path


def assert_same(model: OnnxModel, network: Any) -> None:
    """Any number of clips of any lengths, whatever lies behind them."""
    for lengths in ((1,), (2, 9, 1), (5,) * 7):
        images, given = pad_clips(some_clips(len(lengths), *lengths))
        wanted = network.logits(images, given)
        padded = np.pad(images, ((0, 0), (0, 3), (0, 0), (0, 0)), constant_values=255)
        for some in (images, padded):
            np.testing.assert_allclose(model.logits(some, given), wanted, atol=TOLERANCE)


def test_an_exported_clip_model_answers_as_its_network(best: Path, exported: Path) -> None:
    model = OnnxModel(exported, threads=1)
    assert (model.frames, model.classes) == (FRAMES, ("no", "yes", "both"))
    assert_same(model, load_checkpoint(best))


def test_exports_of_one_process_know_nothing_of_each_other(
    best: Path, exported: Path, small_onnx: Path, tmp_path: Path
) -> None:
    """Any number of frames, after a model of clips and one of pictures."""
    network = load_checkpoint(best)
    export(network, tmp_path / "again.onnx")
    assert_same(OnnxModel(tmp_path / "again.onnx", threads=1), network)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["clip_frames", "convlstm", "clip_lstm both ways"])
def test_every_clip_model_is_exported(tmp_path: Path, name: str) -> None:
    best = checkpoint(tmp_path / "best.ckpt", name)
    network = load_checkpoint(best)
    export(network, tmp_path / "model.onnx")
    assert_same(OnnxModel(tmp_path / "model.onnx", threads=1), network)


def test_clips_are_classified(best: Path, exported: Path) -> None:
    clips = some_clips()
    coloured = [np.repeat(clips[0][..., None], 3, axis=3), list(clips[1]), clips[2]]
    for path in (best, exported):
        model = load_checkpoint(path) if path == best else OnnxModel(path, threads=1)
        recognizer = Recognizer(model)
        assert recognizer.frames == FRAMES
        found = recognizer.classify_clips(coloured)
        wanted = model.logits(*pad_clips(clips))
        np.testing.assert_allclose(found.logits, wanted, atol=1e-5)
        assert found.labels == tuple(found.classes[i] for i in wanted.argmax(axis=1))
        # Of longer clips as many frames as it learnt from, evenly spaced.
        long = some_clips(3, 9)[0]
        even = recognizer.classify_clips([long[[0, 2, 4, 6, 8]]])
        assert np.array_equal(recognizer.classify_clips([long]).logits, even.logits)
        assert len(recognizer.classify_clips([])) == 0


def test_single_faces_and_clips_are_told_apart(best: Path, small_network: Any) -> None:
    recognizer = Recognizer(load_checkpoint(best))
    with raises("reads_clips"):
        recognizer.classify(some_clips()[1])
    with raises("reads_single_faces"):
        Recognizer(small_network).classify_clips(some_clips())


@pytest.mark.parametrize(
    ("clips", "words"),
    [
        ("film.mp4", "must be a list of arrays of frames, not str"),
        (np.zeros((5, 16, 16), np.uint8), r"clip 0: must be frames \[T, H, W\].*clips=\[frames\]"),
        ([np.zeros((0, 16, 16), np.uint8)], "clip 0: must be one frame or more"),
        ([np.zeros((2, 16, 16), np.float32)], "clip 0: frame 0: .* uint8, not float32"),
        ([3], "clip 0: must be one frame or more, not int"),
        # Counted as the caller has them, though not all are read.
        (
            [[*[np.zeros((16, 16), np.uint8)] * 99, np.zeros((16, 16), np.float32)]],
            "clip 0: frame 99: .* uint8, not float32",
        ),
    ],
)
def test_what_is_no_clip_is_told(best: Path, clips: Any, words: str) -> None:
    with pytest.raises(FacesError, match=words):
        Recognizer(load_checkpoint(best)).classify_clips(clips)


def test_an_exported_clip_model_needs_no_torch(exported: Path) -> None:
    script = f"""
import sys, numpy as np, fer
model = fer.load({str(exported)!r}, threads=1)
print(model.classify_clips([np.zeros((3, 20, 20), np.uint8)]).labels)
print([name for name in ("torch", "lightning", "hydra") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]", done


def test_eight_bits_are_refused(best: Path, tmp_path: Path, capsys: Any) -> None:
    from fer.cli import main

    assert main(["export", str(best), "--to", str(tmp_path / "m.onnx"), "--int8"]) == 2
    assert "this one reads clips" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_table_of_single_faces_is_refused(exported: Path, tmp_path: Path, capsys: Any) -> None:
    """Before the folder is claimed."""
    pytest.importorskip("pyarrow")
    from fer.cli import main
    from tests.support.crops import crops, write_crops

    table = write_crops(tmp_path / "faces.parquet", crops(3))
    line = [str(table), "--to", str(tmp_path / "out"), "--model", str(exported), "--threads", "1"]
    assert main(["predict", *line]) == 2
    assert "reads clips, not the single faces of a table: fer video uses it" in (
        capsys.readouterr().err
    )
    assert not (tmp_path / "out").exists()


def test_image_models_have_no_frames() -> None:
    assert small_module().hparams["frames"] is None
