"""One runnable recipe per job: forecast, train, measure, study, comparisons, figures of the theory."""

from scorelens.results.options import OPTIONS
from scorelens.studies import figures
from scorelens.studies.checkpoint_measurement import measure
from scorelens.studies.closed_form import forecast
from scorelens.studies.comparison import Comparison, compare_preconditioners
from scorelens.studies.configure import configure
from scorelens.studies.law_comparison import compare_laws
from scorelens.studies.main_study import study
from scorelens.studies.preparation import Prepared, prepare
from scorelens.studies.reproduction import remake_page, reproduce
from scorelens.studies.training_run import train

__all__ = [
    "OPTIONS",
    "Comparison",
    "Prepared",
    "compare_laws",
    "compare_preconditioners",
    "configure",
    "figures",
    "forecast",
    "measure",
    "prepare",
    "remake_page",
    "reproduce",
    "study",
    "train",
]
