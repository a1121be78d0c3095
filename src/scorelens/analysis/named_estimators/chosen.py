"""From what people write to an estimator that is ready to be fitted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

from scorelens.analysis import spec as written
from scorelens.analysis.named_estimators import features, kernels, laws, patches
from scorelens.analysis.named_estimators.row import NOUN, About, NamedEstimator, Values
from scorelens.core import checks
from scorelens.estimators import Estimator

_ROWS = (*laws.ROWS, *features.ROWS, *kernels.ROWS, *patches.ROWS)
ESTIMATORS: dict[str, NamedEstimator] = {row.name: row for row in _ROWS}
"""Every estimator that can be named: a row here is a choice of the command line and an entry of its help."""

DEFAULT = "gaussian,empirical,gmm:10"


@final
@dataclass(frozen=True)
class ChosenEstimator:
    """An estimator with the values of its options; ``spec`` is how it was written."""

    spec: str
    named: NamedEstimator
    values: Values

    def check_data(self, about: About) -> None:
        """Raise ``ValueError`` unless it can be built, and fitted to data of this shape and number."""
        least = self.named.least(self.values)
        if about.n_samples < least:
            raise ValueError(
                f"estimator {self.spec} needs at least {least} samples to be fitted to, the data leave "
                f"{about.n_samples} (the others are held out); give more samples"
            )
        self.estimator(about)
        self._named_in(self.named.check, about)

    @property
    def solved_by(self) -> str | None:
        """How its equations are solved, in one word; ``None`` where it has no choice."""
        return self.values.get("solver") or self.values.get("method")

    def estimator(self, about: About) -> Estimator:
        """The estimator, ready to be fitted; ``ValueError`` if its options do not go together."""
        return self._named_in(self.named.build, about)

    def _named_in(self, step: Callable[[Values, About], Any], about: About) -> Any:
        try:
            return step(self.values, about)
        except ValueError as error:
            raise ValueError(f"estimator {self.spec}: {error}") from None


def estimator_named(spec: str) -> ChosenEstimator:
    """The estimator that ``spec`` names, with its options: ``gmm:10``, ``molrg:10,rank=2``.

    Raises ``ValueError`` for an unknown name (naming the nearest), and for an option that is unknown or not
    allowed (saying what is).

    >>> estimator_named("molrg:10,rank=2").estimator(About((64,), 500)).ranks
    (2, 2, 2, 2, 2, 2, 2, 2, 2, 2)
    """
    name, items = written.split(spec)
    named = ESTIMATORS[checks.choice(NOUN, name, ESTIMATORS)]
    return ChosenEstimator(spec.strip(), named, named.grammar.parse(items))


def estimators_named(specs: str | list[str] | tuple[str, ...]) -> list[ChosenEstimator]:
    """The estimators of a list, each written as for `estimator_named`; commas separate estimators too.

    What holds an equals sign, or is a flag of the estimator before it, is an option of that estimator.
    Raises ``ValueError`` for a bad name or option, for none at all and for one that is given twice.

    >>> [one.spec for one in estimators_named("gaussian,local-patch:5,equivariant,gmm:10")]
    ['gaussian', 'local-patch:5,equivariant', 'gmm:10']
    """
    listed = [specs] if isinstance(specs, str) else list(specs)
    grammars = {name: named.grammar for name, named in ESTIMATORS.items()}
    chosen = [estimator_named(spec) for text in listed for spec in written.split_list(text, grammars)]
    if not chosen:
        raise ValueError("no estimator is given; name one or more, as gaussian,empirical,gmm:10")
    known = [(one.named.name, tuple(one.values.items())) for one in chosen]
    for i, one in enumerate(chosen):
        if known[i] in known[:i]:
            raise ValueError(f"estimator {one.spec} is given twice; give it once")
    return chosen
