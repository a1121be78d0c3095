"""The folder of a reproduced figure: which study made it, with what, and its Datasets; the page follows."""

from __future__ import annotations

from typing import ClassVar, Literal, final

from scorelens.results.result_folder import ResultFolder


@final
class Reproduction(ResultFolder):
    """A reproduced figure.

    ``study`` is the one that made it, ``seconds`` the time its computation took and ``environment`` what it
    ran in.
    """

    file: ClassVar[str] = "reproduction.json"
    noun: ClassVar[str] = "reproduction"
    made_by: ClassVar[str] = "scorelens reproduce NAME --out FOLDER"

    format: Literal[1] = 1
    study: str
    seconds: float


is_reproduction = Reproduction.holds
