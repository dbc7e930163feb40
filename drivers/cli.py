"""The command ``gbr-dag``.

Annotations are evaluated here: typer on Python 3.9 does not see options in annotations that are strings.
"""

from pathlib import Path
from typing import Annotated, Any, Optional

import typer
from rich.console import Console
from rich.table import Table

import gbr_dag
from gbr_dag.drivers import model_commands
from gbr_dag.drivers.command_line import Debug, File, Picture, errors_on_one_line, split
from gbr_dag.errors import InputError
from gbr_dag.graph import Driver

app = typer.Typer(
    help="Fit very many small models at once, and say how each number came to be.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(model_commands.app, name="model")

By = Annotated[list[str], typer.Option("--by", help="Key columns, comma-separated or repeated.")]
Target = Annotated[list[str], typer.Option("--target", help="Columns to be fitted, comma-separated or repeated.")]
On = Annotated[
    Optional[list[str]], typer.Option("--on", help="Predictors, comma-separated or repeated; none for means.")
]
Weights = Annotated[Optional[str], typer.Option(help="Column of relative inverse variances.")]
Select = Annotated[Optional[str], typer.Option(help="Rows to take, as in '(month == 1) & (dep_delay < 60)'.")]
Diagnostics = Annotated[str, typer.Option(help="Comma-separated; see the README for all of them.")]
Medians = Annotated[Optional[list[str]], typer.Option(help="Columns whose median per group is wanted.")]
MinEntries = Annotated[Optional[int], typer.Option(help="Rows that a fit needs. Default: its coefficients.")]
Fitter = Annotated[str, typer.Option(help="ols, wls (insists on weights), huber, glm or rlm.")]
Option = Annotated[
    Optional[list[str]],
    typer.Option("--option", help="Setting of the fitter, repeated: sigma_cut=5 (huber), family=poisson (glm)."),
]
Engine = Annotated[
    str,
    typer.Option(help="numba (compiled), numpy, reference (slow, obvious), loky (processes) or statsmodels."),
]
Jobs = Annotated[Optional[int], typer.Option(help="Processes of the engine loky. Default: all cores.")]
Threads = Annotated[Optional[int], typer.Option(help="Most threads of the engine numba. Default: all cores.")]
Output = Annotated[
    Optional[list[str]], typer.Option("--output", help="Outputs asked for, comma-separated or repeated.")
]
Windows = Annotated[bool, typer.Option("--windows", help="Of the graph of sliding windows.")]
Window = Annotated[
    list[str], typer.Option("--window", help="Bins to either side, comma-separated or repeated: xBin=2,yBin=1.")
]
Within = Annotated[Optional[list[str]], typer.Option("--within", help="Keys of any type that take no window.")]
Boundary = Annotated[
    Optional[list[str]],
    typer.Option("--boundary", help="truncate, symmetric, mirror or periodic; of one dimension: hour=periodic:24."),
]
Kernel = Annotated[
    Optional[list[str]],
    typer.Option("--kernel", help="uniform, gaussian, epanechnikov, linear or distance; of one dimension: x=gaussian."),
]
KernelWidth = Annotated[
    Optional[list[str]], typer.Option("--kernel-width", help="In bins; of one dimension: xBin=1.5.")
]
Bin = Annotated[
    Optional[list[str]],
    typer.Option(
        "--bin",
        help="Bins made of a column, repeated: xBin=x:2.0 (width), t=time:30min, xBin=x:2:0.5 (origin),"
        " 'xBin=x:[0,1,5]' (edges) or 'xBin=x // 2'.",
    ),
]
Statistics = Annotated[str, typer.Option(help="Of the targets, comma-separated: mean, q05, ...; '' for none.")]


def main() -> None:
    """Run the command line; exit code 0 done, 1 failed, 2 bad usage."""
    app(prog_name="gbr-dag")


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"gbr-dag {gbr_dag.__version__}")
        raise typer.Exit


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the table and the pictures.")] = Path(
        "gbr-dag-demo"
    ),
    debug: Debug = False,
) -> None:
    """Fit 336,776 real flights, per carrier, origin and month and in sliding windows, and draw what comes out."""
    from gbr_dag.drivers.demo import run_demo

    with errors_on_one_line(debug):
        run_demo(out, Console())


@app.command()
def fit(
    file: File,
    by: By,
    target: Target,
    out: Annotated[Path, typer.Option("--out", "-o", help="Parquet, Feather or CSV file to write.")],
    on: On = None,
    weights: Weights = None,
    select: Select = None,
    diagnostics: Diagnostics = "errors,rms",
    medians: Medians = None,
    min_entries: MinEntries = None,
    fitter: Fitter = "ols",
    option: Option = None,
    engine: Engine = "numba",
    threads: Threads = None,
    n_jobs: Jobs = None,
    debug: Debug = False,
) -> None:
    """Fit one regression per group and write the table."""
    from gbr_dag.drivers.files import check_suffix, read_frame, write_frame
    from gbr_dag.drivers.fitters import options_of_text
    from gbr_dag.drivers.groupby import GroupByDriver
    from gbr_dag.drivers.summary import summary

    with errors_on_one_line(debug):
        driver = GroupByDriver(engine=engine, fitter=fitter)
        check_suffix(out)
        inputs = _inputs(by, target, on, weights, select, diagnostics, medians, min_entries)
        inputs.update(threads=threads, n_jobs=n_jobs, fitter_options=options_of_text(fitter, option or ()))
        table = driver.execute(["fit_table"], {"frame": read_frame(file), **inputs})["fit_table"]
        write_frame(table, out)
        Console().print(summary(table))
        typer.echo(f"wrote {out}")


@app.command()
def window(
    file: File,
    by: By,
    window: Window,
    target: Target,
    out: Annotated[Optional[Path], typer.Option("--out", "-o", help="Parquet, Feather or CSV file to write.")] = None,
    within: Within = None,
    on: On = None,
    weights: Weights = None,
    select: Select = None,
    bins: Bin = None,
    boundary: Boundary = None,
    kernel: Kernel = None,
    kernel_width: KernelWidth = None,
    statistics: Statistics = "mean,std,median,entries",
    diagnostics: Diagnostics = "errors,rmse,r_squared",
    min_entries: Annotated[int, typer.Option(help="Rows that a fit needs.")] = 10,
    fitter: Annotated[str, typer.Option(help="ols, wls (insists on weights) or huber.")] = "ols",
    option: Annotated[
        Optional[list[str]], typer.Option("--option", help="Setting of the fitter, repeated: sigma_cut=5 (huber).")
    ] = None,
    engine: Annotated[str, typer.Option(help="numba (compiled), numpy or reference (slow, obvious).")] = "numba",
    threads: Threads = None,
    only_plan: Annotated[bool, typer.Option("--plan", help="Show what would run. Runs nothing.")] = False,
    debug: Debug = False,
) -> None:
    """Fit every bin of a grid from its own rows and those of its neighbours, and write the table."""
    from gbr_dag.drivers.files import check_suffix, read_frame, write_frame
    from gbr_dag.drivers.fitters import options_of_text
    from gbr_dag.drivers.sliding_window import SlidingWindowDriver
    from gbr_dag.drivers.summary import summary
    from gbr_dag.drivers.window_options import window_arguments

    with errors_on_one_line(debug):
        driver = SlidingWindowDriver(engine=engine, fitter=fitter)
        if out is not None:
            check_suffix(out)
        elif not only_plan:
            message = "-o is missing: name the file to write, or give --plan"
            raise InputError(message)
        inputs = _inputs(by, target, on, weights, select, diagnostics)
        del inputs["medians"]
        options = ([] if texts is None else texts for texts in (boundary, kernel, kernel_width, bins))
        inputs.update(window_arguments(inputs["by"], window, *options), within=split(within))
        inputs.update(statistics=split([statistics]), min_entries=min_entries, threads=threads)
        inputs.update(fitter_options=options_of_text(fitter, option or ()), frame=read_frame(file))
        if out is None or only_plan:
            typer.echo(str(driver.plan(["fit_table"], inputs)))
        else:
            table = driver.execute(["fit_table"], inputs)["fit_table"]
            write_frame(table, out)
            Console().print(summary(table))
            typer.echo(f"wrote {out}")


@app.command()
def plan(
    file: File,
    by: By,
    target: Target,
    on: On = None,
    weights: Weights = None,
    select: Select = None,
    diagnostics: Diagnostics = "errors,rms",
    output: Output = None,
    fitter: Fitter = "ols",
    engine: Engine = "numba",
    debug: Debug = False,
) -> None:
    """Show what would run for the outputs asked for, in order, why, and how large it gets. Runs nothing."""
    from gbr_dag.drivers.files import read_frame
    from gbr_dag.drivers.groupby import GroupByDriver

    with errors_on_one_line(debug):
        driver = GroupByDriver(engine=engine, fitter=fitter)
        inputs = _inputs(by, target, on, weights, select, diagnostics)
        typer.echo(str(driver.plan(split(output) or ["fit_table"], {"frame": read_frame(file), **inputs})))


@app.command()
def draw(
    out: Picture = None,
    output: Output = None,
    fitter: Fitter = "ols",
    engine: Engine = "numba",
    windows: Windows = False,
    debug: Debug = False,
) -> None:
    """Draw the graph behind the outputs asked for (default: the fit table)."""
    with errors_on_one_line(debug):
        text = _driver(engine, fitter, windows=windows).draw(split(output) or ["fit_table"], out)
        typer.echo(text if out is None else f"wrote {out}")


@app.command()
def outputs(engine: Engine = "numba", fitter: Fitter = "ols", windows: Windows = False, debug: Debug = False) -> None:
    """List everything that can be asked for by name."""
    with errors_on_one_line(debug):
        listed = _driver(engine, fitter, windows=windows).list_outputs()
        table = Table("output", "stage", "what it is", box=None, header_style="bold")
        for row in listed.itertuples():
            table.add_row(row.name, row.stage, row.description)
        Console().print(table)


def _driver(engine: str, fitter: str, *, windows: bool) -> Driver:
    from gbr_dag.drivers.groupby import GroupByDriver
    from gbr_dag.drivers.sliding_window import SlidingWindowDriver

    driver: Driver = (SlidingWindowDriver if windows else GroupByDriver)(engine=engine, fitter=fitter)
    return driver


def _inputs(
    by: list[str],
    target: list[str],
    on: Optional[list[str]],
    weights: Optional[str],
    select: Optional[str],
    diagnostics: str,
    medians: Optional[list[str]] = None,
    min_entries: Optional[int] = None,
) -> dict[str, Any]:
    """Arguments of ``fit_groups`` from the options."""
    return {
        "by": split(by),
        "targets": split(target),
        "predictors": split(on),
        "weights": weights,
        "selection": select,
        "diagnostics": split([diagnostics]),
        "medians": split(medians),
        "min_entries": min_entries,
    }
