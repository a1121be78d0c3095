"""Figures: a labelled Dataset in, a plotly figure out, one file per family; nothing is computed here."""

from scorelens.plots.alignment import alignment
from scorelens.plots.clouds import clouds
from scorelens.plots.comparison import held_out_loss, learned_share
from scorelens.plots.dimension import dimension
from scorelens.plots.eigenvectors import eigenvectors
from scorelens.plots.emergence import FittedLaw, emergence
from scorelens.plots.explained import LEAST_RATIO, MOST_RATIO, explained_variance, loss_over_floor
from scorelens.plots.exponents import emergence_exponents
from scorelens.plots.flow_matching import learning_speed
from scorelens.plots.forecast_emergence import forecast_emergence
from scorelens.plots.geometry import directions, jacobian_spectra, kept_directions, shrinkage
from scorelens.plots.heatmap import variance_heatmap
from scorelens.plots.law_comparison import emergence_of_laws
from scorelens.plots.limits import limits
from scorelens.plots.loss import loss_over_training, loss_per_sigma
from scorelens.plots.memorization import attraction, loss_gap, nearness_over_training, neighbours
from scorelens.plots.mode_curves import Facet, ModeCurves, mode_curves
from scorelens.plots.normal_spectrum import normal_spectrum
from scorelens.plots.overlaps import overlaps
from scorelens.plots.overparametrisation import overparametrisation
from scorelens.plots.phase_portrait import phase_portraits
from scorelens.plots.points import points
from scorelens.plots.posterior import posterior_lines, posterior_plane
from scorelens.plots.responsibility import responsibility
from scorelens.plots.risk import risk
from scorelens.plots.samples_on_a_line import samples_on_a_line
from scorelens.plots.score_errors import score_errors
from scorelens.plots.score_field import score_field
from scorelens.plots.score_variance import score_variance
from scorelens.plots.spectrum import spectrum
from scorelens.plots.standing import standing
from scorelens.plots.trajectories import trajectories
from scorelens.plots.transfer import transfer

__all__ = [
    "LEAST_RATIO",
    "MOST_RATIO",
    "Facet",
    "FittedLaw",
    "ModeCurves",
    "alignment",
    "attraction",
    "clouds",
    "dimension",
    "directions",
    "eigenvectors",
    "emergence",
    "emergence_exponents",
    "emergence_of_laws",
    "explained_variance",
    "forecast_emergence",
    "held_out_loss",
    "jacobian_spectra",
    "kept_directions",
    "learned_share",
    "learning_speed",
    "limits",
    "loss_gap",
    "loss_over_floor",
    "loss_over_training",
    "loss_per_sigma",
    "mode_curves",
    "nearness_over_training",
    "neighbours",
    "normal_spectrum",
    "overlaps",
    "overparametrisation",
    "phase_portraits",
    "points",
    "posterior_lines",
    "posterior_plane",
    "responsibility",
    "risk",
    "samples_on_a_line",
    "score_errors",
    "score_field",
    "score_variance",
    "shrinkage",
    "spectrum",
    "standing",
    "trajectories",
    "transfer",
    "variance_heatmap",
]
