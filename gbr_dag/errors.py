"""Every exception and warning class of gbr-dag."""

from __future__ import annotations


class GbrDagError(Exception):
    """Base of every error that gbr-dag raises on purpose; its text is meant for the user."""


class GraphError(GbrDagError, ValueError):
    """A graph or a request to it cannot be run: raised before any node has run."""


class UnknownNameError(GraphError):
    """A name (output, engine, override, node) that the graph does not have."""


class MissingInputError(GraphError):
    """Values that the asked outputs need were not given."""


class CycleError(GraphError):
    """Functions that need each other in a circle."""


class DuplicateNameError(GraphError):
    """Two functions that yield the same name."""


class InputError(GbrDagError, ValueError):
    """An argument breaks its rule; the text names the argument, the rule, what came and the way out."""

    def __init__(self, message: str) -> None:
        # what came may have a representation of several lines, as arrays and frames have
        super().__init__(" ".join(line.strip() for line in message.splitlines()) if "\n" in message else message)


class InvalidWindowSpec(InputError):
    """A window cannot be laid over the grid as it is described; the text says what is wrong and what would do."""


class MissingExtraError(GbrDagError, ImportError):
    """An optional library is needed; the text names the ``pip install`` that brings it."""


class WorkerError(GbrDagError, RuntimeError):
    """A process that was fitting groups died; no result is given. The text says why it may have."""


class DataWarning(UserWarning):
    """Rows or values were left out or limited; the text says how many and why."""


class PerformanceWarning(UserWarning):
    """What was asked for will take long; the text says how long and what is faster."""
