"""The classic baseline: a linear classifier on histograms of oriented gradients (HOG)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from fer.core.io import atomic_write
from fer.pixels import Fit

Method = Literal["logistic", "linear_svm"]
Floats = npt.NDArray[np.float32]
Images = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Solution = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], bool]

#: By how much a fit may still change when it ends.
_TOLERANCE: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Hog:
    """Histograms of oriented gradients (Dalal & Triggs 2005), blocks normalised by L2-Hys.

    Args:
        orientations: directions that are told apart, from 0 to 180 degrees.
        cell: pixels a side of a cell, which has one histogram.
        block: cells a side of a block, which is normalised as a whole.
    """

    orientations: int = 9
    cell: int = 8
    block: int = 2

    def __call__(self, images: Images, *, bar: tqdm[Any] | None = None) -> Floats:
        """Return float32 ``[N, F]`` of uint8 faces ``[N, size, size]``."""
        from skimage.feature import hog

        found = []
        for image in images:
            found.append(
                hog(
                    image,
                    orientations=self.orientations,
                    pixels_per_cell=(self.cell, self.cell),
                    cells_per_block=(self.block, self.block),
                    block_norm="L2-Hys",
                ).astype(np.float32)
            )
            if bar is not None:
                bar.update()
        return np.stack(found)


@dataclass(frozen=True, slots=True)
class LinearModel:
    """A linear classifier; its scores are logits as those of a network are.

    Attributes:
        size: height and width of the faces that it reads, in pixels.
        fit: how pictures that are not square become so.
        weights: float32 ``[F, C]``, of the features as they are.
        bias: float32 ``[C]``.
    """

    classes: tuple[str, ...]
    size: int
    fit: Fit
    hog: Hog
    weights: Floats
    bias: Floats
    description: str = "a linear model on histograms of oriented gradients"

    @property
    def temperature(self) -> float | None:
        """None: a judgement fits it on the validation split."""
        return None

    @property
    def columns(self) -> Mapping[str, Any] | None:
        """None: it reads nothing beside the face."""
        return None

    @property
    def made(self) -> Mapping[str, Any]:
        """Empty: its run folder says how it was made."""
        return {}

    @property
    def parameters(self) -> int:
        """The numbers that it has learnt."""
        return self.weights.size + self.bias.size

    def logits(
        self,
        images: Images,
        metadata: Floats | None = None,  # noqa: ARG002 - as every model
        *,
        batch_size: int = 64,  # noqa: ARG002 - as every model
    ) -> Floats:
        """Return float32 ``[N, C]`` of uint8 ``[N, size, size]``."""
        return self.hog(images) @ self.weights + self.bias

    def answer(
        self, images: Images, metadata: Floats | None = None, *, batch_size: int = 64
    ) -> tuple[Floats, Floats]:
        """Return probabilities and logits, float32 ``[N, C]`` each."""
        logits = self.logits(images, metadata, batch_size=batch_size)
        return softmax(logits, axis=1), logits

    def save(self, path: Path) -> None:
        """Write the numbers as ``.npz``: ``weights``, ``bias``, ``classes``, ``size``, ``hog``."""
        with atomic_write(path) as beside:
            np.savez(
                beside,
                weights=self.weights,
                bias=self.bias,
                classes=np.array(self.classes),
                size=self.size,
                hog=np.array([self.hog.orientations, self.hog.cell, self.hog.block]),
            )


@dataclass(frozen=True, slots=True)
class LinearFit:
    """A fitted classifier: weights ``[F, C]``, bias ``[C]``, and its accuracy on validation.

    ``c`` is the inverse strength of the penalty.
    """

    weights: Floats
    bias: Floats
    c: float
    accuracy: float
    converged: bool


def fit_each(
    method: Method,
    train: tuple[Floats, Ints],
    val: tuple[Floats, Ints],
    classes: int,
    grid: Sequence[float],
    *,
    max_iter: int = 300,
    done: Callable[[LinearFit], None] = lambda _: None,
) -> list[LinearFit]:
    """Fit a linear classifier with each penalty.

    Features are standardised by the training split; what is returned reads them as they are.

    Args:
        method: ``logistic``: multinomial logistic regression; ``linear_svm``: one against all
            others, squared hinge loss.
        train: features float32 ``[N, F]`` and labels ``[N]``; every class has a face.
        val: the same of the validation split, by which alone penalties are compared.
        grid: inverse strengths of the L2 penalty.
    """
    scaler = StandardScaler().fit(train[0])
    features = scaler.transform(train[0])
    scale = scaler.scale_.astype(np.float64)
    solve = _logistic if method == "logistic" else _linear_svm
    fits = []
    for c in grid:
        weights, bias, converged = solve(features, train[1], classes, c, max_iter)
        # (x − mean) / scale · w + b, as one product.
        own = weights / scale[:, None]
        shifted = bias - scaler.mean_ @ own
        scores = val[0] @ own + shifted
        accuracy = float((scores.argmax(axis=1) == val[1]).mean())
        fits.append(
            LinearFit(own.astype(np.float32), shifted.astype(np.float32), c, accuracy, converged)
        )
        done(fits[-1])
    return fits


def _logistic(features: Floats, labels: Ints, classes: int, c: float, max_iter: int) -> Solution:
    model = LogisticRegression(C=c, max_iter=max_iter, tol=_TOLERANCE)
    with warnings.catch_warnings():
        # Said by the caller, in its own words.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(features, labels)
    weights, bias = model.coef_.T.astype(np.float64), model.intercept_.astype(np.float64)
    if classes == 2:
        # One score for two classes: half of it speaks for the one, half against the other.
        weights, bias = np.hstack([-weights, weights]) / 2, np.hstack([-bias, bias]) / 2
    return weights, bias, bool(model.n_iter_.max() < max_iter)


def _linear_svm(features: Floats, labels: Ints, classes: int, c: float, max_iter: int) -> Solution:
    """Minimise the L2-regularised squared hinge loss, one class against all others.

    As scikit-learn's ``LinearSVC`` (Fan et al. 2008, LIBLINEAR), in a fraction of its time; the
    bias is not penalised.
    """
    sides = np.where(labels[:, None] == np.arange(classes), 1.0, -1.0).astype(np.float32)
    width = features.shape[1]

    def objective(flat: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        table = flat.reshape(width + 1, classes)
        weights, bias = table[:-1], table[-1]
        margins = features @ weights.astype(np.float32) + bias.astype(np.float32)
        lacking = np.maximum(0.0, 1.0 - sides * margins)
        loss = 0.5 * float((weights**2).sum()) + c * float(
            np.square(lacking, dtype=np.float64).sum()
        )
        slope = -2.0 * c * sides * lacking
        gradient = np.vstack([weights + features.T @ slope, slope.sum(axis=0)])
        return loss, gradient.ravel()

    found = minimize(
        objective,
        np.zeros((width + 1) * classes),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": max_iter, "ftol": 1e-7, "gtol": _TOLERANCE},
    )
    table = found.x.reshape(width + 1, classes)
    return table[:-1], table[-1], bool(found.nit < max_iter)
