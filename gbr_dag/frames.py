"""Frames of other libraries: how they come in as pandas, and how results go out as they came.

Nothing but pandas is imported before a frame of another library has come.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Optional

import pandas as pd

from gbr_dag.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

    from gbr_dag.arrow_columns import Nulls

ACCEPTED = "a pandas.DataFrame, polars.DataFrame, polars.LazyFrame or pyarrow.Table"
"""What a frame may be, in the words of messages."""

NULLS_MARK = "gbr_dag_nulls"
"""In ``attrs`` of a frame made here: what is missing was null, so that comparisons with it are neither true nor false.

In a frame of the caller's own pandas NaN and NaT differ from everything, as pandas has it.
"""

_NOT_IN_ARROW = ("Int128", "Object", "UInt128")
"""Types of polars that cannot be handed over: Arrow has none like the integers, objects come out as addresses."""

_WAYS_OUT = {
    "cudf": "; convert it with .to_arrow()",
    "dask": "; load it with .compute()",
    "dask_expr": "; load it with .compute()",
    "duckdb": "; convert it with .arrow()",
    "narwhals": "; take .to_native()",
}


def library_of(frame: Any, argument: str = "frame") -> str:
    """Library that a frame is of: ``"pandas"``, ``"polars"`` or ``"pyarrow"``.

    Raises
    ------
    InputError
        If it is none of these.
    """
    if isinstance(frame, pd.DataFrame):
        return "pandas"
    home = type(frame).__module__.split(".")[0]
    if home != "narwhals":  # which warns of a frame of its own
        from narwhals import dependencies

        if dependencies.is_polars_dataframe(frame) or dependencies.is_polars_lazyframe(frame):
            return "polars"
        if dependencies.is_pyarrow_table(frame):
            return "pyarrow"
    kind = type(frame).__name__ if home == "builtins" else f"{home}.{type(frame).__name__}"
    convertible = "; convert it with .to_pandas()" if hasattr(frame, "to_pandas") else ""
    message = f"{argument} must be {ACCEPTED}, got {kind}{_WAYS_OUT.get(home, convertible)}"
    raise InputError(message)


def column_names(frame: Any, argument: str = "frame") -> Sequence[Any]:
    """Names of a frame's columns; those of pandas need not be strings, those of pyarrow not be distinct."""
    library = library_of(frame, argument)
    if library == "pandas":
        return list(frame.columns)
    return list(frame.column_names if library == "pyarrow" else frame.collect_schema().names())


def working_frame(
    frame: Any,
    names: Iterable[str],
    *,
    keys: Collection[str] = (),
    compared: Collection[str] = (),
    plain: Collection[str] = (),
) -> pd.DataFrame:
    """Some columns of a frame as a pandas frame over the same memory where numpy has the type; pandas stays itself.

    Parameters
    ----------
    frame : pandas.DataFrame, polars.DataFrame, polars.LazyFrame or pyarrow.Table (n_rows,)
        A lazy one is collected, with the named columns only.
    names : iterable of str
        Columns that are there exactly once.
    keys : collection of str
        Those that are grouped by: integers with nulls stay integers, a type without an order is refused.
    compared : collection of str
        Those that stand in an expression: nulls stay apart from NaN.
    plain : collection of str
        Those that functions of a user compute with, keys among them or not: they are what a frame of pandas would have
        held, so that functions give the same for either. Integers with nulls are floats with NaN, beyond 2**53 nullable
        ones; text lacks NaN, of which comparisons are false; booleans with nulls are nullable.

    Returns
    -------
    pandas.DataFrame (n_rows,)
        With a plain range index. Numbers in their own dtype, those with nulls as floats with NaN unless they are
        keys or compared; text, dates, times and categories in the nearest dtype of pandas. polars sorts its
        Categorical by text, and so do these; Enum and Arrow dictionaries keep the order of their categories.

    Raises
    ------
    InputError
        If a type cannot be handed over, or a key's not ordered.
    """
    if isinstance(frame, pd.DataFrame):
        return frame
    from gbr_dag import arrow_columns

    wanted = list(dict.fromkeys(names))
    known = column_names(frame)
    sorted_by_text, with_order = _polars_categories(frame, wanted)
    table = _arrow_table(frame, wanted or known[:1])
    columns = {}
    for name in wanted:
        column = table.column(name)
        if name in keys:
            arrow_columns.check_key(name, column.type, dtype_text(frame, name))
        if name in plain and name not in keys and arrow_columns.is_null(column):
            column = column.cast("float64")
        columns[name] = arrow_columns.working_values(
            column,
            nulls=_nulls_of(name, keys, compared, plain),
            by_text=name in sorted_by_text,
            ordered=name in with_order,
        )
    working = pd.DataFrame(columns, index=pd.RangeIndex(table.num_rows), copy=False)
    working.attrs[NULLS_MARK] = True
    return working


def _nulls_of(name: str, keys: Collection[str], compared: Collection[str], plain: Collection[str]) -> Nulls:
    """What stands for the nulls of a column."""
    if name in compared:
        return "apart"
    if name in plain:
        return "as in pandas"
    return "apart" if name in keys else "nan"


def working_series(values: Any) -> Optional[pd.Series]:
    """A polars Series or an Arrow array as a pandas Series with nulls kept apart; None for anything else."""
    if type(values).__module__.split(".")[0] not in {"polars", "pyarrow"}:
        return None
    from narwhals import dependencies

    from gbr_dag import arrow_columns

    array = values.to_arrow() if dependencies.is_polars_series(values) else values
    column = arrow_columns.chunked(array)
    return None if column is None else pd.Series(arrow_columns.working_values(column, nulls="apart"), copy=False)


def in_kind_of(frame: Any, result: pd.DataFrame, *, keys: Collection[str] = ()) -> Any:
    """A result in the kind of the frame that it was made from; a lazy frame gets an eager result.

    Parameters
    ----------
    frame : pandas.DataFrame, polars.DataFrame, polars.LazyFrame or pyarrow.Table
        The caller's.
    result : pandas.DataFrame
        NaN of floats stays NaN and does not become null; what is missing in other types does.
    keys : collection of str
        Columns of the result that get the type which they have in the frame.

    Returns
    -------
    pandas.DataFrame, polars.DataFrame or pyarrow.Table
        Dates, which pandas has not, are dates again where the frame has some.

    Raises
    ------
    InputError
        If a column cannot be handed over.
    """
    library = library_of(frame)
    if library == "pandas":
        return result
    from gbr_dag import arrow_columns

    result = result.copy(deep=False)
    keys = [name for name in keys if name in result]
    result.attrs = {}  # every column taken out of a frame copies these
    if library == "pyarrow":
        with_dates = any(str(kind).startswith("date32") for kind in frame.schema.types)
        fields = {name: frame.schema.field(name) for name in keys}
        return arrow_columns.arrow_result(result, fields, with_dates=with_dates)
    import narwhals as nw

    polars = nw.get_native_namespace(nw.from_native(frame))
    schema = frame.collect_schema()
    with_dates = "Date" in map(str, schema.values())
    table = polars.from_arrow(arrow_columns.arrow_result(result, dict.fromkeys(keys), with_dates=with_dates))
    return table.with_columns(polars.col(name).cast(schema[name]) for name in keys)


def dtype_text(frame: Any, name: str) -> str:
    """Type of a column as the caller's library writes it."""
    library = library_of(frame)
    if library == "pandas":
        return str(frame[name].dtype)
    return str(frame.schema.field(name).type if library == "pyarrow" else frame.collect_schema()[name])


def number_way_out(library: str) -> str:
    """How a column is made numeric, in the words of the caller's library."""
    casts = {"polars": ".cast(pl.Float64)", "pyarrow": ".cast(pa.float64())"}
    return casts.get(library, ".astype('float64') or pandas.to_numeric")


def rename_way_out(library: str) -> str:
    """How to get rid of columns that share a name."""
    return {
        "pandas": "rename them, or keep one with frame.loc[:, ~frame.columns.duplicated()]",
        "polars": "rename them with .rename",
        "pyarrow": "rename them with .rename_columns, or keep one with .select and its position",
    }[library]


def library_versions(frame: Any) -> dict[str, str]:
    """Version of the library that a frame is of, by name."""
    library = library_of(frame)
    return {} if library == "pandas" else {name: sys.modules[name].__version__ for name in ("narwhals", library)}


def _arrow_table(frame: Any, names: Sequence[str]) -> pa.Table:
    """The columns as Arrow's."""
    if library_of(frame) == "pyarrow":  # narwhals would refuse columns that share a name, asked for or not
        return frame.select([frame.column_names.index(name) for name in names])
    import narwhals as nw

    schema = frame.collect_schema()
    for name in names:
        if str(schema[name]) in _NOT_IN_ARROW:
            message = f"column {name!r} is {schema[name]}, which cannot be handed over; cast it, as in .cast(pl.Int64)"
            raise InputError(message)
    chosen = nw.from_native(frame).select(list(names))
    return (chosen.collect() if isinstance(chosen, nw.LazyFrame) else chosen).to_arrow()


def _polars_categories(frame: Any, names: Sequence[str]) -> tuple[set[str], set[str]]:
    """Columns whose categories have no order of their own, and those where it is the point; Arrow tells of both."""
    if library_of(frame) != "polars":
        return set(), set()
    schema = frame.collect_schema()
    kinds = {name: str(schema[name]).split("(")[0] for name in names}
    return {name for name in names if kinds[name] == "Categorical"}, {name for name in names if kinds[name] == "Enum"}
