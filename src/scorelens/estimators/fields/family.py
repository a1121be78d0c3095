"""The family of vector fields, and how a file's arrays become a member again."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from scorelens.core import checks
from scorelens.estimators import features as feature_maps
from scorelens.estimators.fields.base import FieldMap
from scorelens.estimators.fields.gradients import Gradients
from scorelens.estimators.fields.patches import PatchFields

ALL = (Gradients, PatchFields)


def rebuild(name: str, arrays: Mapping[str, np.ndarray]) -> FieldMap:
    """The map whose ``name`` and ``arrays()`` these are. Raises ``ValueError`` for an unknown name.

    >>> from scorelens.estimators.features import Affine
    >>> fields = PatchFields(Affine(3), (5,), 3)
    >>> rebuild(fields.name, fields.arrays()).n_features
    4
    """
    members = {member.kind: member for member in ALL}
    kind, _, inner = name.partition("/")
    member = members[checks.choice("kind of fields", kind, members)]
    of_features = {key.removeprefix("inner_"): value for key, value in arrays.items() if "inner_" in key}
    own = {key: value for key, value in arrays.items() if not key.startswith("inner_")}
    return member.rebuilt(feature_maps.rebuild(inner, of_features), **own)  # pyright: ignore
