"""Reading checkpoints: ours give the network that was trained, anything else one clear message."""

from __future__ import annotations

import dataclasses
import os
import pickle
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fer.inference import CheckpointError, load, load_checkpoint
from fer.learning.checkpoint_io import add_to_checkpoint
from tests.support.errors import raises
from tests.support.learners import small_module
from tests.support.pattern_faces import CLASSES

IMAGES = np.random.default_rng(0).integers(0, 256, (20, 48, 48), dtype=np.uint8)
MODULE = small_module()
STORED: dict[str, Any] = {
    "state_dict": MODULE.state_dict(),
    "hyper_parameters": dict(MODULE.hparams),
    "epoch": 3,
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "best.ckpt"
    torch.save(STORED, path)
    return path


def test_the_network_is_the_trained_one(path: Path) -> None:
    model = load_checkpoint(path)
    assert model.classes == CLASSES
    assert (model.size, model.fit, model.temperature, model.columns) == (48, "pad", None, None)
    assert (model.invalid, model.not_comparable) == ("", "")
    assert not model.network.training
    MODULE.eval()
    with torch.no_grad():
        expected = MODULE(torch.from_numpy(IMAGES).unsqueeze(1)).numpy()
    MODULE.train()
    found = model.logits(IMAGES)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_batches_and_threads_change_nothing(path: Path) -> None:
    model = load_checkpoint(path)
    whole = model.logits(IMAGES)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        found = model.logits(IMAGES, batch_size=3)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_allclose(found, whole, rtol=1e-4, atol=1e-5)
    assert model.logits(IMAGES[:0]).shape == (0, len(CLASSES))


def test_read_only_images_are_read(path: Path) -> None:
    images = IMAGES.copy()
    images.flags.writeable = False
    load_checkpoint(path).logits(images)


def test_what_training_adds_is_read(path: Path) -> None:
    options = {**STORED["hyper_parameters"], "fit": "stretch", "invalid": "it leaked"}
    torch.save({**STORED, "hyper_parameters": options}, path)
    add_to_checkpoint(path, temperature=1.25)
    model = load_checkpoint(path)
    assert (model.temperature, model.fit, model.invalid) == (1.25, "stretch", "it leaked")
    assert torch.load(path, weights_only=True)["epoch"] == 3
    assert [file.name for file in path.parent.iterdir()] == ["best.ckpt"]


class Code:
    """Unpickled, it leaves a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2000])


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def bare_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps(Code(path.with_name("owned"))))


def pickle_in_an_archive(path: Path) -> None:
    torch.save({**STORED, "callbacks": Code(path.with_name("owned"))}, path)


def changed(**changes: Any) -> Callable[[Path], None]:
    return lambda path: torch.save({**STORED, **changes}, path)


def described(**changes: Any) -> Callable[[Path], None]:
    return changed(hyper_parameters={**STORED["hyper_parameters"], **changes})


def part(name: str, **changes: Any) -> dict[str, Any]:
    model = deepcopy(STORED["hyper_parameters"]["model"])
    model[name].update(changes)
    return dict(model)


def nested(depth: int) -> Any:
    return {"inner": nested(depth - 1)} if depth else 0


def archived(path: Path, way: int = zipfile.ZIP_STORED, **names: str) -> None:
    with zipfile.ZipFile(path) as archive:
        entries = [(one.filename, archive.read(one)) for one in archive.infolist()]
    with zipfile.ZipFile(path, "w", way) as archive:
        for name, content in entries:
            folder, _, file = name.rpartition("/")
            archive.writestr(f"{folder}/{names.get(file, file)}", content)


def renamed(old: str, new: str) -> Callable[[Path], None]:
    return lambda path: archived(path, **{old: new})


def compressed(path: Path) -> None:
    archived(path, zipfile.ZIP_DEFLATED)


def classed(*classes: Any) -> Callable[[Path], None]:
    return described(classes=list(classes))


SPOILT: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "missing": ("no_such_file", Path.unlink),
    "empty": ("damaged_checkpoint", lambda path: path.write_bytes(b"")),
    "random": ("damaged_checkpoint", lambda path: path.write_bytes(os.urandom(5000))),
    "cut off": ("damaged_checkpoint", cut_off),
    "flipped": ("damaged_checkpoint", flipped),
    "bare pickle": ("damaged_checkpoint", bare_pickle),
    "no pickle": ("damaged_checkpoint", renamed("data.pkl", "other.pkl")),
    "compressed": ("damaged_checkpoint", compressed),
    "code": ("unsafe_checkpoint", pickle_in_an_archive),
    "module": ("unsafe_checkpoint", lambda path: torch.save(MODULE.network, path)),
    "sparse": ("unsafe_checkpoint", changed(state_dict={"network.w": torch.eye(4).to_sparse()})),
    "memory": ("unsafe_checkpoint", changed(more=bytearray(4))),
    "list": ("not_a_checkpoint", lambda path: torch.save([1, 2], path)),
    "other": ("not_a_checkpoint", lambda path: torch.save({"weights": 1}, path)),
    "no classes": ("not_a_checkpoint", described(classes=None)),
    "text": ("not_a_checkpoint", described(classes="angry")),
    "twice": ("not_a_checkpoint", classed(*CLASSES[1:], CLASSES[1])),
    "size of text": ("not_a_checkpoint", described(size="48")),
    "huge": ("not_a_checkpoint", described(size=10**9)),
    "truth": ("not_a_checkpoint", described(size=True)),
    "fit": ("not_a_checkpoint", described(fit="crop")),
    "temperature": ("not_a_checkpoint", changed(temperature="hot")),
    "no heat": ("not_a_checkpoint", changed(temperature=0.0)),
    "nan heat": ("not_a_checkpoint", changed(temperature=float("nan"))),
    "numbered weights": ("not_a_checkpoint", changed(state_dict={1: 2})),
    "clips": ("not_a_checkpoint", described(frames=4)),
    "frames": ("not_a_checkpoint", described(frames=-1)),
    "tensor": ("not_a_checkpoint", described(columns=torch.zeros(3))),
    "nested": ("not_a_checkpoint", described(model=nested(60))),
    "view": (
        "not_a_checkpoint",
        changed(state_dict={"network.w": torch.zeros(1).expand(10**5, 10**5)}),
    ),
    "other classes": ("network_not_built", classed("a", "b")),
    "function": ("network_not_built", described(model={"_target_": "os.mkdir"})),
    "unknown network": ("network_not_built", described(model={"_target_": "nope.Network"})),
    "unknown part": ("network_not_built", described(model={"_target_": "fer.nope.Network"})),
    "wide": ("network_not_built", described(model=part("lstm", units=60_000))),
    "deep": ("network_not_built", described(model=part("lstm", depth=10**9))),
    "large": ("network_not_built", described(model=part("preprocessing", resize=60_000))),
    "letters": ("network_not_built", described(model=part("backbone", widths="x"))),
}


@pytest.mark.parametrize("name", SPOILT)
def test_anything_else_is_reported_and_nothing_executed(path: Path, name: str) -> None:
    code, spoil = SPOILT[name]
    spoil(path)
    with raises(code, where="best.ckpt", kind=CheckpointError):
        load_checkpoint(path)
    assert not path.with_name("owned").exists()


def test_a_device_that_is_not_there_is_told(path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with raises("no_such_device", where="cuda"):
        load_checkpoint(path, device="cuda")


def test_reading_needs_no_lightning_or_hydra(path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from fer.inference import load_checkpoint\n"
        "assert 'torch' not in sys.modules\n"
        f"load_checkpoint(Path({str(path)!r}))\n"
        "print({'lightning', 'hydra', 'wandb', 'albumentations', 'sklearn'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout == "set()\n"


def test_damage_is_told(path: Path) -> None:
    """One flipped bit or a file cut off is an error of ours, or changes nothing."""
    rng, content, wanted = random.Random(0), path.read_bytes(), load_checkpoint(path).logits(IMAGES)
    for number in range(60):
        # The archive's list of contents, at its end, is where most can go wrong.
        place = rng.randrange(len(content) - 4000 if number % 2 else 0, len(content))
        flipped = bytearray(content)
        flipped[place] ^= 1 << rng.randrange(8)
        path.write_bytes(flipped if number % 3 else content[:place])
        try:
            found = load_checkpoint(path).logits(IMAGES)
        except CheckpointError:
            continue
        np.testing.assert_array_equal(found, wanted)


def test_code_is_imported_where_it_is_allowed_alone(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of a file is executed, and nothing that it names."""
    trace = path.with_name("trace")
    path.with_name("mine.py").write_text(
        f"import pathlib\npathlib.Path({str(trace)!r}).touch()\n"
        "from fer.models import FusionNetwork\nclass Mine(FusionNetwork): pass\n"
    )
    monkeypatch.syspath_prepend(path.parent)
    described(model={**STORED["hyper_parameters"]["model"], "_target_": "mine.Mine"})(path)
    with raises("network_not_built", where="best.ckpt"):
        load_checkpoint(path)
    with raises("network_not_built", where="best.ckpt"):
        load(path, allow=["other"])
    assert not trace.exists()
    assert load(path, allow=["mine"]).classes == CLASSES
    assert trace.exists()


def test_a_batch_takes_bounded_memory(path: Path) -> None:
    model = load_checkpoint(path)
    assert model.largest >= IMAGES[0].size
    many = dataclasses.replace(model, largest=2**28 // 3)
    sizes: list[int] = []
    many.network.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    np.testing.assert_allclose(many.logits(IMAGES), model.logits(IMAGES), atol=1e-5)
    assert max(sizes[:-1]) == 3
