"""Corruptions are drawn by face, grow with severity, and are counted right."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from fer.data.synthetic import SyntheticFaces
from fer.evaluation.corruptions import KINDS, SEVERITIES, Images, corrupt
from fer.evaluation.corruptions import measure_robustness as measured
from tests.support.errors import raises


@pytest.fixture(scope="module")
def faces() -> Images:
    return SyntheticFaces(train=21, val=0, test=0, seed=5).load().splits["train"].images


@dataclass
class ByBrightness:
    """Answers the first class to dark faces and the second to bright ones."""

    limit: float
    classes: Sequence[str] = ("dark", "bright")
    seen: int = 0

    def logits(
        self, images: Images, metadata: npt.NDArray[np.float32] | None = None
    ) -> npt.NDArray[np.float32]:
        self.seen += len(images)
        light = images.mean(axis=(1, 2)) - self.limit
        return np.stack([-light, light], axis=1).astype(np.float32)


def distance(first: Images, second: Images) -> float:
    return float(np.abs(first.astype(float) - second).mean())


@pytest.mark.parametrize("kind", KINDS)
def test_a_corruption_grows_with_severity(kind: str, faces: Images) -> None:
    far = [distance(corrupt(faces, kind, severity), faces) for severity in SEVERITIES]
    assert far[0] > 0.5
    assert all(later > 1.08 * earlier for earlier, later in pairwise(far)), far


@pytest.mark.parametrize("kind", KINDS)
def test_a_face_is_corrupted_alike_whatever_stands_beside_it(kind: str, faces: Images) -> None:
    whole = corrupt(faces, kind, 3, seed=1)
    chosen = [7, 2, 11]
    np.testing.assert_array_equal(
        corrupt(faces[chosen], kind, 3, seed=1, indices=chosen), whole[chosen]
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_faces_given_are_left_alone(kind: str, faces: Images) -> None:
    before = faces.copy()
    frozen = faces.view()
    frozen.flags.writeable = False
    result = corrupt(frozen, kind, 5)
    np.testing.assert_array_equal(faces, before)
    assert result.dtype == np.uint8
    assert result.shape == faces.shape
    assert not np.shares_memory(result, faces)


#: What looks the same on every face, and by every seed.
FIXED = {"dark", "bright", "defocus", "jpeg", "low_resolution"}


@pytest.mark.parametrize("kind", KINDS)
def test_draws_differ_by_seed_and_by_face(kind: str, faces: Images) -> None:
    same = np.repeat(faces[:1], 12, axis=0)
    drawn = corrupt(same, kind, 3)
    versions = len(np.unique(drawn.reshape(12, -1), axis=0))
    assert (versions == 1) == (kind in FIXED)
    again = corrupt(same, kind, 3, seed=1)
    assert np.array_equal(drawn, again) == (kind in FIXED)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(16, 16), (96, 96), (24, 40)])
def test_any_size_will_do(kind: str, shape: tuple[int, int]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, *shape), dtype=np.uint8)
    for severity in SEVERITIES:
        assert corrupt(images, kind, severity).shape == images.shape


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"jpeg", "noise"}))
def test_a_severity_looks_alike_at_any_size(kind: str) -> None:
    small = SyntheticFaces(train=7, val=0, test=0, noise_free=True).load().splits["train"].images
    large = np.stack([cv2.resize(i, (144, 144), interpolation=cv2.INTER_LINEAR) for i in small])
    back = np.stack(
        [cv2.resize(i, (48, 48), interpolation=cv2.INTER_AREA) for i in corrupt(large, kind, 4)]
    )
    changed = distance(corrupt(small, kind, 4), small)
    assert distance(back, corrupt(small, kind, 4)) < 0.35 * changed


def test_the_table_is_ordered_and_leaves_nothing_out() -> None:
    families = {kind.family for kind in KINDS.values()}
    assert families == {"light", "head angle", "blur", "noise", "occlusion", "picture"}
    for kind in KINDS.values():
        steps = np.diff(kind.values)
        assert (steps > 0).all() or (steps < 0).all()


def test_light_goes_the_way_its_name_says(faces: Images) -> None:
    assert corrupt(faces, "dark", 2).mean() < faces.mean() < corrupt(faces, "bright", 2).mean()
    grey = np.full((8, 20, 20), 100, dtype=np.uint8)
    left, right = (
        corrupt(grey, "side_light", 3)[:, :, half].mean(axis=(1, 2))
        for half in (slice(10), slice(10, 20))
    )
    assert set(np.sign(left - right).tolist()) == {-1.0, 1.0}, "from either side"


def test_turning_keeps_the_middle_and_quarter_turns_are_exact() -> None:
    image = np.zeros((1, 49, 49), dtype=np.uint8)
    image[0, 24, 24] = 255
    for kind in ("rotation", "yaw", "pitch"):
        assert np.unravel_index(corrupt(image, kind, 3)[0].argmax(), (49, 49)) == (24, 24)


def test_occlusion_covers_the_share_it_says() -> None:
    black = np.zeros((40, 48, 48), dtype=np.uint8)
    for severity, share in zip(SEVERITIES, KINDS["hand"].values, strict=True):
        covered = (corrupt(black, "hand", severity) > 15).mean()
        assert covered == pytest.approx(share, rel=0.15)
    low = corrupt(black, "mask", 5)
    assert low[:, :20].max() == 0
    assert low[:, 30:46, 12:36].min() > 200


# --- measuring -----------------------------------------------------------------------------------


def test_accuracies_are_those_of_the_corrupted_faces(faces: Images) -> None:
    labels = np.arange(len(faces)) % 2
    model = ByBrightness(110.0)
    result = measured(model, faces, labels, seed=3, kinds=["dark", "noise"], progress=False)
    assert model.seen == 11 * len(faces)
    assert result["clean"] == (model.logits(faces).argmax(axis=1) == labels).mean()
    for kind, one in result["kinds"].items():
        expected = [
            (model.logits(corrupt(faces, kind, s, seed=3)).argmax(axis=1) == labels).mean()
            for s in SEVERITIES
        ]
        assert one["accuracy"] == expected
        assert one["mean"] == pytest.approx(np.mean(expected))
        assert one["values"] == list(KINDS[kind].values)
    means = [one["mean"] for one in result["kinds"].values()]
    assert result["mean"] == pytest.approx(np.mean(means))
    assert result["ratio"] == pytest.approx(result["mean"] / result["clean"])
    assert json.loads(json.dumps(result)) == result


def test_many_faces_are_corrupted_as_few(monkeypatch: pytest.MonkeyPatch, faces: Images) -> None:
    labels = np.arange(len(faces)) % 2
    whole = measured(ByBrightness(110.0), faces, labels, kinds=["hand"], progress=False)
    monkeypatch.setattr("fer.evaluation.corruptions._CHUNK", 4)
    assert measured(ByBrightness(110.0), faces, labels, kinds=["hand"], progress=False) == whole


def test_some_faces_are_spread_evenly_and_corrupted_as_among_all(faces: Images) -> None:
    labels = np.arange(len(faces)) % 2
    seen: list[Images] = []

    class Watching(ByBrightness):
        def logits(
            self, images: Images, metadata: npt.NDArray[np.float32] | None = None
        ) -> npt.NDArray[np.float32]:
            seen.append(images.copy())
            return super().logits(images, metadata)

    found = measured(Watching(120), faces, labels, kinds=["noise"], at_most=4, progress=False)
    assert found["n"] == 4
    chosen = [0, 5, 10, 15]
    np.testing.assert_array_equal(seen[0], faces[chosen])
    np.testing.assert_array_equal(seen[3], corrupt(faces, "noise", 3)[chosen])
    every = measured(Watching(120), faces, labels, kinds=["noise"], at_most=99, progress=False)
    assert every["n"] == len(faces)


def test_a_model_that_is_never_right_has_no_ratio(faces: Images) -> None:
    labels = np.zeros(len(faces), dtype=np.int64)
    result = measured(ByBrightness(-1.0), faces, labels, kinds=["dark"], progress=False)
    assert (result["clean"], result["mean"], result["ratio"]) == (0.0, 0.0, None)


def test_all_kinds_are_measured_unless_some_are_named(faces: Images) -> None:
    result = measured(ByBrightness(110.0), faces[:2], np.array([0, 1]), progress=False)
    assert list(result["kinds"]) == list(KINDS)


def test_metadata_goes_along(faces: Images) -> None:
    class NeedsAge(ByBrightness):
        def logits(
            self, images: Images, metadata: npt.NDArray[np.float32] | None = None
        ) -> npt.NDArray[np.float32]:
            assert metadata is not None
            assert len(metadata) == len(images)
            return super().logits(images)

    ages = np.ones((len(faces), 1), dtype=np.float32)
    labels = np.arange(len(faces)) % 2
    measured(NeedsAge(1.0), faces, labels, metadata=ages, kinds=["dark"], progress=False)


# --- bad arguments -------------------------------------------------------------------------------


@pytest.mark.parametrize("severity", [0, 6, -1])
def test_there_is_no_severity_beside_one_to_five(faces: Images, severity: int) -> None:
    with raises("no_such_severity"):
        corrupt(faces, "noise", severity)


def test_what_cannot_be_corrupted_is_refused(faces: Images) -> None:
    with raises("no_such_corruption"):
        corrupt(faces, "fog", 1)
    with raises("not_faces"):
        corrupt(faces / 255, "noise", 1)
    with raises("not_faces"):
        corrupt(faces[0], "noise", 1)
    with raises("shapes_differ"):
        corrupt(faces, "noise", 1, indices=[0, 1])
    with raises("seed_out_of_range"):
        corrupt(faces, "noise", 1, seed=-1)


def test_what_cannot_be_measured_is_refused(faces: Images) -> None:
    model, labels = ByBrightness(1.0), np.zeros(len(faces), dtype=np.int64)
    with raises("shapes_differ"):
        measured(model, faces, labels[1:], progress=False)
    with raises("shapes_differ"):
        measured(model, faces[:0], labels[:0], progress=False)
    with raises("label_out_of_range"):
        measured(model, faces, labels + 2, progress=False)
    with raises("no_such_corruption"):
        measured(model, faces, labels, kinds=[], progress=False)
