"""Which of some belongs to which of others, so that the sum is the largest."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def assign(gain: npt.NDArray[np.float64], *, least: float) -> list[tuple[int, int]]:
    """Return the pairs of the assignment whose gains sum to the most.

    Exact (Hungarian method, by shortest augmenting paths; Kuhn 1955, Jonker & Volgenant 1987) and
    of its own, since SciPy's weighs more than all else that the plain install brings. Pairs that
    nobody else competes for, nearly all where faces lie apart, are not searched.

    Args:
        gain: ``[N, M]``, what each pair brings.
        least: pairs that bring less are not made.

    Returns:
        Row and column of each pair, by row.

    Example:
        >>> assign(np.array([[0.5, 0.6], [0.0, 0.5]]), least=0.1)
        [(0, 0), (1, 1)]
    """
    allowed = np.where(gain >= least, gain, 0.0)
    allowed[allowed < 0] = 0.0
    is_pair = gain >= least
    alone = is_pair & (is_pair.sum(axis=1, keepdims=True) == 1) & (is_pair.sum(axis=0) == 1)
    pairs = [(int(row), int(column)) for row, column in np.argwhere(alone)]
    rows = np.flatnonzero(is_pair.any(axis=1) & ~alone.any(axis=1))
    columns = np.flatnonzero(is_pair.any(axis=0) & ~alone.any(axis=0))
    if len(rows) and len(columns):
        # Columns of no gain stand for a row that stays alone.
        cost = np.hstack([-allowed[np.ix_(rows, columns)], np.zeros((len(rows), len(rows)))])
        for row, column in enumerate(_cheapest(cost)):
            if column < len(columns) and is_pair[rows[row], columns[column]]:
                pairs.append((int(rows[row]), int(columns[column])))
    return sorted(pairs)


def _cheapest(cost: npt.NDArray[np.float64]) -> list[int]:
    """Return the column of each row so that the costs ``[N, M]``, N ≤ M, sum to the least.

    Rows are added one by one. Prices make every cost at least zero with equality along the pairs,
    so that the cheapest way to a free column is a shortest path (Dijkstra) from the new row.
    """
    n, m = cost.shape
    row_price, column_price = np.zeros(n), np.zeros(m)
    row_of = np.full(m, -1)
    for new in range(n):
        distance = np.full(m, np.inf)
        before = np.full(m, -1)
        done = np.zeros(m, dtype=bool)
        row, reached, last = new, 0.0, -1
        while True:
            # What the columns cost over the row that was reached last.
            over = reached + cost[row] - row_price[row] - column_price
            better = ~done & (over < distance)
            distance[better], before[better] = over[better], last
            last = int(np.argmin(np.where(done, np.inf, distance)))
            reached = float(distance[last])
            done[last] = True
            if row_of[last] < 0:
                break
            row = int(row_of[last])
        # Prices move so that the path found is free of cost.
        passed = done.copy()
        passed[last] = False
        row_price[new] += reached
        row_price[row_of[passed]] += reached - distance[passed]
        column_price[passed] -= reached - distance[passed]
        # Along the path every column goes to the row before it.
        while last >= 0:
            previous = int(before[last])
            row_of[last] = new if previous < 0 else row_of[previous]
            last = previous
    columns = [-1] * n
    for column, row in enumerate(row_of.tolist()):
        if row >= 0:
            columns[row] = column
    return columns
