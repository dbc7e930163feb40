"""Columns of Arrow as arrays that pandas takes without copying them, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Optional

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from gbr_dag.errors import InputError

Nulls = Literal["nan", "apart", "as in pandas"]
"""What stands for nulls: NaN in all numbers; what is apart from NaN; or what a frame of pandas would have held."""

_EXACT = 2**53
"""Integers beyond it have no float of their own."""

_ORDERED_TYPES = (
    types.is_integer,
    types.is_floating,
    types.is_boolean,
    types.is_string,
    types.is_large_string,
    types.is_string_view,
    types.is_binary,
    types.is_large_binary,
    types.is_date,
    types.is_time,
    types.is_timestamp,
    types.is_duration,
    types.is_decimal,
    types.is_null,
)


def chunked(values: Any) -> Optional[pa.ChunkedArray]:
    """An array of Arrow in one piece or several, as one in several; None if it is no array of Arrow."""
    if isinstance(values, pa.Array):
        return pa.chunked_array([values])
    return values if isinstance(values, pa.ChunkedArray) else None


def check_key(name: str, kind: pa.DataType, text: str) -> None:
    """Refuse to group by a type whose values have no order, such as lists."""
    plain = kind.value_type if types.is_dictionary(kind) else kind
    if not any(is_kind(plain) for is_kind in _ORDERED_TYPES):
        message = f"by column {name!r} is {text}, whose values cannot be hashed and ordered; make them strings"
        raise InputError(message)


def working_values(column: pa.ChunkedArray, *, nulls: Nulls, by_text: bool = False, ordered: bool = False) -> Any:
    """Values of a column (n_rows,): an array of numpy over its memory where it has the type, else one of pandas.

    Parameters
    ----------
    column : pyarrow.ChunkedArray (n_rows,)
        Several chunks are put together, which copies this column.
    nulls : {"nan", "apart", "as in pandas"}
        Numbers with nulls become floats with NaN; nullable ones; or, booleans and integers beyond 2**53 only, nullable
        ones, and text is that of which comparisons with a missing one are false.
    by_text, ordered : bool
        Categories are to be sorted by their text; are ordered, whatever Arrow says.
    """
    kind = column.type
    if types.is_dictionary(kind):
        return _categorical(column, by_text, ordered or kind.ordered)
    if types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind):
        values = _in_one_piece(column)
        return _numbers(values, nulls == "apart" or (nulls == "as in pandas" and not _has_floats(values)))
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        text = column.cast(pa.large_string())
        return _text_dtype().__from_arrow__(text) if nulls == "as in pandas" else pd.arrays.ArrowStringArray(text)
    if types.is_date(kind):  # pandas has no dates: midnights are exact, and compare with text in expressions
        column = column.cast(pa.timestamp("s" if types.is_date32(kind) else "ms"))
    if types.is_date(kind) or types.is_timestamp(kind) or types.is_duration(kind):
        return _moments(column)
    return pd.arrays.ArrowExtensionArray(column)


def is_null(column: pa.ChunkedArray) -> bool:
    """Whether a column is of the type that holds nulls alone."""
    return bool(types.is_null(column.type))


def arrow_result(result: pd.DataFrame, keys: Mapping[str, Optional[pa.Field]], *, with_dates: bool = False) -> pa.Table:
    """A pandas frame of results as a table of Arrow.

    Parameters
    ----------
    result : pandas.DataFrame
        Its numbers keep their dtypes, and NaN stays NaN; what is missing otherwise (NA, NaT, None) is null.
    keys : mapping of str to pyarrow.Field or None
        Fields that key columns had; None for Arrow's own idea of their values, without dictionaries.
    with_dates : bool
        The frame that it was made from has dates: midnights to the second, as which they came, are dates again.

    Raises
    ------
    InputError
        If Arrow has no type for a column.
    """
    fields, columns = [], []
    for name in result.columns:
        column = _key(result[name], keys[name]) if name in keys else _result_values(result[name], with_dates)
        fields.append(keys.get(name) or pa.field(name, column.type))
        columns.append(column)
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def _result_values(column: pd.Series, with_dates: bool) -> Any:
    """Values of a column that was computed."""
    if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biufc":
        return pa.array(column.to_numpy())
    try:
        values = pa.array(column.array, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        message = f"column {column.name!r} of the result cannot be handed over to Arrow ({error}); make it one type"
        raise InputError(message) from error
    if with_dates and types.is_timestamp(values.type) and values.type.unit == "s" and values.type.tz is None:
        days = pc.floor_temporal(values, unit="day")
        if pc.all(pc.equal(values, days)).as_py() is not False:
            return values.cast(pa.date32())
    return values


def _in_one_piece(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _text_dtype() -> pd.StringDtype:
    """Text as pandas 3 has it, where what is missing is NaN and equals nothing."""
    try:
        return pd.StringDtype("pyarrow", na_value=np.nan)
    except TypeError:  # pandas 2.2
        return pd.StringDtype("pyarrow_numpy")


def _has_floats(values: pa.Array) -> bool:
    """Whether there is a float for each number."""
    if types.is_boolean(values.type):
        return False
    if types.is_floating(values.type) or values.type.bit_width < 64 or not values.null_count:
        return True
    ends = pc.min_max(values).as_py()
    return ends["max"] is None or max(ends["max"], -ends["min"]) <= _EXACT


def _numbers(values: pa.Array, nullable: bool) -> Any:
    if types.is_float16(values.type):  # pandas can neither sort by these nor merge on them
        values = values.cast(pa.float32())
    if not values.null_count:
        return values.to_numpy(zero_copy_only=not types.is_boolean(values.type))
    if not nullable:
        values = values.cast(pa.uint8()) if types.is_boolean(values.type) else values
        return values.to_numpy(zero_copy_only=False)
    missing = values.is_null().to_numpy(zero_copy_only=False)
    filled = values.fill_null(pa.scalar(0).cast(values.type)).to_numpy(zero_copy_only=False).copy()
    if types.is_boolean(values.type):
        return pd.arrays.BooleanArray(filled, missing)
    return (pd.arrays.FloatingArray if filled.dtype.kind == "f" else pd.arrays.IntegerArray)(filled, missing)


def _moments(column: pa.ChunkedArray) -> Any:
    """Points in time or durations; with nulls or a time zone they are copied."""
    if column.null_count or getattr(column.type, "tz", None) is not None:
        return column.to_pandas().array
    return _in_one_piece(column).to_numpy()


def _categorical(column: pa.ChunkedArray, by_text: bool, ordered: bool) -> pd.Categorical:
    """Categories in the order of the dictionary, or of their text."""
    if any(_is_odd(chunk.dictionary) for chunk in column.chunks):
        column = column.cast(column.type.value_type).dictionary_encode()
    values = _in_one_piece(column.unify_dictionaries())
    categories = pd.Index(values.dictionary.to_pandas())
    codes = pc.fill_null(values.indices.cast(pa.int64()), -1).to_numpy()
    if by_text and not categories.is_monotonic_increasing:
        order = categories.argsort()
        places = np.empty(len(order) + 1, dtype=np.int64)
        places[order], places[-1] = np.arange(len(order)), -1  # the last one serves code -1
        categories, codes = categories[order], places[codes]
    return pd.Categorical.from_codes(codes, categories, ordered=ordered)


def _is_odd(dictionary: pa.Array) -> bool:
    """Whether a dictionary holds a null or a value twice, which Arrow allows and pandas does not."""
    return bool(dictionary.null_count) or len(dictionary.unique()) < len(dictionary)


def _key(column: pd.Series, field: Optional[pa.Field]) -> Any:
    if not isinstance(column.dtype, pd.CategoricalDtype):
        values = pa.array(column.array)
        return values if field is None else values.cast(field.type)
    kind = pa.dictionary(pa.int64(), pa.large_string()) if field is None else field.type
    values = pa.DictionaryArray.from_arrays(
        pa.array(column.cat.codes.to_numpy(), type=kind.index_type),
        pa.array(column.cat.categories, type=kind.value_type),
        ordered=kind.ordered,
    )
    return values.dictionary_decode() if field is None else values
