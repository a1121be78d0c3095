"""Mixtures of low-rank Gaussians: subspaces are learned once each holds as many samples as dimensions."""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np
import xarray as xr
from scipy import stats

from scorelens.plots.low_rank_mixtures import generated_on_subspaces, missed_subspaces, ranks_over_sigma
from scorelens.report.panel import Panel, Section
from scorelens.report.reproduction import Claim, Findings
from scorelens.report.table import Table
from scorelens.studies.figures.figure_study import Data, FigureStudy
from scorelens.studies.low_rank_mixtures.recovery import expected_missed_share
from scorelens.studies.low_rank_mixtures.transition import (
    COMPONENTS,
    MIXTURE,
    NETWORK,
    Budget,
    transition,
)

CONFIDENCE = 0.95
FORMULA = "1 − n/d"
EXACT = 1e-6
"""A missed share below this is rounding."""
LEARNED = 0.1
"""A missed share below this counts as learned by a network."""
OFF, COPIES = "off the subspaces", "copies of training points"
SHOWN_RANKS = ("participation", "trace")


@final
class Molrg(FigureStudy):
    """The transition of low-rank mixtures (wang2024molrg) in closed form, by EM and with small networks."""

    name = "molrg"
    title = "Subspaces and how many samples they take"
    claim = Claim(
        "Diffusion models of mixtures of low-rank Gaussians learn the subspaces once the samples on each "
        "reach its dimension, however large the ambient space is",
        "abstract, the analysis of sample complexity, and its experiments on planted mixtures",
        "geometry [P14] to [P20]",
        source="Wang et al. 2024; checked against its statements, its proofs were not consulted",
        citation=(
            "The transition",
            "P. Wang, H. Zhang, Z. Zhang, S. Chen, Y. Ma and Q. Qu, Diffusion models learn low-dimensional "
            "distributions via subspace clustering, 2024, arXiv:2409.02426",
        ),
        computed=(
            "Subspaces, training sets, initial weights and batches follow from fixed seeds; intervals are "
            "Student's over them."
        ),
    )
    budget: ClassVar[Budget] = Budget()

    def compute(self) -> dict[str, xr.Dataset]:
        return transition(self.budget)

    def findings(self, data: Data) -> Findings:
        missed, networks = data["missed"], data["networks"]
        one, several = _trained(missed)[0], _trained(missed)[-1]
        return Findings(
            (_formula(missed), _orthogonal(missed), _network(one), _plateau(networks)),
            (_not_identified(missed), _not_sharp(one), _several(several), _no_plateau(networks)),
            (_samples(networks), _distance(networks)),
        )

    def sections(self, data: Data) -> tuple[Section, ...]:
        lead = (
            "Subspaces of dimension d in a larger space, a standard Gaussian on each, n samples on each, no "
            "noise. Missed is 1 − |U*ᵀU|²/d, the mean over subspaces: 0 if all is found, 1 if nothing is. EM "
            "and networks see all samples in one heap; principal components are told which samples belong "
            "together."
        )
        return (
            Section(
                "transition",
                "Transition",
                "How many samples subspaces take",
                lead,
                (_missed_panel(data["missed"]), _generated_panel(data["networks"])),
            ),
            Section(
                "rank",
                "Rank",
                "Rank of the Jacobian over noise",
                "Where one subspace owns the point, the optimum keeps its d directions by 1/(1 + σ²) and "
                "none across: every rank free of scale is d, the trace d/(1 + σ²).",
                (_rank_panel(data["networks"]),),
            ),
        )


def _missed_panel(missed: xr.Dataset) -> Panel:
    caption = (
        "Share of the planted subspaces that is missed, mean over seeds with its 95% interval. Principal "
        "components are the best low-rank denoiser, with min(n, d) directions; EM fits the low-rank "
        "mixture; a network's subspace is that of the d leading eigenvectors of its mean Jacobian near "
        "unseen points of the planted one. Dotted: as many samples as dimensions."
    )
    figure = missed_subspaces(_missed_summary(missed), FORMULA)
    return Panel("missed", "Subspaces missed", caption, figure, _missed_table(missed))


def _generated_panel(networks: xr.Dataset) -> Panel:
    caption = (
        "Samples of the networks: share of their square norm off the nearest planted subspace, and share "
        "whose nearest training point is within a third of the distance to the second nearest."
    )
    figure = generated_on_subspaces(_generated_summary(networks))
    return Panel("generated", "What networks generate", caption, figure, _generated_table(networks))


def _rank_panel(networks: xr.Dataset) -> Panel:
    caption = (
        "Effective ranks [P20] of the Jacobian at noised unseen points: of the optimal denoiser of the "
        "planted law [P18] (dashed), and of networks by samples on each subspace, with 95% intervals. "
        "Dotted: the dimension of a subspace."
    )
    figure = ranks_over_sigma(_rank_summary(networks))
    return Panel("ranks", "Rank of the Jacobian", caption, figure, _rank_table(networks))


def _summary(values: xr.DataArray) -> xr.Dataset:
    """``mean`` over seeds and ``half_width`` of its Student interval; NaN are seeds that were not asked."""
    n = values.notnull().sum("seed")
    mean = values.mean("seed")
    spread = np.sqrt(((values - mean) ** 2).sum("seed") / (n - 1).clip(min=1))
    quantile = xr.apply_ufunc(lambda k: stats.t.ppf(0.5 + CONFIDENCE / 2, np.maximum(k - 1, 1)), n)
    half = (quantile * spread / np.sqrt(n.clip(min=1))).where(n > 1)
    return xr.Dataset({"mean": mean, "half_width": half})


def _told(values: xr.DataArray, digits: int = 2) -> str:
    """Mean over seeds and half its interval.

    >>> _told(xr.DataArray([0.1, 0.2, 0.3], dims="seed"))
    '0.20 ± 0.25'
    """
    found = _summary(values)
    mean, half = round(float(found["mean"]), digits) + 0.0, float(found["half_width"])
    return "–" if np.isnan(mean) else f"{mean:.{digits}f} ± {half:.{digits}f}"


def _missed_summary(missed: xr.Dataset) -> xr.Dataset:
    expected = expected_missed_share(missed["samples_per_dimension"].values)
    return _summary(missed["missed"]).assign(expected=("samples_per_dimension", expected))


def _generated_summary(networks: xr.Dataset) -> xr.Dataset:
    parts = xr.concat([networks["off"], networks["copies"]], dim="part")
    return _summary(parts).assign_coords(part=[OFF, COPIES])


def _rank_summary(networks: xr.Dataset) -> xr.Dataset:
    shown = networks.sel(rank=list(SHOWN_RANKS), samples_per_dimension=_some(networks))
    exact = networks["exact_ranks"].sel(rank=list(SHOWN_RANKS)).mean(["seed", "samples_per_dimension"])
    return _summary(shown["ranks"]).assign(exact=exact, dim=networks["dim"])


def _some(networks: xr.Dataset) -> list[float]:
    """Ratios of which ranks are shown: as many samples as dimensions, four times as many, and the most."""
    ratios = networks["samples_per_dimension"].values
    near = [float(ratios[np.abs(np.log(ratios / wanted)).argmin()]) for wanted in (1.0, 4.0)]
    return list(dict.fromkeys([*near, float(ratios[-1])]))


def _missed_table(missed: xr.Dataset) -> Table:
    ratios = missed["samples_per_dimension"].values
    rows = []
    for case in missed["case"].values.tolist():
        for estimator in missed["estimator"].values.tolist():
            line = missed["missed"].sel(case=case, estimator=estimator)
            if bool(line.notnull().any()):
                rows.append(
                    (
                        case,
                        estimator,
                        *(_told(line.isel(samples_per_dimension=i)) for i in range(len(ratios))),
                    )
                )
    header = ("planted", "found by", *(f"n/d {ratio:g}" for ratio in ratios))
    note = f"Mean over seeds ± half its {CONFIDENCE:.0%} interval (Student)."
    return Table("Share of the subspaces missed", header, tuple(rows), note)


def _generated_table(networks: xr.Dataset) -> Table:
    rows = []
    for case in networks["case"].values.tolist():
        for name, label in (("off", OFF), ("copies", COPIES)):
            line = networks[name].sel(case=case)
            told = (
                _told(line.sel(samples_per_dimension=r)) for r in networks["samples_per_dimension"].values
            )
            rows.append((case, label, *told))
    header = (
        "planted",
        "share of samples",
        *(f"n/d {r:g}" for r in networks["samples_per_dimension"].values),
    )
    return Table("Samples of the networks", header, tuple(rows))


def _rank_table(networks: xr.Dataset) -> Table:
    sigmas = networks["sigma"].values
    exact = networks["exact_ranks"].mean(["seed", "samples_per_dimension"])
    rows = []
    for case in networks["case"].values.tolist():
        for rank in networks["rank"].values.tolist():
            best = exact.sel(case=case, rank=rank).values
            rows.append((case, rank, "optimum", *(f"{value:.2f}" for value in best)))
            for ratio in _some(networks):
                line = networks["ranks"].sel(case=case, rank=rank, samples_per_dimension=ratio)
                told = (_told(line.sel(sigma=sigma)) for sigma in sigmas)
                rows.append((case, rank, f"network, n/d {ratio:g}", *told))
    header = ("planted", "rank", "denoiser", *(f"σ {sigma:g}" for sigma in sigmas))
    return Table("Effective ranks of the Jacobian", header, tuple(rows))


def _trained(missed: xr.Dataset) -> list[xr.DataArray]:
    """``missed (samples_per_dimension, seed)`` of networks, for every case that has them."""
    lines = missed["missed"].sel(estimator=NETWORK)
    return [line.dropna("samples_per_dimension", how="all") for line in lines if bool(line.notnull().any())]


def _formula(missed: xr.Dataset) -> str:
    found = missed["missed"].sel(estimator=COMPONENTS)
    expected = xr.DataArray(
        expected_missed_share(found["samples_per_dimension"].values), dims="samples_per_dimension"
    )
    off = float(np.abs(found - expected).max())
    return (
        f"of one subspace, or of several told apart, principal components miss {FORMULA} until n reaches d "
        f"and nothing from there on: within {off:.0e} in all {int(found.notnull().sum())} fits, ambient "
        f"spaces of {_span_of_ambient(missed)}."
    )


def _span_of_ambient(missed: xr.Dataset) -> str:
    sizes = [int(case.rsplit(" ", 1)[1]) for case in missed["case"].values.tolist()]
    return f"{min(sizes)} to {max(sizes)} dimensions"


def _of_kind(missed: xr.Dataset, kind: str) -> xr.DataArray:
    """EM's misses of the cases whose name holds ``kind``."""
    cases = [case for case in missed["case"].values.tolist() if kind in case]
    return missed["missed"].sel(case=cases, estimator=MIXTURE)


def _exact_share(values: xr.DataArray) -> str:
    asked, exact = int(values.notnull().sum()), int((values < EXACT).sum())
    return f"{exact} of {asked} fits"


def _orthogonal(missed: xr.Dataset) -> str:
    found = _of_kind(missed, "orthogonal")
    at, beyond = found.sel(samples_per_dimension=1.0), found.where(found["samples_per_dimension"] > 1)
    return (
        "the low-rank mixture, fitted by EM to all samples in one heap, makes the same transition where "
        f"subspaces are orthogonal: exact in {_exact_share(at)} at n = d and in {_exact_share(beyond)} "
        "beyond."
    )


def _not_identified(missed: xr.Dataset) -> str:
    found = _of_kind(missed, "drawn")
    at, beyond = found.sel(samples_per_dimension=1.0), found.where(found["samples_per_dimension"] > 1)
    return (
        "where subspaces are not orthogonal, n = d samples on each do not tell them apart: any d samples "
        f"span a subspace of dimension d. EM is exact in {_exact_share(at)} there (mean miss "
        f"{float(at.mean()):.2f}), and in {_exact_share(beyond)} from n/d {_next_ratio(found):g} on."
    )


def _next_ratio(found: xr.DataArray) -> float:
    asked = found.dropna("samples_per_dimension", how="all")["samples_per_dimension"].values
    return float(asked[asked > 1].min())


def _course(line: xr.DataArray) -> str:
    """What is missed at every number of samples, in words."""
    told = [
        f"{_told(line.sel(samples_per_dimension=r))} at n/d {r:g}"
        for r in line["samples_per_dimension"].values
    ]
    return f"{', '.join(told[:-1])} and {told[-1]}"


def _network(one: xr.DataArray) -> str:
    return f"a small network of one subspace follows, less sharply: it misses {_course(one)}."


def _first_learned(line: xr.DataArray) -> str:
    """The first ratio from which on the mean miss stays below `LEARNED`."""
    mean = line.mean("seed")
    late = np.flatnonzero((mean >= LEARNED).values)
    ratios = mean["samples_per_dimension"].values
    if late.size == 0:
        return f"at all n/d from {ratios[0]:g}"
    return "at no n/d that was tried" if late[-1] + 1 == len(ratios) else f"from n/d {ratios[late[-1] + 1]:g}"


def _not_sharp(one: xr.DataArray) -> str:
    at = one.sel(samples_per_dimension=1.0, method="nearest")
    return (
        f"a network has no sharp transition at n = d: there it still misses {_told(at)}, where the closed "
        f"form misses nothing, and less than {LEARNED:g} {_first_learned(one)}. The sharp one is that of the "
        "best low-rank denoiser."
    )


def _several(several: xr.DataArray) -> str:
    return (
        f"of {several['case'].item()} a network needs more samples on each: it misses {_course(several)}; "
        f"less than {LEARNED:g} {_first_learned(several)}."
    )


def _over_dimension(ranks: xr.DataArray, networks: xr.Dataset) -> xr.DataArray:
    """Participation rank over the dimension of a subspace, means over seeds, at the three smallest sigma."""
    chosen = ranks.sel(rank="participation") / networks["dim"]
    return chosen.mean("seed").sortby("sigma").isel(sigma=slice(0, 3))


def _span(values: xr.DataArray) -> str:
    return f"{float(values.min()):.2f} to {float(values.max()):.2f}"


def _levels(networks: xr.Dataset) -> str:
    levels = np.sort(networks["sigma"].values)[:3]
    return f"σ {levels[0]:g} to {levels[-1]:g}"


def _plateau(networks: xr.Dataset) -> str:
    exact = networks["exact_ranks"]
    far = exact.sel(rank="participation", sigma=float(networks["sigma"].max())).mean(
        ["seed", "samples_per_dimension"]
    )
    told = ", ".join(f"{float(far.sel(case=case)):.1f} ({case})" for case in far["case"].values.tolist())
    return (
        f"the Jacobian of the optimum has rank d at small noise: participation rank over d "
        f"{_span(_over_dimension(exact, networks))} at {_levels(networks)}. At the largest noise, where "
        f"points of all subspaces mix, it is {told}."
    )


def _no_plateau(networks: xr.Dataset) -> str:
    ratios = networks["samples_per_dimension"].values
    told = ", ".join(
        f"{_span(_over_dimension(networks['ranks'].sel(samples_per_dimension=r), networks))} with n/d {r:g}"
        for r in _some(networks)
    )
    energy = networks["ranks"].sel(rank="energy").isel(samples_per_dimension=-1).mean("seed")
    lowest = (energy / networks["dim"]).min("sigma")
    return (
        f"networks of this budget do not reach that plateau, as directions across the subspaces keep small "
        f"gains: participation rank over d {told}, at {_levels(networks)}; the energy rank comes nearest, "
        f"{_span(lowest)} times d at its lowest with n/d {ratios[-1]:g}."
    )


def _samples(networks: xr.Dataset) -> str:
    parts = []
    for case in networks["case"].values.tolist():
        off, copies = (networks[name].sel(case=case).mean("seed").values for name in ("off", "copies"))
        shares = zip(networks["samples_per_dimension"].values, off, copies, strict=True)
        parts.append(f"{case}: " + ", ".join(f"{a:.0%} and {c:.0%} at n/d {r:g}" for r, a, c in shares))
    return (
        "the square norm of networks' samples off the subspaces, and the share of samples that copy training "
        f"points: {'; '.join(parts)}. From few samples networks copy, on the subspaces."
    )


def _distance(networks: xr.Dataset) -> str:
    best = networks["distance"].isel(samples_per_dimension=-1).mean("seed")
    told = "; ".join(f"{case} {_span(best.sel(case=case))}" for case in networks["case"].values.tolist())
    most = float(networks["samples_per_dimension"].max())
    return (
        f"the whole Jacobian of networks with n/d {most:g} is away from the optimum's by these shares of its "
        f"norm, over all σ: {told}."
    )
