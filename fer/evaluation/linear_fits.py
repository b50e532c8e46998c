"""The conventional methods: linear classifiers, their penalty chosen on the validation split."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

Method = Literal["logistic", "linear_svm"]
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

#: By how much a fit may still change when it ends.
_TOLERANCE: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted classifier.

    Attributes:
        weights: float32 ``[F, C]``.
        bias: float32 ``[C]``.
        c: inverse strength of the penalty.
        accuracy: on the validation split.
        converged: the fit ended by itself.
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
    done: Callable[[Fit], None] = lambda _: None,
) -> list[Fit]:
    """Fit a linear classifier with each penalty.

    Features are standardised by the training split; what is returned reads them as they are.

    Args:
        method: ``logistic``: multinomial logistic regression; ``linear_svm``: one against all
            others, squared hinge loss.
        train: features float32 ``[N, F]`` and labels ``[N]``; every class has a face.
        val: the same of the validation split, by which alone penalties are compared.
        classes: how many.
        grid: inverse strengths of the L2 penalty.
        max_iter: what a fit may take.
        done: is told of each.
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
        fits.append(Fit(own.astype(np.float32), shifted.astype(np.float32), c, accuracy, converged))
        done(fits[-1])
    return fits


def _logistic(
    features: Floats, labels: Ints, classes: int, c: float, max_iter: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], bool]:
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


def _linear_svm(
    features: Floats, labels: Ints, classes: int, c: float, max_iter: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], bool]:
    """Minimise the L2-regularised squared hinge loss, one class against all others.

    That is what scikit-learn's ``LinearSVC`` minimises (Fan et al. 2008, LIBLINEAR). With as many
    dense features as here L-BFGS, which takes all classes in one matrix product, needs a fraction
    of its time. The bias is not penalised.
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
