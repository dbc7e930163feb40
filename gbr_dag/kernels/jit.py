"""The one way in which loops are compiled."""

from collections.abc import Callable
from typing import Any, TypeVar

import numba
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, overload

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Compile a loop when it is first called, and keep the machine code on disk.

    ``nogil``: threads run kernels side by side. ``error_model="numpy"``: a division by zero is not an exception, which
    would end vectorisation and leave work half done. No ``fastmath``: the compensated means of the factors are exact
    only as long as nobody reorders their sums.
    """
    njit: Any = numba.njit
    options = {"nogil": True, "error_model": "numpy"}
    try:
        compiled: Function = njit(cache=True, **options)(function)
    except RuntimeError:  # there is no folder that numba could write to: every process compiles for itself
        compiled = njit(**options)(function)
    return compiled


def prefetch(records: Any, row: int, column: int) -> None:
    """Start loading a cache line of a table, float64 (n, width), that will be written soon; without effect in Python.

    The rows of a frame hit records at random: 10M rows into 100,000 records of 128 bytes took 0.11 s on one thread with
    it, and from 0.37 to 0.77 s without.
    """


@intrinsic
def _prefetch(_: Any, records: Any, row: Any, column: Any) -> Any:
    def written(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        place = [context.cast(builder, arguments[i], signature.args[i], types.intp) for i in (1, 2)]
        item = cgutils.get_item_pointer(context, builder, signature.args[0], array, place)
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        # for writing, into the nearest cache, data
        builder.call(function, [builder.bitcast(item, byte), word(1), word(3), word(1)])
        return context.get_dummy_value()

    return types.void(records, row, column), written


@overload(prefetch)
def _compiled_prefetch(records: Any, row: Any, column: Any) -> Any:  # noqa: ARG001
    def ahead(records: Any, row: Any, column: Any) -> Any:
        _prefetch(records, row, column)

    return ahead


def fused(a: float, b: float, c: float) -> float:
    """Give a * b + c, rounded once where the processor has an instruction for it: a tenth of the time of an update."""
    return a * b + c


@intrinsic
def _fused(_: Any, a: Any, b: Any, c: Any) -> Any:  # noqa: ARG001
    def written(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        double = ir.DoubleType()
        kind = ir.FunctionType(double, [double] * 3)
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.fmuladd.f64")
        return builder.call(function, arguments)

    return types.float64(types.float64, types.float64, types.float64), written


@overload(fused)
def _compiled_fused(a: Any, b: Any, c: Any) -> Any:  # noqa: ARG001
    def value(a: Any, b: Any, c: Any) -> Any:
        return _fused(a, b, c)

    return value
