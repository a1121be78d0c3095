"""Whether a model, or a set of samples, has memorised its training data."""

from scorelens.generalization.memorization.attraction import Attraction
from scorelens.generalization.memorization.authenticity import Authenticity
from scorelens.generalization.memorization.data_copying import CopyingTest, copying_test
from scorelens.generalization.memorization.denoiser import DenoiserMemorization, Unseen, examine_denoiser
from scorelens.generalization.memorization.halves import HalvesAgreement, compare_halves
from scorelens.generalization.memorization.intervals import Estimate
from scorelens.generalization.memorization.near_copies import NearCopies, near_copies, nearness
from scorelens.generalization.memorization.samples import SampleMemorization, examine_samples

__all__ = [
    "Attraction",
    "Authenticity",
    "CopyingTest",
    "DenoiserMemorization",
    "Estimate",
    "HalvesAgreement",
    "NearCopies",
    "SampleMemorization",
    "Unseen",
    "compare_halves",
    "copying_test",
    "examine_denoiser",
    "examine_samples",
    "near_copies",
    "nearness",
]
