"""Studies that redraw figures and tables of the theory, one file each; register a new one in `ALL`."""

from scorelens.studies.figures.depth import Depth
from scorelens.studies.figures.effective_dynamics import EffectiveDynamics
from scorelens.studies.figures.exponents import Exponents
from scorelens.studies.figures.figure_study import FigureStudy
from scorelens.studies.figures.flow_matching import FlowMatching
from scorelens.studies.figures.molrg import Molrg
from scorelens.studies.figures.objectives import Objectives
from scorelens.studies.figures.overlaps import Overlaps
from scorelens.studies.figures.phase_portraits import PhasePortraits
from scorelens.studies.figures.printed_formulas import PrintedFormulas
from scorelens.studies.figures.reverse_covariance import ReverseCovariance
from scorelens.studies.figures.score_covariance import ScoreCovariance
from scorelens.studies.figures.small_time import SmallTime
from scorelens.studies.figures.toy import Toy
from scorelens.studies.figures.variances import Variances
from scorelens.studies.figures.weights import Weights

__all__ = ["ALL", "FigureStudy"]

ALL: tuple[type[FigureStudy], ...] = (
    Weights,
    Variances,
    PhasePortraits,
    Exponents,
    FlowMatching,
    Overlaps,
    Depth,
    Objectives,
    ScoreCovariance,
    SmallTime,
    ReverseCovariance,
    EffectiveDynamics,
    PrintedFormulas,
    Toy,
    Molrg,
)
"""Every study that `scorelens reproduce` knows."""
