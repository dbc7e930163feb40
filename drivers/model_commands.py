"""The commands ``gbr-dag model``: a file of features applied to a file of rows.

Annotations are evaluated here, as in :mod:`gbr_dag.drivers.cli`.
"""

import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer
from rich.console import Console
from rich.table import Table

from gbr_dag.drivers.command_line import Debug, File, Picture, errors_on_one_line, split
from gbr_dag.errors import GbrDagError, InputError

if TYPE_CHECKING:
    import pandas as pd

    from gbr_dag.drivers.features import ModelDriver

app = typer.Typer(
    help="Run, plan, draw or verify a model: a Python file of functions of rows and of groups.",
    no_args_is_help=True,
)

_SHOWN = 10
"""Groups that the summary shows."""

Features = Annotated[
    Path,
    typer.Argument(
        metavar="FEATURES.py",
        help="Python file of functions: of row level if unmarked, of group level if marked #agg or @attribute;"
        " @per_group and @per_row run one by one. Its code is run.",
        exists=True,
        dir_okay=False,
    ),
]
OptionalFile = Annotated[
    Optional[Path],
    typer.Argument(help="Parquet, Feather or CSV file to check the columns against.", exists=True, dir_okay=False),
]
Key = Annotated[list[str], typer.Option("--key", help="Key columns of the groups, comma-separated or repeated.")]
Outputs = Annotated[
    Optional[list[str]],
    typer.Option("--outputs", help="Features asked for, comma-separated or repeated. Default: all."),
]
Name = Annotated[
    Optional[str], typer.Option("--name", help="Name of the model. Default: that of FEATURES.py without suffix.")
]


@app.command()
def run(
    features: Features,
    file: File,
    key: Key,
    outputs: Annotated[
        Optional[list[str]],
        typer.Option(
            "--outputs",
            help="Features asked for, comma-separated or repeated. Default: all of the levels that are written.",
        ),
    ] = None,
    out: Annotated[
        Optional[Path],
        typer.Option("--out", "-o", help="Parquet, Feather or CSV file to write: one row a group, keys first."),
    ] = None,
    rows_out: Annotated[
        Optional[Path],
        typer.Option(
            "--rows-out", help="The same for row-level features: one row a row of FILE, in its order, keys first."
        ),
    ] = None,
    name: Name = None,
    debug: Debug = False,
) -> None:
    """Run what the outputs need, and write tables of groups, of rows, or print the first groups.

    The code of FEATURES.py is run: take no file from strangers.
    """
    import pandas as pd

    from gbr_dag.drivers.files import check_suffix, read_frame, write_frame

    with errors_on_one_line(debug):
        for named in filter(None, (out, rows_out)):
            check_suffix(named)
        driver = _driver(features, key, name)
        paths = {"group": out, "row": rows_out}
        frame, names = read_frame(file), _written(driver, split(outputs), paths)
        with _feature_named(driver):
            result = driver.execute(frame, names)
        rows: Any = None if rows_out is None else pd.concat([frame[list(driver.by)], result["rows"]], axis=1)
        for path, table in ((out, result["groups"]), (rows_out, rows)):
            if path is not None:
                write_frame(table, path)
                typer.echo(f"wrote {path}: {len(table):,} rows, {len(table.columns)} columns")
        if out is None and rows_out is None:
            _print_first(driver, result)


@app.command()
def plan(
    features: Features, file: File, key: Key, outputs: Outputs = None, name: Name = None, debug: Debug = False
) -> None:
    """Show what would run for the outputs asked for, and why. Runs the code of FEATURES.py, but no feature."""
    from gbr_dag.drivers.files import read_frame

    with errors_on_one_line(debug):
        driver = _driver(features, key, name)
        typer.echo(str(driver.plan(split(outputs) or None, read_frame(file))))


@app.command()
def draw(
    features: Features,
    key: Key,
    file: OptionalFile = None,
    outputs: Outputs = None,
    out: Picture = None,
    name: Name = None,
    debug: Debug = False,
) -> None:
    """Draw the graph behind the outputs asked for. Runs the code of FEATURES.py, but no feature."""
    from gbr_dag.drivers.files import read_frame

    with errors_on_one_line(debug):
        driver = _driver(features, key, name)
        names = split(outputs) or None
        if file is not None:
            driver.plan(names, read_frame(file))
        text = driver.draw(names, out)
        typer.echo(text if out is None else f"wrote {out}")


@app.command()
def verify(
    features: Features,
    file: File,
    key: Key,
    outputs: Outputs = None,
    sample: Annotated[int, typer.Option(help="Groups to compare, drawn at random.", min=1)] = 50,
    name: Name = None,
    debug: Debug = False,
) -> None:
    """Compare the features with a literal run, group by group; exit code 1 if they differ.

    The code of FEATURES.py is run: take no file from strangers.
    """
    from gbr_dag.drivers.files import read_frame

    with errors_on_one_line(debug):
        driver = _driver(features, key, name)
        frame = read_frame(file)
        with _feature_named(driver):
            found = driver.verify(frame, outputs=split(outputs) or None, sample=sample)
        typer.echo(str(found))
        if not found.equal:
            raise typer.Exit(1)


def _driver(features: Path, key: list[str], name: Optional[str]) -> "ModelDriver":
    """The model in a file.

    Raises
    ------
    InputError
        If the file is no Python, or its code raises.
    """
    from gbr_dag.drivers.features import ModelDriver

    driver = ModelDriver({"model_name": name or features.stem, "group_by": split(key)})
    try:
        driver.load_from_python_file(features)
    except BaseException as error:
        if not isinstance(error, Exception) or isinstance(error, (GbrDagError, MemoryError)):
            raise
        file = features.resolve()
        lines = [each.lineno for each in traceback.extract_tb(error.__traceback__) if Path(each.filename) == file]
        place = f"{features}:{lines[-1]}" if lines else str(features)
        message = f"{place} cannot be loaded: {type(error).__name__}: {error}"
        raise InputError(message) from error
    return driver


@contextmanager
def _feature_named(driver: "ModelDriver") -> Iterator[None]:
    """What a feature's function raises as an error that names the feature."""
    try:
        yield
    except BaseException as error:
        failed = _failed(driver)
        if not failed or not isinstance(error, Exception) or isinstance(error, (GbrDagError, MemoryError)):
            raise
        message = f"{failed}: {type(error).__name__}: {error}"
        raise GbrDagError(message) from error


def _failed(driver: "ModelDriver") -> str:
    """The feature that ended the last run, with its place; empty if none did."""
    report, registry = driver.report(), driver.registry
    names = report.loc[report["state"] == "failed", "node"].tolist()
    for name in names:
        if name in registry.outputs():
            return registry.yielding(name).label
        call = name.removesuffix("()")  # of several outputs
        return registry[call].label if call in registry else f"step {name!r}"
    return ""


def _written(driver: "ModelDriver", names: list[str], paths: dict[str, Optional[Path]]) -> Optional[list[str]]:
    """Outputs to ask for: those named, else those of the levels that have a file."""
    if not any(paths.values()):
        return names or None
    level_of = {output: feature.level for feature in driver.registry for output in feature.outputs}
    if not names:
        names = [output for output, level in level_of.items() if paths[level]]
    for level, option, what in (("group", "-o", "one value per group"), ("row", "--rows-out", "one value per row")):
        asked = [output for output in names if level_of.get(output) == level]
        if asked and paths[level] is None:
            message = f"output {asked[0]!r} is {what}: name a file for such with {option}, or leave it out"
            raise InputError(message)
        if paths[level] is not None and not asked:
            message = f"{option} has nothing to hold: no output asked for is {what}"
            raise InputError(message)
    return names


def _print_first(driver: "ModelDriver", result: dict[str, Any]) -> None:
    """The first groups, or the first rows where none were asked for."""
    groups, rows = result["groups"], result["rows"]
    console = Console()
    if groups is not None:
        console.print(_table(groups))
        console.print(f"{len(groups):,} groups by {', '.join(driver.by)}{_of_which(groups)}")
    if rows is not None:
        if groups is None:
            console.print(_table(rows))
        which = _of_which(rows) if groups is None else ""
        console.print(f"{len(rows):,} rows of {', '.join(rows.columns)}{which}; --rows-out writes them")


def _of_which(frame: "pd.DataFrame") -> str:
    return f", the first {_SHOWN} shown" if len(frame) > _SHOWN else ""


def _table(frame: "pd.DataFrame") -> Table:
    table = Table(*map(str, frame.columns), box=None, header_style="bold")
    for values in frame.head(_SHOWN).itertuples(index=False):
        table.add_row(*_texts(values))
    return table


def _texts(values: Iterable[Any]) -> list[str]:
    return [f"{value:.6g}" if isinstance(value, float) else str(value) for value in values]
