"""The commands: each calls one study and says where the result lies; heavy imports wait for the call."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from scorelens.cli.options import LAW, OBJECTIVE, OUTPUT, SAMPLER, SPECTRUM, TRAINING, Data, accepts

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: scorelens study. Add --debug to any command to see a traceback.",
)


def _version(wanted: bool) -> None:
    if wanted:
        from scorelens import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """What a score-based model will learn, has learned and has memorised."""


@app.command(
    epilog="Examples: scorelens study digits --steps 500 · scorelens study faces.parquet · "
    "scorelens study gaussian:dim=128 --compare edm,spectral · scorelens study digits --resume"
)
@accepts(OUTPUT, TRAINING, OBJECTIVE, SPECTRUM, SAMPLER)
def study(
    data: Data = "digits",
    compare: Annotated[
        str | None, typer.Option(help="Study several preconditioners with the same seed: edm,spectral")
    ] = None,
    **options: Any,
) -> None:
    """Forecast, train, measure, and show both side by side on one page."""
    from scorelens import studies

    if compare is None:
        _say_where(studies.study(data, **options))
    else:
        _say_where(studies.compare_preconditioners(data, compare.split(","), **options))


@app.command(
    epilog="Examples: scorelens forecast digits · scorelens forecast faces.npy --p-mean -2 --p-std 1.4 · "
    "scorelens forecast digits --law deep:3,tied · "
    "scorelens forecast digits --compare one-layer,two-layer,deep:3"
)
@accepts(OUTPUT, LAW, OBJECTIVE, SPECTRUM, SAMPLER)
def forecast(
    data: Data = "digits",
    compare: Annotated[
        str | None, typer.Option(help="Forecast by several laws, on one page: one-layer,two-layer,deep:3")
    ] = None,
    **options: Any,
) -> None:
    """What a model will learn and in which order: closed forms only, in seconds."""
    from scorelens import studies

    if compare is None:
        _say_where(studies.forecast(data, **options))
    else:
        _say_where(studies.compare_laws(data, compare, **options))


@app.command(epilog="Examples: scorelens train digits --steps 500 · scorelens train digits --resume")
@accepts(OUTPUT, TRAINING, OBJECTIVE, SPECTRUM, SAMPLER)
def train(data: Data = "digits", **options: Any) -> None:
    """Train a model with the instruments watching; `scorelens report RUN` makes the page."""
    from scorelens import studies

    run = studies.train(data, **options)
    typer.echo(f"run: {run.path}\npage: scorelens report {run.path}")


@app.command(epilog="Example: scorelens measure runs/digits digits")
@accepts(OUTPUT, SPECTRUM, SAMPLER)
def measure(
    model: Annotated[
        Path, typer.Argument(metavar="RUN|CHECKPOINT", help="A run folder or one of its checkpoints.")
    ],
    data: Annotated[str, typer.Argument(metavar="DATA", help="The data to measure it against.")],
    **options: Any,
) -> None:
    """What a trained model has learned of some data."""
    from scorelens import studies

    _say_where(studies.measure(model, data, **options))


@app.command(
    epilog="Examples: scorelens reproduce --list · scorelens reproduce exponents --out runs/exponents"
)
def reproduce(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Which figure of the theory.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write. Default: runs/reproduce-NAME, numbered if taken.")
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="List the figures.")] = False,
) -> None:
    """Redraw a figure of the theory, with what agrees with the paper and what does not."""
    from scorelens import studies

    if listed:
        typer.echo("\n".join(f"{figure.name:16}{figure.title}" for figure in studies.figures.ALL))
    elif name is None:
        raise ValueError("reproduce needs the name of a figure; scorelens reproduce --list shows them")
    else:
        _say_where(studies.reproduce(name, out=out))


@app.command(epilog="Example: scorelens report runs/digits")
def report(run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]) -> None:
    """Make the page of a run, or of a reproduced figure, again from its folder alone."""
    from scorelens.results import is_reproduction

    if is_reproduction(run):
        from scorelens import studies

        typer.echo(f"report: {studies.remake_page(run)}")
    else:
        from scorelens import report as pages

        typer.echo(f"report: {pages.build(run)}")


def _say_where(run: Any) -> None:
    typer.echo(f"run: {run.path}\nreport: {run.report_path}")
