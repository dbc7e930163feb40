"""What all commands of the terminal share."""

import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Optional, Union

import typer

from gbr_dag.errors import GbrDagError

File = Annotated[
    Path, typer.Argument(help="Parquet, Feather or CSV file, told by its suffix.", exists=True, dir_okay=False)
]
Picture = Annotated[Optional[Path], typer.Option("--out", "-o", help=".svg, .png, .dot or .mmd; text without.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def split(names: Optional[list[str]]) -> list[str]:
    """Names of an option, comma-separated or repeated."""
    return [name.strip() for text in names or () for name in text.split(",") if name.strip()]


@contextmanager
def errors_on_one_line(debug: bool) -> Iterator[None]:
    """Exit 2 for what the user can mend in the call, 1 for what failed; the traceback only when asked for.

    Warnings take one line too.
    """
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning  # type: ignore[assignment]
            yield
    except (GbrDagError, OSError, MemoryError) as error:
        if debug:
            traceback.print_exc()
        text = " ".join(str(error).split()) or type(error).__name__
        typer.echo(f"gbr-dag: {text}", err=True)
        sys.exit(2 if isinstance(error, ValueError) else 1)


def _show_warning(message: Union[Warning, str], *_: Any) -> None:
    typer.echo(f"gbr-dag: warning: {' '.join(str(message).split())}", err=True)
