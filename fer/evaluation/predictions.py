"""What a system answered for each face, beside the truth, and its file ``predictions.parquet``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from fer.errors import UserError
from fer.files import written_beside

#: The splits that a test is called by: FER2013's own name, and that of other data.
TEST_SPLITS: Final = ("PrivateTest", "test")

#: The name of the file in the folder of an evaluation.
FILE: Final = "predictions.parquet"

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class PredictionsError(UserError):
    """A file of predictions can't be judged; the message says which rows and why."""


@dataclass(frozen=True, slots=True)
class Predictions:
    """Answers for N faces and C classes, beside the truth.

    Attributes:
        classes: the class names.
        row: int64 ``[N]``, each face's 0-based place in its source (the row of ``fer2013.csv``).
        split: ``N`` names: ``Training``, ``PublicTest``, ``PrivateTest`` for FER2013, ``train``,
            ``val``, ``test`` for other data.
        label: int64 ``[N]``, the true classes, positions in ``classes``.
        answer: int64 ``[N]``, the classes answered.
        probabilities: float64 ``[N, C]``, not calibrated; None where the system gave labels alone.
        logits: float32 ``[N, C]``; None where the system is not one of ours.
    """

    classes: tuple[str, ...]
    row: Ints
    split: npt.NDArray[np.str_]
    label: Ints
    answer: Ints
    probabilities: Floats | None = None
    logits: npt.NDArray[np.float32] | None = None

    @classmethod
    def from_logits(
        cls,
        classes: Sequence[str],
        row: Ints,
        split: npt.NDArray[np.str_],
        label: Ints,
        logits: npt.NDArray[np.float32],
    ) -> Self:
        """Return a network's answers; the probabilities are the softmax of its logits."""
        p: Floats = softmax(logits.astype(np.float64), axis=1)
        return cls(tuple(classes), row, split, label, p.argmax(axis=1), p, logits)

    def __post_init__(self) -> None:
        n, shape = len(self.row), (len(self.row), len(self.classes))
        lengths = [len(self.split), len(self.label), len(self.answer)]
        tables = [t.shape for t in (self.probabilities, self.logits) if t is not None]
        if lengths != [n] * 3 or any(found != shape for found in tables):
            raise ValueError(f"{n} rows, {len(self.classes)} classes, but {lengths} and {tables}")

    def __len__(self) -> int:
        return len(self.row)

    @property
    def correct(self) -> npt.NDArray[np.bool_]:
        """Bool ``[N]``: where the answer is the label."""
        right: npt.NDArray[np.bool_] = self.answer == self.label
        return right

    def take(self, chosen: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> Self:
        """Return the answers at some positions, or where a mask is true."""
        return replace(
            self,
            row=self.row[chosen],
            split=self.split[chosen],
            label=self.label[chosen],
            answer=self.answer[chosen],
            probabilities=None if self.probabilities is None else self.probabilities[chosen],
            logits=None if self.logits is None else self.logits[chosen],
        )

    def of(self, *splits: str) -> Self:
        """Return the answers for the faces of some splits.

        Example:
            >>> rows, labels = np.arange(2), np.array([0, 1])
            >>> p = Predictions(("a", "b"), rows, np.array(["val", "test"]), labels, labels)
            >>> p.of("test").row.tolist()
            [1]
        """
        return self.take(np.isin(self.split, splits))

    def test(self) -> Self:
        """Return the answers for the test split, whatever its name."""
        return self.of(*TEST_SPLITS)


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write ``row``, ``split``, ``label`` (the truth), then ``p_CLASS`` …, then ``logit_CLASS`` ….

    What there is not is null. Where there are no probabilities, which would tell it, a last column
    ``answer`` holds the class answered.

    Raises:
        OSError: the file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    n = len(predictions)
    columns: dict[str, Any] = {
        "row": pa.array(predictions.row, pa.int64()),
        "split": pa.array(predictions.split.tolist(), pa.string()),
        "label": pa.array(predictions.label, pa.int64()),
    }
    tables: list[tuple[str, npt.NDArray[Any] | None, Any]] = [
        ("p", predictions.probabilities, pa.float64()),
        ("logit", predictions.logits, pa.float32()),
    ]
    for prefix, table, kind in tables:
        for i, name in enumerate(predictions.classes):
            values = pa.nulls(n, kind) if table is None else pa.array(table[:, i], kind)
            columns[f"{prefix}_{name}"] = values
    if predictions.probabilities is None:
        columns["answer"] = pa.array(predictions.answer, pa.int64())
    with written_beside(path) as beside:
        pq.write_table(pa.table(columns), beside)


def read_predictions(path: Path) -> Predictions:
    """Read what :func:`write_predictions` wrote.

    Args:
        path: the file, or the folder of an evaluation, or another file in that folder.

    Raises:
        PredictionsError: it is something else.
        OSError: it cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.is_dir():
        path = path / FILE
    elif path.suffix != ".parquet":
        path = path.with_name(FILE)
    if not path.is_file():
        raise PredictionsError(
            f"there is no file {path}; python -m fer.evaluate writes one, of others' answers by "
            "predictions=FILE"
        )
    try:
        table = pq.read_table(path)
    except pa.ArrowException as error:
        raise PredictionsError(f"{path} is no parquet file that can be read ({error})") from error
    names = table.column_names
    classes = tuple(name[2:] for name in names if name.startswith("p_"))
    wanted = {"row", "split", "label", *(f"logit_{name}" for name in classes)}
    if not classes or not wanted <= {*names}:
        raise PredictionsError(
            f"{path} has the columns {', '.join(names[:20])}, which are not those of an evaluation "
            "(row, split, label, p_…, logit_…)"
        )

    def matrix(prefix: str, dtype: type[np.floating[Any]]) -> npt.NDArray[Any] | None:
        parts = [table[f"{prefix}_{name}"] for name in classes]
        if any(part.null_count for part in parts):
            return None
        return np.stack([part.to_numpy() for part in parts], axis=1).astype(dtype)

    p = matrix("p", np.float64)
    if p is None and "answer" not in names:
        raise PredictionsError(f"{path} has neither probabilities nor answers")
    return Predictions(
        classes,
        table["row"].to_numpy(),
        np.array(table["split"].to_pylist(), dtype=np.str_),
        table["label"].to_numpy(),
        table["answer"].to_numpy() if p is None else p.argmax(axis=1),
        p,
        matrix("logit", np.float32),
    )
