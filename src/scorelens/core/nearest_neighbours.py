"""Exact nearest neighbours among any number of points, in bounded memory, on one process or many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self, final, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from scorelens.core import checks
from scorelens.core.blocks import release_pages
from scorelens.core.distance_bounds import Frame, bounded_below, exact_squares, square_norms

SPARE = 8
"""Candidates per query beyond those asked for, whose distances are formed from differences too."""

BOUNDS = 2**22
"""Most lower bounds (queries times points) held at once."""

ROWS = 2**22
"""Most numbers in a block of points, and most differences formed at once."""

GROUP = 64
"""Neighbouring scores that are ruled out together."""

QUERIES = 2**25
"""Most numbers of queries that are made ready at once."""


@runtime_checkable
class Rows(Protocol):
    """Events read by number, such as an array, a memory map, a tensor, or `scorelens.data.Data`."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any, /) -> Any: ...


@final
@dataclass(frozen=True, eq=False)
class Neighbours:
    """The ``k`` nearest points to each of ``q`` queries, the nearest first.

    ``distances`` ``(q, k)`` float64, Euclidean, in the units of the points; ``indices`` ``(q, k)`` int64.
    Of points at one distance the lower index comes first. Where there are fewer than ``k`` points, distances
    are infinite and indices -1.
    """

    distances: np.ndarray
    indices: np.ndarray

    def merge(self, *others: Neighbours) -> Neighbours:
        """The nearest of the points of all parts, for the same queries; else ``ValueError``.

        >>> parts = [Neighbours(np.array([[d]]), np.array([[i]])) for d, i in ((2.0, 0), (1.0, 7))]
        >>> parts[0].merge(parts[1]).indices
        array([[7]])
        """
        parts = (self, *others)
        shapes = {part.distances.shape for part in parts}
        if len(shapes) > 1:
            raise ValueError(f"parts must have one shape (q, k), got {sorted(shapes)}")
        distances = np.concatenate([part.distances for part in parts], axis=1)
        indices = np.concatenate([part.indices for part in parts], axis=1)
        order = np.lexsort((indices, distances), axis=1)[:, : self.distances.shape[1]]
        return Neighbours(np.take_along_axis(distances, order, 1), np.take_along_axis(indices, order, 1))

    def gather(self) -> Neighbours:
        """The nearest of the points of all processes, the same on each; itself if there is only one.

        Uses `torch.distributed` where it is initialised; every process must call it, for the same queries.
        """
        import torch.distributed as dist

        if not (dist.is_available() and dist.is_initialized()):
            return self
        device = torch.device("cuda" if dist.get_backend() == "nccl" else "cpu")
        arrays = [_of_all_processes(torch.as_tensor(a).to(device)) for a in (self.distances, self.indices)]
        first, *others = (Neighbours(*pair) for pair in zip(*arrays, strict=True))
        return first.merge(*others)


@final
class NeighbourSearch:
    """Exact search among ``points``, ``(n, *event)`` float32 or float64, by Euclidean distance.

    Matrix products give a lower bound of every distance, whatever their rounding; the points with the least
    bounds are measured by differences in float64, and so are all others that the bounds do not rule out.
    The result does not depend on the blocks. Memory beyond points and queries is bounded by the blocks.

    ``points`` may be an array, a memory map, a tensor or `scorelens.data.Data`; ``rows`` restricts the search
    to a range of them (indices stay those of ``points``). ``device``, by default that of ``points``, does the
    work; it needs float64. One pass over the points checks and places them; ``about = (centre, radius)``, a
    ball ``(d,)`` that is known to hold them all, saves it.

    Raises ``ValueError`` for other dtypes, events without numbers and a NaN or infinity (its index is named).

    >>> search = NeighbourSearch(np.array([[0.0], [1.0], [5.0]]))
    >>> search(np.array([[0.8]]), k=2).indices
    array([[1, 0]])
    """

    def __init__(
        self,
        points: Rows,
        *,
        rows: range | None = None,
        device: torch.device | str | None = None,
        about: tuple[Tensor, float] | None = None,
    ) -> None:
        self._points = points
        self.rows = range(len(points)) if rows is None else rows
        if self.rows.step != 1 or self.rows.start < 0 or self.rows.stop > len(points):
            raise ValueError(f"rows must be a range within the {len(points)} points, got {self.rows}")
        own = points.device if isinstance(points, Tensor) else torch.device("cpu")
        self.device = own if device is None else torch.device(device)
        self._together = False
        first = _flat(points[:1], "points")
        self.dim, self.dtype = first.shape[1], first.dtype
        checks.at_least("the number of values of a point", self.dim, 1)
        self._centre, self._spread = self._survey() if about is None else about

    @classmethod
    def shared(cls, points: Rows, *, device: torch.device | str | None = None) -> Self:
        """Each process of `torch.distributed` searches its share of ``points`` and gets the result of all.

        Every process must hold the same points and ask for the same queries. Alone it is the plain search.
        """
        import torch.distributed as dist

        if not (dist.is_available() and dist.is_initialized()):
            return cls(points, device=device)
        rank, size, n = dist.get_rank(), dist.get_world_size(), len(points)
        search = cls(points, rows=range(rank * n // size, (rank + 1) * n // size), device=device)
        search._together = True
        return search

    def __call__(self, x: np.ndarray | Tensor, k: int = 1, own: np.ndarray | None = None) -> Neighbours:
        """The ``k`` nearest points to each of the queries ``x`` ``(q, *event)``.

        ``own`` ``(q,)`` names, for queries that are points themselves, the index that is not to be found
        (-1 for none). Raises ``ValueError`` for another shape, dtype or size of event, a NaN or infinity,
        numbers whose squares overflow float64, and ``k < 1``.
        """
        squares, columns = self.squares(x, k, own)
        result = Neighbours(squares.sqrt().cpu().numpy(), columns.cpu().numpy())
        return result.gather() if self._together else result

    def squares(
        self, x: np.ndarray | Tensor, k: int = 1, own: np.ndarray | None = None
    ) -> tuple[Tensor, Tensor]:
        """Squared distances, float64, and indices ``(q, k)`` as tensors, of this process's points alone.

        Arguments and errors are those of calling the search.
        """
        checks.whole("k", k, 1)
        queries = _flat(x, "queries").to(self.device)
        if queries.shape[1] != self.dim:
            raise ValueError(
                f"queries must have events of {self.dim} values as the points have, got {queries.shape[1]}"
            )
        _refuse_non_finite(queries, 0, "query")
        left_out = _own_indices(own, len(queries)).to(self.device)
        size = max(1, QUERIES // self.dim)
        parts = zip(queries.split(size), left_out.split(size), strict=True)
        found = [self._nearest(part, k, out) for part, out in parts] or [_nothing(0, k, self.device)]
        squares, columns = (torch.cat(arrays) for arrays in zip(*found, strict=True))
        return squares, columns

    def _nearest(self, x: Tensor, k: int, own: Tensor) -> tuple[Tensor, Tensor]:
        """Squared distances and indices ``(q, k)`` of the nearest points."""
        if len(self.rows) == 0:
            return _nothing(len(x), k, self.device)
        frame = Frame.around(self._centre, self._spread, x, torch.float32)
        count = min(k + SPARE, len(self.rows))
        least, columns = self._screen(frame, x, count, own)
        squares, columns = self._measured(x, columns, least)
        kept = min(k, count)
        # All others lie beyond the least bound that is not a candidate's.
        settled = (squares[:, kept - 1] < least[:, -1]) | (count == len(self.rows))
        squares, columns = _padded(squares[:, :kept], columns[:, :kept], k)
        unsure = (~settled).nonzero()[:, 0]
        for part in unsure.split(max(1, ROWS // self.dim)) if len(unsure) else ():
            limits = squares[part, kept - 1]
            squares[part], columns[part] = self._sweep(x[part], k, own[part], limits)
        return squares, columns

    def _screen(self, frame: Frame, x: Tensor, count: int, own: Tensor) -> tuple[Tensor, Tensor]:
        """Per query the ``count`` least lower bounds of squared distances, ascending, and their points."""
        queries = frame.queries(x)
        least = torch.full((len(x), count), torch.inf, dtype=frame.dtype, device=self.device)
        columns = torch.full((len(x), count), -1, dtype=torch.int64, device=self.device)
        for start, block in self._blocks():
            points = frame.points(block)
            for part in _parts(len(x), len(block)):
                scores = bounded_below(queries.rows[part], points)
                _leave_out(scores, own[part] - start)
                least[part], columns[part] = _lesser(least[part], columns[part], scores, start)
        return frame.square(queries.floor[:, None] + 2 * least.double()), columns

    def _measured(self, x: Tensor, columns: Tensor, least: Tensor) -> tuple[Tensor, Tensor]:
        """Exact squared distances of the candidates, ascending, and their indices."""
        # A point that is left out has an infinite bound.
        real = least < torch.inf
        squares = torch.full(least.shape, torch.inf, dtype=torch.float64, device=self.device)
        queries, found = real.nonzero()[:, 0], columns[real]
        squares[real] = self._exact(x, queries, found)
        columns = torch.where(real, columns, -1)
        order = columns.argsort(1)
        by_distance = squares.gather(1, order).sort(dim=1, stable=True)
        return by_distance.values, columns.gather(1, order).gather(1, by_distance.indices)

    def _sweep(self, x: Tensor, k: int, own: Tensor, limits: Tensor) -> tuple[Tensor, Tensor]:
        """The nearest points by measuring every one whose bound, in float64, lies within the ``limits``."""
        frame = Frame.around(self._centre, self._spread, x, torch.float64)
        queries = frame.queries(x)
        squares, columns = _nothing(len(x), k, self.device)
        for start, block in self._blocks():
            points = frame.points(block)
            for part in _parts(len(x), len(block)):
                scores = bounded_below(queries.rows[part], points)
                _leave_out(scores, own[part] - start)
                bounds = frame.square(queries.floor[part, None] + 2 * scores)
                within = torch.minimum(limits[part], squares[part, -1])[:, None]
                pairs = (bounds <= within).nonzero()
                found = exact_squares(x[part], block, pairs, ROWS)
                more, where = _spread_out(pairs, found, len(bounds))
                # Earlier points come first, and a stable sort keeps them first at equal distance.
                both = torch.cat([squares[part], more], 1).sort(dim=1, stable=True)
                indices = torch.cat([columns[part], torch.where(where < 0, -1, where + start)], 1)
                squares[part] = both.values[:, :k]
                columns[part] = indices.gather(1, both.indices)[:, :k]
        return squares, columns

    def _exact(self, x: Tensor, queries: Tensor, columns: Tensor) -> Tensor:
        """Squared distances of the pairs ``(queries[i], columns[i])``, float64."""
        size = max(1, ROWS // self.dim)
        found = [
            square_norms(self._read(points.cpu().numpy()), x[rows])
            for rows, points in zip(queries.split(size), columns.split(size), strict=True)
        ]
        return torch.cat(found) if found else torch.zeros(0, dtype=torch.float64, device=self.device)

    def _blocks(self) -> Iterator[tuple[int, Tensor]]:
        """The first index and the rows ``(m, d)`` of every block of points."""
        size = int(np.clip(ROWS // self.dim, 1, 8192))
        size -= size % GROUP if size > GROUP else 0
        for start in range(self.rows.start, self.rows.stop, size):
            yield start, self._read(slice(start, min(start + size, self.rows.stop)))

    def _read(self, index: slice | np.ndarray) -> Tensor:
        points: Any = self._points
        if isinstance(points, Tensor) and isinstance(index, np.ndarray):
            return points[torch.from_numpy(index).to(points.device)].detach().flatten(1).to(self.device)
        flat = _flat(points[index], "points").to(self.device)
        if isinstance(self._points, np.ndarray):
            release_pages(self._points)
        return flat

    def _survey(self) -> tuple[Tensor, float]:
        """About the mean of the points, and a bound on the distance of any value from it."""
        total = torch.zeros(self.dim, dtype=torch.float64, device=self.device)
        low, high = torch.inf, -torch.inf
        for start, block in self._blocks():
            least, most = (float(end) for end in block.aminmax())
            if not np.isfinite([least, most]).all():
                _refuse_non_finite(block, start, "point")
            low, high = min(low, least), max(high, most)
            total += torch.ones(len(block), dtype=block.dtype, device=self.device) @ block
        if len(self.rows) == 0:
            return total.to(self.dtype), 0.0
        centre = (total / len(self.rows)).nan_to_num(low).clamp(low, high)
        return centre.to(self.dtype), high - low


def _flat(rows: Any, what: str) -> Tensor:
    """Rows ``(b, *event)`` of any kind as a tensor ``(b, d)``."""
    values = rows.detach() if isinstance(rows, Tensor) else torch.from_numpy(_writable(rows))
    if values.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"{what} must be float32 or float64, got {values.dtype}; convert them with astype")
    if values.ndim < 2:
        raise ValueError(f"{what} must have shape (n, *event), got {tuple(values.shape)}")
    return values.reshape(len(values), int(np.prod(values.shape[1:])))


def _writable(rows: Any) -> np.ndarray:
    values = np.ascontiguousarray(rows)
    return values if values.flags.writeable else values.copy()


def _refuse_non_finite(rows: Tensor, first: int, what: str) -> None:
    if bool(torch.isfinite(rows).all()):
        return
    row, feature = (int(i) for i in (~torch.isfinite(rows)).nonzero()[0])
    raise ValueError(
        f"{what} {first + row} holds {float(rows[row, feature])} at feature {feature} of the flattened "
        "event; remove or repair it"
    )


def _own_indices(own: np.ndarray | None, n: int) -> Tensor:
    indices = np.full(n, -1) if own is None else np.asarray(own)
    if indices.shape != (n,) or indices.dtype.kind not in "iu":
        raise ValueError(
            f"own must hold one index per query, shape ({n},), got {indices.dtype} of shape {indices.shape}"
        )
    return torch.as_tensor(indices.astype(np.int64))


def _nothing(n: int, k: int, device: torch.device) -> tuple[Tensor, Tensor]:
    squares = torch.full((n, k), torch.inf, dtype=torch.float64, device=device)
    return squares, torch.full((n, k), -1, dtype=torch.int64, device=device)


def _padded(squares: Tensor, columns: Tensor, k: int) -> tuple[Tensor, Tensor]:
    short = k - squares.shape[1]
    pad = torch.nn.functional.pad
    return pad(squares, (0, short), value=torch.inf), pad(columns, (0, short), value=-1)


def _parts(n: int, m: int) -> Iterator[slice]:
    """Queries in parts of which all bounds to ``m`` points fit into a block."""
    size = max(1, BOUNDS // m)
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def _leave_out(scores: Tensor, own: Tensor) -> None:
    rows = ((own >= 0) & (own < scores.shape[1])).nonzero()[:, 0]
    scores[rows, own[rows]] = torch.inf


def _lesser(least: Tensor, columns: Tensor, scores: Tensor, start: int) -> tuple[Tensor, Tensor]:
    """The least of ``least (b, c)`` and of the scores of one more block, ascending, with their columns."""
    count, worst = least.shape[1], least[:, -1:]
    # Few points of a later block are among the best so far: only these are sorted.
    better = None if bool(worst.isinf().any()) else _pairs_below(scores, worst, 8 * least.numel())
    if better is None:
        more, where = scores.topk(min(count, scores.shape[1]), dim=1, largest=False)
    else:
        more, where = _spread_out(better, scores[better[:, 0], better[:, 1]], len(scores))
    both = torch.cat([least, more], 1).topk(count, dim=1, largest=False)
    return both.values, torch.cat([columns, where + start], 1).gather(1, both.indices)


def _pairs_below(scores: Tensor, worst: Tensor, most: int) -> Tensor | None:
    """The (row, column) pairs of scores below ``worst (b, 1)``, sorted; ``None`` if more than ``most``."""
    if scores.shape[1] % GROUP:
        pairs = (scores < worst).nonzero()
        return pairs if len(pairs) <= most else None
    grouped = scores.view(len(scores), -1, GROUP)
    groups = (grouped.amin(2) < worst).nonzero()
    if len(groups) > most:
        return None
    rows, numbers = groups.unbind(1)
    found, within = (grouped[rows, numbers] < worst[rows]).nonzero().unbind(1)
    return torch.stack([rows[found], numbers[found] * GROUP + within], 1)


def _spread_out(pairs: Tensor, values: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """``values`` of the (row, column) ``pairs``, sorted by row, as an array ``(n, most)``, and the columns.

    Empty places are infinite, their column is -1.
    """
    rows, columns = pairs.unbind(1)
    counts = torch.bincount(rows, minlength=n)
    place = torch.arange(len(rows), device=rows.device) - (counts.cumsum(0) - counts)[rows]
    width = int(counts.max()) if n else 0
    spread = torch.full((n, width), torch.inf, dtype=values.dtype, device=rows.device)
    where = torch.full((n, width), -1, dtype=torch.int64, device=rows.device)
    spread[rows, place], where[rows, place] = values, columns
    return spread, where


def _of_all_processes(array: Tensor) -> Sequence[np.ndarray]:
    import torch.distributed as dist

    parts = [torch.empty_like(array) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, array)
    return [part.cpu().numpy() for part in parts]
