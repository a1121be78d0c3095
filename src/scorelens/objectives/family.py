"""Every objective of score matching, by name."""

from __future__ import annotations

from scorelens.core import checks
from scorelens.objectives.base import Objective
from scorelens.objectives.explicit import Denoising, Explicit
from scorelens.objectives.implicit import Hutchinson, Implicit
from scorelens.objectives.projections import ProjectionLaw, Rademacher
from scorelens.objectives.sliced import FiniteDifferenceSliced, Projected, Sliced, SlicedVarianceReduced

OBJECTIVES: tuple[type[Objective], ...] = (
    Explicit,
    Implicit,
    Hutchinson,
    Projected,
    Sliced,
    SlicedVarianceReduced,
    FiniteDifferenceSliced,
    Denoising,
)
"""Every objective; their means differ by constants of the model, for directions with ``Sigma_v = I``."""


def objective_named(name: str, projections: ProjectionLaw | None = None) -> Objective:
    """The objective of this name, for directions of ``projections`` (Rademacher unless given).

    Raises ``ValueError`` for an unknown name.

    >>> objective_named("sliced").equation
    'score estimation [L2]'
    """
    members = {member.name: member for member in OBJECTIVES}
    member = members[checks.choice("objective", name, members)]
    return Hutchinson(projections or Rademacher()) if member is Hutchinson else member()
