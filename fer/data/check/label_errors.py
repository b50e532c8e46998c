"""Find labels that are likely wrong: confident learning on out-of-fold probabilities.

A classifier gives every face probabilities without having seen it, nor an exact copy of it, in its
training: faces of ``train`` by five-fold cross-validation, those of ``val`` and ``test`` by a
classifier of ``train``. cleanlab then finds the labels that disagree more than the classifier's
usual doubt about the class explains (Northcutt, Jiang & Chuang 2021, "Confident Learning", JAIR).
The classifier is a small one, so that a check takes minutes: a logistic regression on 200 principal
components of histograms of gradients.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from fer.core.errors import UserError
from fer.data.check.report import LabelError, LabelErrors
from fer.data.source import SPLITS, DataError, Faces, Split

_FOLDS: Final = 5
_COMPONENTS: Final = 200
#: How many faces the principal components are taken of: more change nothing but the time.
_SAMPLE: Final = 10_000
_METHOD: Final = (
    "cleanlab on out-of-fold probabilities of a logistic regression on histograms of gradients; a "
    "small classifier, so look before you trust it"
)

_CELLS: Final = 8
_DIRECTIONS: Final = 9
#: What keeps a block without edges from being divided by nothing, and how far one edge may count.
_FLOOR: Final = 1e-3
_CLIP: Final = 0.2
_BATCH: Final = 1024

Folds = Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]


def check_installed() -> None:
    """Raise a ``UserError`` where cleanlab or scikit-learn is not installed."""
    missing = [name for name in ("cleanlab", "sklearn") if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"--labels needs {' and '.join(missing)}, not installed: pip install '.[labels]'"
        )


def find_label_errors(faces: Faces, pictures: Mapping[int, int]) -> LabelErrors:
    """Return the labels that are likely wrong; progress bars on standard error.

    Args:
        pictures: for each row that has exact copies, what these share.

    Raises:
        DataError: a class has too few faces in ``train``.
    """
    splits = {name: faces.splits[name] for name in SPLITS if len(faces.splits.get(name, ()))}
    if "train" not in splits:
        raise DataError(f"{faces.origin} has no faces in train, by which labels are judged")
    group = {
        name: np.array([pictures.get(row, row) for row in split.rows.tolist()], dtype=np.int64)
        for name, split in splits.items()
    }
    folds = {"train": list(_folds(faces, splits["train"].labels, group["train"]))}
    for name in splits.keys() - {"train"}:
        unseen = np.flatnonzero(~np.isin(group["train"], group[name]))
        folds[name] = [(unseen, np.arange(len(splits[name])))]
    features = _features({name: split.images for name, split in splits.items()})
    accuracy, errors = {}, list[LabelError]()
    fits = sum(map(len, folds.values()))
    with tqdm(total=fits, desc="label errors", unit=" fits", leave=False, disable=None) as bar:
        for name, split in splits.items():
            given = np.zeros((len(split), len(faces.classes)))
            for fitted, judged in folds[name]:
                model = _fit(features["train"][fitted], splits["train"].labels[fitted])
                given[np.ix_(judged, model.classes_)] = model.predict_proba(features[name][judged])
                bar.update()
            accuracy[name] = float(np.mean(given.argmax(axis=1) == split.labels))
            errors += _errors(faces.classes, name, split, given)
    return LabelErrors(_METHOD, accuracy, errors)


def _errors(
    classes: Sequence[str], name: str, split: Split, given: npt.NDArray[np.float64]
) -> list[LabelError]:
    """Return the labels of a split that its probabilities ``[N, C]`` speak against."""
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    with warnings.catch_warnings():
        # Of a class that the split hardly has, there is nothing that could be counted.
        warnings.filterwarnings("ignore", message="May not flag all label issues")
        # Only those that both of its ways of counting find.
        found = find_label_issues(split.labels, given, filter_by="both", n_jobs=1)
    likely, quality = given.argmax(axis=1), get_label_quality_scores(split.labels, given)
    wrong = np.flatnonzero(found & (likely != split.labels))
    return [
        LabelError(
            int(split.rows[i]),
            name,
            classes[split.labels[i]],
            classes[likely[i]],
            round(float(given[i, split.labels[i]]), 4),
        )
        for i in wrong[np.argsort(quality[wrong], kind="stable")].tolist()
    ]


def _features(
    images: Mapping[str, npt.NDArray[np.uint8]],
) -> dict[str, npt.NDArray[np.float32]]:
    from sklearn.decomposition import PCA

    raw = {name: histograms_of_gradients(some) for name, some in images.items()}
    train = raw["train"]
    sample = train[:: max(1, len(train) // _SAMPLE)]
    reduction = PCA(min(_COMPONENTS, *sample.shape), random_state=0).fit(sample)
    reduced = {name: reduction.transform(some) for name, some in raw.items()}
    # One scale for all, so that the strength of the penalty means the same on any data.
    scale = float(reduced["train"].std()) or 1.0
    return {name: (some / scale).astype(np.float32) for name, some in reduced.items()}


def _fit(features: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> Any:
    from sklearn.linear_model import LogisticRegression

    # Stopped where more steps move the probabilities by less than their noise.
    return LogisticRegression(max_iter=200, tol=1e-3).fit(features, labels)


def _folds(faces: Faces, labels: npt.NDArray[np.int64], group: npt.NDArray[np.int64]) -> Folds:
    """Yield training and judged positions; copies stay together, each class is spread evenly."""
    names, first, member = np.unique(group, return_index=True, return_inverse=True)
    fold = np.empty(len(names), dtype=np.int64)
    rng = np.random.default_rng(0)
    for label, name in enumerate(faces.classes):
        mine = rng.permutation(np.flatnonzero(labels[first] == label))
        if len(mine) < 2:
            raise DataError(
                f"{faces.origin}: class {name!r} has {len(mine)} different faces in train, and "
                "--labels needs at least 2 of each"
            )
        fold[mine] = np.arange(len(mine)) % _FOLDS
    fold = fold[member]
    for number in range(_FOLDS):
        judged = np.flatnonzero(fold == number)
        if len(judged):
            yield np.flatnonzero(fold != number), judged


def histograms_of_gradients(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return histograms of oriented gradients (Dalal & Triggs 2005, CVPR).

    Over 8×8 cells, nine directions of edges, weighted by their strength; each block of 2×2 cells
    scaled to length 1, clipped, side by side.

    Args:
        images: uint8 ``[N, H, W]``, at least 8×8 pixels.

    Returns:
        float32 ``[N, 1764]``.
    """
    parts = [_histograms(images[i : i + _BATCH]) for i in range(0, len(images), _BATCH)]
    return np.concatenate(parts) if parts else np.empty((0, 0), dtype=np.float32)


def _histograms(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    # The root weighs edges in the dark like those in the light.
    down, across = np.gradient(np.sqrt(images.astype(np.float32)), axis=(1, 2))
    strength = np.hypot(down, across)
    angle = (np.arctan2(down, across) % np.pi) * (_DIRECTIONS / np.pi)
    # An edge counts for both of the directions that it lies between.
    lower = np.floor(angle).astype(np.int64)
    share = angle - lower
    count, height, width = images.shape
    cell = (np.arange(height) * _CELLS // height)[:, None] * _CELLS
    cell = cell + np.arange(width) * _CELLS // width
    start = (np.arange(count)[:, None, None] * _CELLS**2 + cell) * _DIRECTIONS
    size = count * _CELLS**2 * _DIRECTIONS
    total = np.zeros(size)
    for direction, weight in ((lower, 1 - share), (lower + 1, share)):
        place = start + direction % _DIRECTIONS
        total += np.bincount(place.ravel(), (weight * strength).ravel(), size)
    cells = total.reshape(count, _CELLS, _CELLS, _DIRECTIONS).astype(np.float32)
    corners = (cells[:, :-1, :-1], cells[:, 1:, :-1], cells[:, :-1, 1:], cells[:, 1:, 1:])
    blocks = np.concatenate(corners, axis=3)
    blocks /= np.linalg.norm(blocks, axis=3, keepdims=True) + _FLOOR
    clipped: npt.NDArray[np.float32] = np.minimum(blocks, _CLIP).reshape(count, -1)
    return clipped
