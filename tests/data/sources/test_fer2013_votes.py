"""The source fer2013_votes: FER2013 as it is, and targets for its training faces."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fer.config.build import build_parts
from fer.config.compose import compose
from fer.core.labels import EMOTIONS
from fer.data.datamodule import FaceDataModule
from fer.data.source import DataNotFoundError, Faces
from fer.data.sources.fer2013 import Fer2013
from fer.data.sources.fer2013_votes import Fer2013WithVotes
from fer.data.sources.manifest import write_manifest
from tests.support.errors import raises
from tests.support.fer2013_csv import make_faces, write_fer2013
from tests.support.picture_folders import write_fer2013_folders, write_picture
from tests.support.votes import write_votes

#: Votes in FER+'s order, and the distribution over the seven emotions that they come to.
CASES = (
    ([10, 0, 0, 0, 0, 0, 0, 0, 0, 0], {"neutral": 1.0}),
    ([0, 8, 2, 0, 0, 0, 0, 0, 0, 0], {"happy": 0.8, "surprise": 0.2}),
    # Contempt, unknown and no face are none of the seven.
    ([0, 0, 0, 3, 1, 0, 0, 4, 1, 1], {"sad": 0.75, "angry": 0.25}),
    ([0, 0, 0, 0, 0, 0, 0, 5, 3, 2], {}),
    ([0, 0, 0, 0, 0, 0, 0, 0, 0, 0], {}),
    # Tied, and without a name.
    ([0, 0, 0, 0, 0, 5, 5, 0, 0, 0], {"disgust": 0.5, "fear": 0.5}),
)
VOTES = [CASES[i % len(CASES)][0] for i in range(60)]


def shares_of(row: int) -> np.ndarray:
    meant = CASES[row % len(CASES)][1]
    return np.array([meant.get(name, 0.0) for name in EMOTIONS])


@pytest.fixture
def root(root: Path) -> Path:
    images, labels, usages = make_faces()
    write_fer2013(root / "fer2013.csv", images, labels, usages)
    write_votes(root / "fer2013new.csv", usages, VOTES, unnamed=(4, 5))
    return root


@pytest.fixture
def load(root: Path, tmp_path: Path) -> Callable[..., Faces]:
    cache = str(tmp_path / "cache")
    return lambda **more: Fer2013WithVotes(str(root), cache=cache, **more).load()


def assert_blended(faces: Faces, rows: np.ndarray, weight: float) -> None:
    """Each training face's target is as the formula has it; ``rows`` are those of the votes."""
    train = faces.splits["train"]
    assert train.targets is not None
    assert train.targets.dtype == np.float32
    for row, label, target in zip(rows.tolist(), train.labels, train.targets, strict=True):
        own, shares = np.eye(7)[label], shares_of(row) if row >= 0 else np.zeros(7)
        expected = (1 - weight) * own + weight * shares if shares.any() else own
        np.testing.assert_allclose(target, expected, atol=1e-6)


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_targets_lie_between_label_and_votes(load: Callable[..., Faces], weight: float) -> None:
    faces = load(votes_weight=weight)
    assert_blended(faces, faces.splits["train"].rows, weight)


def test_all_else_is_fer2013s_own(root: Path, load: Callable[..., Faces], tmp_path: Path) -> None:
    faces, own = load(), Fer2013(str(root), str(tmp_path / "cache")).load()
    assert faces.classes == own.classes == EMOTIONS
    assert faces.findings == own.findings
    for name, split in faces.splits.items():
        for what in ("images", "labels", "rows"):
            np.testing.assert_array_equal(getattr(split, what), getattr(own.splits[name], what))
        assert (split.targets is None) == (name != "train")


def test_the_fingerprint_tells_votes_and_weight(
    root: Path, load: Callable[..., Faces], tmp_path: Path
) -> None:
    own = Fer2013(str(root), str(tmp_path / "cache")).load().fingerprint
    first = load().fingerprint
    # So that a run's provenance names the extra labels.
    assert f"the votes of {root / 'fer2013new.csv'} at the weight 0.5" in load().origin
    assert first == load().fingerprint
    assert len({own, first, load(votes_weight=0.25).fingerprint}) == 3
    write_votes(root / "fer2013new.csv", make_faces()[2], VOTES[::-1])
    assert load().fingerprint != first


@pytest.mark.parametrize("weight", [-0.1, 1.1, float("nan")])
def test_another_weight_is_refused(load: Callable[..., Faces], weight: float) -> None:
    with pytest.raises(ValueError, match="votes_weight"):
        load(votes_weight=weight)


def test_pictures_are_joined_by_their_pixels(root: Path, tmp_path: Path) -> None:
    own = Fer2013(str(root), str(tmp_path / "cache")).load()
    write_manifest(own, tmp_path / "rows.csv.gz")
    write_fer2013_folders(tmp_path / "pictures", *make_faces())
    # One that the manifest does not know, which is learnt by its label alone.
    unknown = next((tmp_path / "pictures" / "train" / "happy").iterdir())
    write_picture(unknown, np.zeros((48, 48), dtype=np.uint8))
    options = {"votes": str(root / "fer2013new.csv"), "cache": str(tmp_path / "c")}
    with raises("no_manifest", "data.manifest"):
        Fer2013WithVotes(str(tmp_path / "pictures"), **options).load()  # type: ignore[arg-type]
    faces = Fer2013WithVotes(
        str(tmp_path / "pictures"), manifest=str(tmp_path / "rows.csv.gz"), **options
    ).load()  # type: ignore[arg-type]
    by_pixels = {
        image.tobytes(): row
        for split in own.splits.values()
        for image, row in zip(split.images, split.rows.tolist(), strict=True)
    }
    images = faces.splits["train"].images
    rows = np.array([by_pixels.get(image.tobytes(), -1) for image in images])
    assert (rows < 0).sum() == 1
    assert_blended(faces, rows, 0.5)


def batch_of(data: FaceDataModule, split: str) -> dict[str, object]:
    data.setup("fit")
    loader = data.train_dataloader() if split == "train" else data.val_dataloader()
    return dict(next(iter(loader)))


@pytest.mark.parametrize("resident", ["true", "false"])
def test_a_training_batch_brings_its_targets(root: Path, tmp_path: Path, resident: str) -> None:
    config = compose("train", [
        "data=fer2013_votes", f"data.root={root}", "data.votes_weight=1", "trainer=cpu",
        f"paths.cache={tmp_path / 'c'}", f"data.resident={resident}", "data.batch_size=8",
        "augmentation=none", "lstm=none", "fusion=none", "model=cnn",
        "model.backbone.widths=[4,4,4,4]",
    ])  # fmt: skip
    data = build_parts(config).data
    batch = batch_of(data, "train")
    faces = data.faces.splits["train"]
    assert faces.targets is not None
    at = {row: i for i, row in enumerate(faces.rows.tolist())}
    positions = [at[row] for row in np.asarray(batch["row"]).tolist()]
    np.testing.assert_array_equal(np.asarray(batch["target"]), faces.targets[positions])
    assert "target" not in batch_of(data, "val")


def test_the_real_votes() -> None:
    if not os.environ.get("FER_DATA_ROOT"):
        pytest.skip("FER_DATA_ROOT is not set: the real votes are not tested")
    try:
        faces = Fer2013WithVotes(votes_weight=1.0).load()
    except DataNotFoundError:
        pytest.skip("no FER2013 with FER+'s votes in FER_DATA_ROOT")
    train = faces.splits["train"]
    assert [len(split) for split in faces.splits.values()] == [28709, 3589, 3589]
    assert train.targets is not None
    np.testing.assert_allclose(train.targets.sum(axis=1), 1, rtol=1e-5)
