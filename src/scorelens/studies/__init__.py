"""One runnable recipe per job: forecast, train, measure, study, estimate, compare, redraw figures."""

from scorelens.results.options import OPTIONS
from scorelens.studies import figures
from scorelens.studies.checkpoint_measurement import measure
from scorelens.studies.closed_form import forecast
from scorelens.studies.comparison import Comparison, compare_preconditioners
from scorelens.studies.configure import configure
from scorelens.studies.estimate import estimate
from scorelens.studies.estimate_words import estimate_table, estimator_list
from scorelens.studies.generalize import generalize
from scorelens.studies.geometry import geometry
from scorelens.studies.law_comparison import compare_laws
from scorelens.studies.main_study import study
from scorelens.studies.memorization import memorization
from scorelens.studies.objective_check import check_model
from scorelens.studies.preparation import Prepared, prepare
from scorelens.studies.reproduction import remake_page, reproduce
from scorelens.studies.training_run import train

__all__ = [
    "OPTIONS",
    "Comparison",
    "Prepared",
    "check_model",
    "compare_laws",
    "compare_preconditioners",
    "configure",
    "estimate",
    "estimate_table",
    "estimator_list",
    "figures",
    "forecast",
    "generalize",
    "geometry",
    "measure",
    "memorization",
    "prepare",
    "remake_page",
    "reproduce",
    "study",
    "train",
]
