"""What a system answered for each face, with the truth, and its file ``predictions.parquet``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from fer.core.errors import UserError
from fer.core.io import atomic_write

#: Names of the test split: FER2013's own, and that of other data.
TEST_SPLITS: Final = ("PrivateTest", "test")
#: How a training marks a model whose scores mean nothing, or can't be compared with others'.
MARKS: Final = ("invalid", "not_comparable")
#: The name of the file in the folder of an evaluation.
FILE: Final = "predictions.parquet"

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class PredictionsError(UserError):
    """A file of predictions can't be judged; the message says which rows and why."""


@dataclass(frozen=True, slots=True)
class Predictions:
    """Answers for N faces and C classes, with the truth.

    Attributes:
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
        return np.equal(self.answer, self.label)

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
    with atomic_write(path) as beside:
        pq.write_table(pa.table(columns), beside)


def read_predictions(path: Path) -> Predictions:
    """Read what :func:`write_predictions` wrote.

    The path is that file, the folder of an evaluation, or another file in it.
    """
    if path.is_dir():
        path = path / FILE
    elif path.suffix != ".parquet":
        path = path.with_name(FILE)
    if not path.is_file():
        raise PredictionsError(
            f"there is no file {path}; python -m fer.evaluate writes one, for the answers of other "
            "systems with predictions=FILE",
            code="file_missing",
            where=str(path),
        )
    with reading_table(path, read_parquet) as table:
        return _from_table(table, path)


@contextmanager
def reading_table(path: Path, read: Callable[[Path], Any]) -> Iterator[Any]:
    """Read a table with pyarrow, and say so where it or a cell of it can't be read.

    Raises:
        PredictionsError: it is damaged or something else, also where that shows in the block.
        OSError: the disk could not be read.
    """
    import pyarrow as pa

    try:
        yield read(path)
    except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
        # Arrow raises OSError for bytes that make no sense, too, but without a number.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise PredictionsError(
            f"{path} is not a table that can be read ({error})", code="not_a_table", where=str(path)
        ) from None


def read_parquet(path: Path) -> Any:
    """Return the ``pyarrow.Table`` of one parquet file."""
    import pyarrow.parquet as pq

    # As part of a data set, the names of its folders would be columns.
    return pq.ParquetFile(path).read()


def _from_table(table: Any, path: Path) -> Predictions:
    import pyarrow as pa
    import pyarrow.compute as pc

    names = table.column_names
    classes = tuple(name[2:] for name in names if name.startswith("p_"))
    wanted = {"row", "split", "label", *(f"logit_{name}" for name in classes)}
    if not classes or not wanted <= {*names} or len({*names}) < len(names):
        raise PredictionsError(
            f"{path} has the columns {', '.join(names[:20])}, which are not those of an evaluation "
            "(row, split, label, p_…, logit_…)",
            code="columns_missing",
            where=str(path),
        )

    def column(name: str, kind: Any) -> Any:
        try:
            return table[name].cast(kind).combine_chunks()
        except pa.ArrowException as error:
            raise PredictionsError(
                f"{path}: the column {name} can't be read as {kind} ({error})",
                code="column_type",
                where=name,
            ) from None

    def whole(name: str, below: int) -> Ints:
        cells = column(name, pa.int64())
        values: Ints = cells.fill_null(-1).to_numpy(zero_copy_only=False)
        if len(wrong := np.flatnonzero((values < 0) | (values >= below))):
            raise PredictionsError(
                f"{path}: the column {name} needs whole numbers from 0 to {below - 1:,}, and has "
                f"{cells[wrong[0]].as_py()!r}",
                code="column_value",
                where=name,
            )
        return values

    def matrix(prefix: str, kind: Any) -> npt.NDArray[Any] | None:
        parts = [column(f"{prefix}_{name}", kind) for name in classes]
        if any(part.null_count for part in parts):
            return None
        found = np.stack([part.to_numpy(zero_copy_only=False) for part in parts], axis=1)
        if not np.isfinite(found).all():
            raise PredictionsError(
                f"{path}: a column {prefix}_… has a value that is not a finite number",
                code="column_value",
                where=f"{prefix}_",
            )
        return found

    p = matrix("p", pa.float64())
    if p is None and "answer" not in names:
        raise PredictionsError(
            f"{path} has neither probabilities nor answers",
            code="columns_missing",
            where=str(path),
        )
    split = column("split", pa.string())
    return Predictions(
        classes,
        whole("row", 2**53),
        np.array(pc.fill_null(split, "").to_pylist(), dtype=np.str_),
        whole("label", len(classes)),
        whole("answer", len(classes)) if p is None else p.argmax(axis=1),
        p,
        matrix("logit", pa.float32()),
    )
