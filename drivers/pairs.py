"""The arrays of a node from two runs, laid beside each other and judged element by element."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
import numpy.typing as npt
import pandas as pd

from gbr_dag.drivers.agreement import Agreement, relative_difference
from gbr_dag.drivers.leaves import ONE_SIDED, Layout, Leaf, leaves
from gbr_dag.naming import coefficient_names
from gbr_dag.tables import BoolArray, FloatArray, IntArray

_FLOAT32_EPS = float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class Pair:
    """One array of both sides.

    Attributes
    ----------
    node, field : str
        Where it comes from.
    leaf : Leaf
        What it is.
    left, right : arrays of one shape
        The values.
    apart : float64 array
        Relative differences.
    counts : bool array
        Those that are too large.
    uncounted : bool array
        Those that would be, were anything promised for their fits.
    """

    node: str
    field: str
    leaf: Leaf
    left: npt.NDArray[Any]
    right: npt.NDArray[Any]
    apart: FloatArray
    counts: BoolArray
    uncounted: BoolArray

    @property
    def largest(self) -> float:
        """Largest difference, without those that cannot count."""
        return float(np.max(self.apart, initial=0.0, where=~self.uncounted))


@dataclass(frozen=True)
class Place:
    """The groups of the elements: checked inputs, keys of the bins (n_bins,), bin of every row (n_rows,)."""

    inputs: Mapping[str, Any]
    keys: pd.DataFrame
    row_bin: IntArray

    def bins(self, leaf: Leaf, first_index: IntArray) -> IntArray:
        """Bins of elements by their first index; ``len(keys)`` where they belong to none."""
        if not leaf.axis:
            return np.full(len(first_index), len(self.keys))
        bins = first_index if leaf.axis == "group" else self.row_bin[first_index]
        return np.where(bins < 0, len(self.keys), bins).astype(np.int64)

    def rows(self, leaf: Leaf, here: Sequence[int]) -> pd.DataFrame:
        """Rows of the frame behind one element: its group's, or its own if it is a row without a group."""
        if not leaf.axis:
            return self.inputs["frame"].iloc[:0]
        b = int(self.bins(leaf, np.array(here[:1]))[0])
        positions = np.flatnonzero(self.row_bin == b) if b < len(self.keys) else np.array(here[:1])
        return self.inputs["frame"].iloc[positions]

    def words(self, leaf: Leaf, here: Sequence[int]) -> list[str]:
        """Target and coefficients of an element; a table's column says them itself."""
        rest = here[1:] if leaf.axis else here
        if leaf.place or not rest:
            return []
        if not leaf.quantity or leaf.quantity == "order":
            return [f"[{', '.join(map(str, rest))}]"]
        names = coefficient_names(self.inputs["predictors"], self.inputs["intercept"])
        return [f"target {self.inputs['targets'][rest[0]]}", *(names[i] for i in rest[1:])]


def pairs_of(
    node: str,
    values: tuple[Any, Any],
    layout: Layout,
    agreement: Optional[Agreement],
    tolerance: float,
    omitted: dict[str, str],
) -> Iterator[Pair]:
    """Arrays of one node's two values; what cannot be compared goes into ``omitted`` with the reason."""
    left, right = (leaves(node, value, layout) for value in values)
    for name in {**left, **right}:
        a, b = left.get(name), right.get(name)
        if (a is not None and not a.comparable) or (b is not None and not b.comparable):
            part = name if name.startswith("['") else name.partition("[")[0]
            omitted[f"{node}.{part}".replace(".[", "[").rstrip(".")] = "every configuration has its own"
        elif _is_one_sided(a, b):
            omitted[f"{node}.{name}".replace(".[", "[")] = "only one fitter tells it"
        elif a is None or b is None or a.values.shape != b.values.shape:
            shapes = [_boxed("nothing" if leaf is None else f"shape {leaf.values.shape}") for leaf in (a, b)]
            always = np.ones((), dtype=bool)
            yield Pair(node, name, Leaf(shapes[0]), shapes[0], shapes[1], np.array(np.inf), always, ~always)
        else:
            yield _judged(node, name, a, b, agreement, tolerance)


def _is_one_sided(a: Optional[Leaf], b: Optional[Leaf]) -> bool:
    """Whether one side alone holds what not every fitter tells: nothing, or None, stands on the other."""
    quantities = {leaf.quantity for leaf in (a, b) if leaf is not None}
    absent = [leaf is None or leaf.values.shape == () for leaf in (a, b)]
    return bool(quantities & ONE_SIDED) and absent[0] != absent[1]


def _boxed(text: str) -> npt.NDArray[Any]:
    return np.array(text, dtype=object)


def _judged(node: str, name: str, a: Leaf, b: Leaf, agreement: Optional[Agreement], tolerance: float) -> Pair:
    """Relative differences of two arrays of one shape, and which of them count."""
    left, right = a.values, b.values
    if a.quantity == "order" and not np.array_equal(left, right):
        left, right = (np.unique(codes, return_inverse=True)[1].reshape(codes.shape) for codes in (left, right))
    kinds = {left.dtype.kind, right.dtype.kind}
    scale: Optional[FloatArray] = None
    limit: npt.NDArray[np.floating[Any]] = np.full(left.shape, tolerance if "f" in kinds else 0.0)
    if "f" in kinds and kinds <= set("biuf") and agreement is not None and a.axis:
        scale = agreement.scale(a, left, right)
        limit = np.broadcast_to(agreement.tolerances(a), left.shape)
    if np.float32 in {left.dtype.type, right.dtype.type}:
        limit = np.maximum(limit, _FLOAT32_EPS)
    apart = relative_difference(left, right, scale)
    uncounted = np.isnan(limit) & (apart > tolerance)
    return Pair(node, name, a, a.values, b.values, apart, apart > limit, uncounted)


def first_pair(pairs: Sequence[Pair], place: Place) -> Optional[tuple[Pair, tuple[int, ...]]]:
    """The difference in the first group of a node, in the order of its fields; None without one."""
    best, earliest = None, len(place.keys) + 1
    for pair in pairs:
        found = np.argwhere(pair.counts)
        if not len(found):
            continue
        bins = place.bins(pair.leaf, found[:, 0] if pair.counts.ndim else np.zeros(1, dtype=np.int64))
        if bins.min() < earliest:
            earliest = int(bins.min())
            best = pair, tuple(int(i) for i in found[bins.argmin()])
    return best


def largest_uncounted(pair: Pair) -> tuple[int, ...]:
    """Index of the largest difference that does not count."""
    flat = int(np.argmax(np.where(pair.uncounted, pair.apart, -1.0)))
    return tuple(int(i) for i in np.unravel_index(flat, pair.apart.shape))


def entry(pair: Pair, here: tuple[int, ...], place: Place) -> dict[str, Any]:
    """One difference as a record: node, field, group, left, right, difference."""
    b = int(place.bins(pair.leaf, np.array(here[:1] or (0,)))[0])
    sides = [array[here] for array in (pair.left, pair.right)]
    left, right = (value.item() if hasattr(value, "item") else value for value in sides)
    return {
        "node": pair.node,
        "field": ", ".join(filter(None, [pair.field, *place.words(pair.leaf, here)])),
        "group": {name: place.keys[name].iloc[b] for name in place.keys} if b < len(place.keys) else {},
        "left": left,
        "right": right,
        "difference": float(pair.apart[here]),
    }
