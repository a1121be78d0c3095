"""The folder of an examination of samples for memorisation: what was compared, and what was found."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, final

from scorelens.results.result_folder import ResultFolder


@final
class Examination(ResultFolder):
    """An examination for memorisation.

    ``given`` and ``data`` are the samples (or the model) and the data as named on the command line,
    ``options`` what else was asked; ``verdict`` and ``remarks`` are sentences, ``numbers`` named numbers.
    The spectrum, of vectors only, holds the two leading modes of the training data, for drawing.
    """

    file: ClassVar[str] = "memorization.json"
    noun: ClassVar[str] = "examination"
    made_by: ClassVar[str] = "scorelens memorization"

    format: Literal[1] = 1
    given: str
    data: str
    options: dict[str, Any]
    verdict: tuple[str, ...]
    remarks: tuple[str, ...]
    numbers: tuple[tuple[str, float], ...]


is_examination = Examination.holds
