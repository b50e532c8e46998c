"""Models of clips in use: read back, exported, asked by arrays and by films."""

from __future__ import annotations

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


FACE = np.zeros((16, 16), np.uint8)


@pytest.mark.parametrize("clips", [
    "film.mp4", np.stack([FACE] * 5), [np.stack([FACE])[:0]], [np.stack([FACE / 1, FACE])], [3],
])  # fmt: skip
def test_what_is_not_a_clip(best: Path, clips: Any) -> None:
    with raises("not_faces", kind=FacesError):
        Recognizer(load_checkpoint(best)).classify_clips(clips)


def test_frames_are_counted_as_the_caller_has_them(best: Path) -> None:
    """Though not all are read."""
    with pytest.raises(FacesError, match="clip 0: frame 99: "):
        Recognizer(load_checkpoint(best)).classify_clips([[*[FACE] * 99, FACE / 1]])


def test_eight_bits_are_refused(best: Path, tmp_path: Path, capsys: Any) -> None:
    from fer.cli import main

    assert main(["export", str(best), "--to", str(tmp_path / "m.onnx"), "--int8"]) == 2
    assert "this one reads clips" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_table_of_single_faces_is_refused(exported: Path, tmp_path: Path) -> None:
    """Before a folder is claimed."""
    from fer.inference.scoring import ScoringJob, ScoringOptions, open_table
    from tests.support.crops import crops, write_crops

    table = open_table(write_crops(tmp_path / "faces.parquet", crops(3)))
    with raises("clip_model"):
        ScoringJob(table, tmp_path / "out", str(exported), ScoringOptions(), 1).recognizer()
