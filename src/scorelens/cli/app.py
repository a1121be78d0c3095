"""The commands: each calls one study and says where the result lies; heavy imports wait for the call."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from scorelens.cli.options import (
    ESTIMATORS,
    FITTED,
    LAW,
    OBJECTIVE,
    OUTPUT,
    QUIET,
    SAMPLER,
    SPECTRUM,
    SPLIT,
    TRAINING,
    Data,
    accepts,
    numbers,
)

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


@app.command(
    epilog="Examples: scorelens measure runs/digits digits · "
    "scorelens measure runs/estimate-digits/gmm-10.safetensors digits"
)
@accepts(OUTPUT, SPECTRUM, SAMPLER)
def measure(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="RUN|CHECKPOINT|FILE",
            help="A run folder, one of its checkpoints, or an estimator's file.",
        ),
    ],
    data: Annotated[str, typer.Argument(metavar="DATA", help="The data to measure it against.")],
    **options: Any,
) -> None:
    """What a trained model, or a fitted estimator, has learned of some data."""
    from scorelens import studies

    _say_where(studies.measure(model, data, **options))


@app.command(
    epilog="Examples: scorelens check-objectives runs/digits digits · scorelens check-objectives "
    "fit.safetensors moons --sigma 0.05,0.5. Exits 1 if something is broken. Your own losses, and models of "
    "any library, are checked in Python: scorelens.objectives.check_objectives(score, data, sigma=0.5, "
    "losses={'denoising': my_loss})"
)
def check_objectives(
    model: Annotated[
        Path,
        typer.Argument(metavar="RUN|CHECKPOINT|FILE", help="A run, a checkpoint, or a file of an estimator."),
    ],
    data: Annotated[str, typer.Argument(metavar="DATA", help="Data of the model's shape.")],
    sigma: Annotated[
        str | None,
        typer.Option(help="Noise levels, as 0.05,0.5. Default: 0.1, 0.5 and 2 standard deviations."),
    ] = None,
    samples: Annotated[
        int | None, typer.Option(help="How many samples. Default: up to 4096, fewer in high dimension.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of samples and noise.")] = 0,
) -> None:
    """Verify the identities of score matching, sign and scale of a model's score, level by level.

    A model's scale holds if it is right within 10 % and 4.5 standard errors.
    """
    from scorelens import studies
    from scorelens.cli import findings

    levels = None if sigma is None else numbers("sigma", sigma)
    found = studies.check_model(model, data, sigma=levels, samples=samples, seed=seed)
    findings.show(found)
    if found.n_broken:
        raise typer.Exit(1)


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
        width = 2 + max(len(figure.name) for figure in studies.figures.ALL)
        typer.echo("\n".join(f"{figure.name:{width}}{figure.title}" for figure in studies.figures.ALL))
    elif name is None:
        raise ValueError("reproduce needs the name of a figure; scorelens reproduce --list shows them")
    else:
        _say_where(studies.reproduce(name, out=out))


@app.command(
    epilog="Examples: scorelens estimate moons · "
    "scorelens estimate digits --estimator gaussian,empirical --estimator molrg:10,rank=5 · "
    "scorelens estimate moons --estimator fourier:random=200,length=1,gmm:10"
)
@accepts(OUTPUT, ESTIMATORS, SPECTRUM, SAMPLER, QUIET)
def estimate(
    data: Data = "digits",
    listed: Annotated[bool, typer.Option("--list", help="List the estimators and their options.")] = False,
    **options: Any,
) -> None:
    """Fit score estimators without training: what each explains of the data, and what it generates."""
    from scorelens import studies

    if listed:
        typer.echo("\n".join(studies.estimator_list()))
        return
    made = studies.estimate(data, **options)
    typer.echo("\n".join(studies.estimate_table(made)))
    _say_where(made)


@app.command(
    epilog="Examples: scorelens memorization runs/digits digits · "
    "scorelens memorization samples.npy faces.parquet --features pca:50 · "
    "torchrun --nproc-per-node 2 -m scorelens memorization samples.npy faces.parquet"
)
@accepts(OUTPUT, SPECTRUM, SAMPLER)
def memorization(
    given: Annotated[
        str,
        typer.Argument(
            metavar="SAMPLES|CHECKPOINT",
            help="Samples (.npy, .npz, .parquet, a folder), or a run, a checkpoint or an estimator's file.",
        ),
    ],
    data: Annotated[str, typer.Argument(metavar="DATA", help="The data that the model was trained on.")],
    features: Annotated[
        str,
        typer.Option(
            help="Where distances are measured: pixel, pca:50 for 50 components, or "
            "FILE_OF_SAMPLES.npy,FILE_OF_DATA.npy with rows of features."
        ),
    ] = "pixel",
    generate: Annotated[int, typer.Option(help="How many samples a model generates.")] = 1024,
    **options: Any,
) -> None:
    """Whether samples are copies of training data, and whether a model knows these by heart."""
    from scorelens import studies

    found = studies.memorization(given, data, features=features, generate=generate, **options)
    if found is None:  # the first of several processes speaks
        return
    typer.echo("\n".join(found.verdict))
    _say_where(found)


@app.command(
    epilog="Examples: scorelens generalize moons --features affine,gmm:4 · "
    "scorelens generalize digits --features bumps:5 --components 2 · "
    "scorelens generalize faces.npy --samples 1000 --sigma 0.1,0.3,1"
)
@accepts(FITTED)
def generalize(
    data: Data = "moons",
    features: Annotated[
        str,
        typer.Option(
            help="Features of the score, several with commas between: affine, monomials:3, bins:6, bumps:5, "
            "fourier:2, gmm:3; --list shows all with their options."
        ),
    ] = "affine",
    sigma: Annotated[
        str | None,
        typer.Option(help="Noise levels, as 0.1,0.3,1. Default: 0.1 to 2 standard deviations of the data."),
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="List the features and their options.")] = False,
    **options: Any,
) -> None:
    """How much a score fitted to few draws varies, where, and what that does to samples."""
    from scorelens import studies
    from scorelens.analysis.named_features import feature_list

    if listed:
        typer.echo("\n".join(feature_list()))
        return
    levels = None if sigma is None else numbers("sigma", sigma)
    _say_where(studies.generalize(data, features, sigma=levels, **options))


@app.command(
    epilog="Examples: scorelens geometry runs/digits digits · "
    "scorelens geometry runs/digits digits --sigma 0.1,0.5,2 --points 8 --likelihood 16 · "
    "scorelens geometry runs/estimate-moons/gmm-10.safetensors moons"
)
@accepts(OUTPUT, SPLIT)
def geometry(
    model: Annotated[
        str,
        typer.Argument(
            metavar="RUN|CHECKPOINT|FILE",
            help="A run folder, one of its checkpoints, or an estimator's file.",
        ),
    ],
    data: Annotated[str, typer.Argument(metavar="DATA", help="Data of the model's shape.")],
    sigma: Annotated[
        str | None,
        typer.Option(help="Noise levels, as 0.1,0.5,2. Default: 0.1, 0.5 and 2 times the data's scale."),
    ] = None,
    points: Annotated[int, typer.Option(help="Held-out events that are looked at closely.")] = 4,
    modes: Annotated[
        int | None, typer.Option(help="Eigenpairs at each of them. Default: 12, or all of fewer.")
    ] = None,
    events: Annotated[int, typer.Option(help="Held-out events that the risk is averaged over.")] = 256,
    likelihood: Annotated[
        int, typer.Option(help="Also compute the likelihood of so many held-out events.")
    ] = 0,
    **options: Any,
) -> None:
    """What a denoiser keeps of noisy events, along which directions, and what it is unsure of."""
    from scorelens import studies

    levels = None if sigma is None else numbers("sigma", sigma)
    _say_where(
        studies.geometry(
            model,
            data,
            sigma=levels,
            points=points,
            modes=modes,
            events=events,
            likelihood=likelihood,
            **options,
        )
    )


@app.command(epilog="Example: scorelens report runs/digits")
def report(run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]) -> None:
    """Make the page of a run, an estimate or a reproduced figure again, from its folder alone."""
    from scorelens.cli.pages import make_page

    typer.echo(f"report: {make_page(run)}")


def _say_where(run: Any) -> None:
    typer.echo(f"run: {run.path}\nreport: {run.report_path}")
