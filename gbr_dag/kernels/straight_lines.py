"""Kernels written out line by line: names of columns, and the rotation of a row."""

from __future__ import annotations

from collections.abc import Iterator


class Names:
    """Columns of a kernel, and where a record keeps what belongs to them."""

    def __init__(self, p: int, t: int) -> None:
        self.p, self.t, self.k = p, t, p + t
        self.columns = [f"x{i}" for i in range(p)] + [f"y{i}" for i in range(t)]

    def high(self, j: int) -> str:
        """Mean of column ``j``, without its small part."""
        return f"r[{2 + j}]"

    def low(self, j: int) -> str:
        """The small part of the mean of column ``j``."""
        return f"r[{2 + self.k + j}]"

    def pivot(self, i: int) -> str:
        """Squared pivot of predictor ``i``."""
        return f"r[{self._row(i)}]"

    def unit(self, i: int, j: int) -> str:
        """Column ``j`` of the unit row of predictor ``i``."""
        return f"r[{self._row(i) + j - i}]"

    def residual(self, j: int) -> str:
        """Residual sum of squares of target ``j``."""
        return f"r[{self._row(self.p) + j}]"

    @property
    def width(self) -> int:
        """Length of a record."""
        return self._row(self.p) + self.t

    def _row(self, i: int) -> int:
        return 2 + 2 * self.k + i * self.k - i * (i - 1) // 2


def rotations(names: Names, first: int = 0) -> Iterator[str]:
    """Rotate a row of weight ``w`` into the rows from ``first`` on; its earlier columns are zero."""
    for i in range(first, names.p):
        head = names.columns[i]
        yield f"pivot = {names.pivot(i)}"
        yield f"part = w * {head}"
        yield f"new = fused(part, {head}, pivot)"
        yield "if new > 0.0:"
        yield "    c = pivot / new"  # one reciprocal for both was no faster
        yield "    s = part / new"
        yield "    w *= c"
        yield f"    {names.pivot(i)} = new"
        for j in range(i + 1, names.k):
            column, unit = names.columns[j], names.unit(i, j)
            yield f"    u = {unit}"
            yield f"    {unit} = fused(c, u, s * {column})"
            yield f"    {column} = fused(-{head}, u, {column})"
    for j, target in enumerate(names.columns[names.p :]):
        yield f"{names.residual(j)} = fused(w * {target}, {target}, {names.residual(j)})"
