"""The conventional methods, held against scikit-learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from tqdm import tqdm

from fer.evaluation.linear_baseline import Fit, Hog, LinearModel, fit_each

N, WIDTH = 600, 12


def some_data(classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, N)
    centres = np.random.default_rng(9).normal(size=(classes, WIDTH))
    features = centres[labels] + rng.normal(scale=2.0, size=(N, WIDTH))
    # Of different scales, so that standardising them matters.
    return (features * np.arange(1, WIDTH + 1) + 5).astype(np.float32), labels


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("method", ["logistic", "linear_svm"])
def test_scores_are_those_of_scikit_learn(method: str, classes: int) -> None:
    train, val = some_data(classes), some_data(classes, seed=1)
    c = 0.05
    (found,) = fit_each(method, train, val, classes, [c], max_iter=2000)  # type: ignore[arg-type]
    model = (
        LogisticRegression(C=c, tol=1e-6, max_iter=2000)
        if method == "logistic"
        # Its bias is penalised, less so the larger this is.
        else LinearSVC(C=c, tol=1e-6, intercept_scaling=100.0, dual=False, max_iter=10_000)
    )
    theirs = make_pipeline(StandardScaler(), model).fit(*train)
    scores = val[0] @ found.weights + found.bias
    expected = theirs.decision_function(val[0])
    if classes == 2:
        np.testing.assert_allclose(
            scores[:, 1] - scores[:, 0],
            expected * (1 if method == "logistic" else 2),
            atol=0.02,
        )
    else:
        # Logits of a softmax may all be moved alike.
        off = scores.mean(axis=1, keepdims=True) - expected.mean(axis=1, keepdims=True)
        np.testing.assert_allclose(
            scores - (off if method == "logistic" else 0), expected, atol=0.05
        )
    assert found.accuracy == pytest.approx(theirs.score(*val), abs=0.005)
    assert found.converged


def test_each_penalty_is_fitted_and_told() -> None:
    train, val = some_data(3), some_data(3, seed=1)
    told: list[Fit] = []
    fits = fit_each("linear_svm", train, val, 3, [1e-6, 0.01, 1.0], done=told.append)
    assert [one.c for one in fits] == [1e-6, 0.01, 1.0]
    assert told == fits
    sizes = [float(np.abs(one.weights).sum()) for one in fits]
    assert sizes == sorted(sizes), "a weaker penalty lets weights grow"


@pytest.mark.parametrize("method", ["logistic", "linear_svm"])
def test_a_fit_that_was_broken_off_says_so(method: str) -> None:
    train, val = some_data(3), some_data(3, seed=1)
    (found,) = fit_each(method, train, val, 3, [1.0], max_iter=2)  # type: ignore[arg-type]
    assert not found.converged


def test_histograms_have_one_entry_a_direction_cell_and_block() -> None:
    faces = np.random.default_rng(0).integers(0, 256, (3, 48, 48), dtype=np.uint8)
    with tqdm(total=3, disable=None) as bar:
        found = Hog(orientations=9, cell=8, block=2)(faces, bar=bar)
    assert found.shape == (3, 5 * 5 * 2 * 2 * 9)
    assert found.dtype == np.float32
    # A block's length is one at most (L2-Hys).
    assert np.linalg.norm(found.reshape(3, 25, 36), axis=2).max() < 1.001


def test_histograms_see_edges_and_not_brightness() -> None:
    face = np.zeros((1, 48, 48), dtype=np.uint8)
    face[:, :, 24:] = 100
    brighter = face + 100
    seen, of_brighter, turned = (Hog()(x) for x in (face, brighter, face.transpose(0, 2, 1)))
    np.testing.assert_allclose(seen, of_brighter, atol=1e-6)
    assert np.abs(seen - turned).max() > 0.1


def test_a_linear_model_answers_and_is_saved(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(900, 3)).astype(np.float32)
    bias = rng.normal(size=3).astype(np.float32)
    model = LinearModel(("a", "b", "c"), 48, "pad", Hog(), weights, bias)
    faces = rng.integers(0, 256, (4, 48, 48), dtype=np.uint8)
    p, logits = model.answer(faces)
    np.testing.assert_allclose(logits, model.hog(faces) @ weights + bias)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-6)
    assert model.parameters == 2703
    model.save(tmp_path / "weights.npz")
    with np.load(tmp_path / "weights.npz", allow_pickle=False) as kept:
        np.testing.assert_array_equal(kept["weights"], weights)
        assert kept["classes"].tolist() == ["a", "b", "c"]
        assert (int(kept["size"]), kept["hog"].tolist()) == (48, [9, 8, 2])
