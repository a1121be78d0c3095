"""The exact search against brute force in long arithmetic: near ties, blocks, shards, points left out."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from scorelens.core import distance_bounds, nearest_neighbours
from scorelens.core.nearest_neighbours import Neighbours, NeighbourSearch


def by_brute_force(x: np.ndarray, points: np.ndarray, k: int, own: np.ndarray | None = None):
    """Distances and indices of the ``k`` nearest, the lower index first at equal distance."""
    squares = ((x.astype(np.longdouble)[:, None] - points.astype(np.longdouble)) ** 2).sum(-1)
    distances = np.sqrt(squares).astype(float)
    if own is not None:
        distances[np.arange(len(x)), own] = np.inf
    index = np.broadcast_to(np.arange(len(points)), distances.shape)
    order = np.lexsort((index, distances), axis=1)[:, :k]
    return np.take_along_axis(distances, order, 1), order


def assert_found(found: Neighbours, x: np.ndarray, points: np.ndarray, k: int, own=None) -> None:
    distances, indices = by_brute_force(x, points, k, own)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-13)
    np.testing.assert_array_equal(found.indices, indices)


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def cloud(request) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(3)
    points = generator.standard_normal((700, 6)) * np.linspace(0.3, 2, 6) + 4
    return points.astype(request.param), (points[:40] + 0.2).astype(request.param)


@pytest.mark.parametrize("k", [1, 2, 30, 700])
def test_it_is_brute_force(cloud, k: int) -> None:
    points, x = cloud
    assert_found(NeighbourSearch(points)(x, k), x, points, k)


@pytest.mark.parametrize("spread", [1e-3, 1e-1])
def test_products_that_cannot_tell_points_apart_do_not_decide(spread: float) -> None:
    """A tight cluster beside a far one: float32 products err by far more than the distances differ."""
    generator = np.random.default_rng(0)
    points = spread * generator.standard_normal((500, 4))
    points[::2] += 300.0
    points, x = points.astype(np.float32), (points[:30] + spread / 10).astype(np.float32)
    assert_found(NeighbourSearch(points)(x, 3), x, points, 3)
    rows = torch.tensor(points)
    rough = torch.addmm(rows.square().sum(1) / 2, torch.tensor(x), rows.T, alpha=-1)
    assert (rough.argmin(1).numpy() != by_brute_force(x, points, 1)[1][:, 0]).mean() > 0.2


def test_no_bound_exceeds_the_distance(cloud) -> None:
    points, x = (torch.tensor(a) * 100 for a in cloud)
    exact = (x.double()[:, None] - points.double()).square().sum(2)
    for dtype in (torch.float32, torch.float64):
        frame = distance_bounds.Frame.around(points.mean(0), 200.0, x, dtype)
        queries, rows = frame.queries(x), frame.points(points)
        bounds = frame.square(
            queries.floor[:, None] + 2 * distance_bounds.bounded_below(queries.rows, rows).double()
        )
        assert (bounds <= exact).all()
        loss = (exact - bounds) / 200.0**2
        assert loss.max() < 2000 * torch.finfo(dtype).eps
        assert frame._replace(slack=0.0).queries(x).floor.gt(queries.floor).all()


def test_products_of_reduced_precision_do_not_decide(cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    points, x = cloud
    monkeypatch.setattr(torch, "get_float32_matmul_precision", lambda: "medium")

    def coarse(queries, rows):
        halves = queries.bfloat16().to(queries.dtype), rows.rows.bfloat16().to(queries.dtype)
        return torch.addmm(rows.half_squares, halves[0], halves[1].T, alpha=-1)

    precise = distance_bounds.bounded_below
    monkeypatch.setattr(
        nearest_neighbours,
        "bounded_below",
        lambda q, r: coarse(q, r) if q.dtype == torch.float32 else precise(q, r),
    )
    assert_found(NeighbourSearch(points)(x, 3), x, points, 3)


def test_the_lower_of_equal_points_comes_first(cloud) -> None:
    points = cloud[0].repeat(20, 0)
    found = NeighbourSearch(points)(points[:400:20], 5)
    np.testing.assert_array_equal(found.indices, np.arange(0, 400, 20)[:, None] + np.arange(5))
    assert (found.distances == 0).all()


def test_blocks_of_any_size_give_the_same_bits(cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    points, x = cloud
    whole = NeighbourSearch(points)(x, 4)
    for name, size in (("BOUNDS", 7 * 11), ("ROWS", 6 * 37), ("QUERIES", 6 * 9), ("SPARE", 0), ("GROUP", 4)):
        monkeypatch.setattr(nearest_neighbours, name, size)
        parts = NeighbourSearch(points)(x, 4)
        np.testing.assert_array_equal(parts.distances, whole.distances)
        np.testing.assert_array_equal(parts.indices, whole.indices)


def test_memory_is_bounded_by_the_blocks(cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    largest, precise = [0], distance_bounds.bounded_below

    def watched(queries, rows):
        scores = precise(queries, rows)
        largest[0] = max(largest[0], scores.numel(), rows.rows.numel())
        return scores

    monkeypatch.setattr(nearest_neighbours, "bounded_below", watched)
    monkeypatch.setattr(nearest_neighbours, "BOUNDS", 1000)
    monkeypatch.setattr(nearest_neighbours, "ROWS", 600)
    NeighbourSearch(cloud[0])(cloud[1], 3)
    assert 0 < largest[0] <= 1000


def test_a_point_is_not_its_own_neighbour(cloud) -> None:
    points, _ = cloud
    own = np.arange(100, 200)
    found = NeighbourSearch(points)(points[own], 3, own)
    assert_found(found, points[own], points, 3, own)
    everyone = NeighbourSearch(points)(points[own], 3)
    np.testing.assert_array_equal(everyone.indices[:, 0], own)
    partly = NeighbourSearch(points)(points[own], 3, np.where(own < 150, own, -1))
    np.testing.assert_array_equal(partly.indices[:50], found.indices[:50])
    np.testing.assert_array_equal(partly.indices[50:], everyone.indices[50:])


@pytest.mark.parametrize("cuts", [(0, 350, 700), (0, 1, 2, 690, 700), (0, 0, 700)])
def test_shards_equal_the_whole(cloud, cuts) -> None:
    points, x = cloud
    points[600] = points[3]
    own = np.full(len(x), -1)
    own[:10] = np.arange(10)
    parts = [NeighbourSearch(points, rows=range(*cut))(x, 5, own) for cut in itertools.pairwise(cuts)]
    whole, merged = NeighbourSearch(points)(x, 5, own), parts[0].merge(*parts[1:])
    np.testing.assert_array_equal(merged.distances, whole.distances)
    np.testing.assert_array_equal(merged.indices, whole.indices)


def test_too_few_points_leave_places_empty() -> None:
    found = NeighbourSearch(np.zeros((2, 1)))(np.array([[1.0]]), 3, np.array([0]))
    assert found.distances.tolist() == [[1.0, np.inf, np.inf]]
    assert found.indices.tolist() == [[1, -1, -1]]


def test_points_may_be_a_memory_map_a_tensor_or_data(cloud, tmp_path: Path) -> None:
    from scorelens.data import Data

    points, x = cloud
    np.save(tmp_path / "points.npy", points)
    expected = NeighbourSearch(points)(x, 2)
    for rows in (np.load(tmp_path / "points.npy", mmap_mode="r"), torch.tensor(points)):
        found = NeighbourSearch(rows)(torch.tensor(x), 2)
        np.testing.assert_array_equal(found.distances, expected.distances)
    data = Data("cloud", points, kind="vector")
    np.testing.assert_array_equal(NeighbourSearch(data)(x, 2).indices, NeighbourSearch(data[:])(x, 2).indices)


def test_events_of_any_shape_are_flattened() -> None:
    points = np.random.default_rng(0).standard_normal((50, 2, 3)).astype(np.float32)
    found = NeighbourSearch(points)(points[:5].reshape(5, 6), 2)
    np.testing.assert_array_equal(found.indices[:, 0], np.arange(5))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1e-30, 1e30, 1e37])
def test_units_do_not_matter(scale: float, dtype) -> None:
    generator = np.random.default_rng(5)
    points, x = generator.standard_normal((300, 3)), generator.standard_normal((20, 3))
    points, x = (points * scale).astype(dtype), (x * scale).astype(dtype)
    assert_found(NeighbourSearch(points)(x, 2), x, points, 2)


def test_an_outlier_does_not_hide_the_others(cloud) -> None:
    points, x = cloud
    points[17] = 1e30
    assert_found(NeighbourSearch(points)(x, 3), x, points, 3)


def test_bad_input_is_refused() -> None:
    points = np.zeros((4, 2))
    with pytest.raises(ValueError, match="point 2 holds nan at feature 1"):
        NeighbourSearch(np.array([[0.0, 0], [0, 0], [0, np.nan]]))
    with pytest.raises(ValueError, match="query 0 holds inf"):
        NeighbourSearch(points)(np.full((1, 2), np.inf))
    with pytest.raises(ValueError, match=r"points must be float32 or float64, got torch\.int64"):
        NeighbourSearch(np.zeros((3, 2), int))
    with pytest.raises(ValueError, match="events of 2 values as the points have, got 3"):
        NeighbourSearch(points)(np.zeros((1, 3)))
    with pytest.raises(ValueError, match="k must be at least 1"):
        NeighbourSearch(points)(points, 0)
    with pytest.raises(ValueError, match=r"own must hold one index per query, shape \(4,\)"):
        NeighbourSearch(points)(points, 1, np.zeros(3, int))
    with pytest.raises(ValueError, match="too large for float64 squares"):
        NeighbourSearch(np.array([[0.0], [1e200]]))(np.zeros((1, 1)))
    with pytest.raises(ValueError, match="rows must be a range within the 4 points"):
        NeighbourSearch(points, rows=range(2, 6))
    with pytest.raises(ValueError, match="one shape"):
        NeighbourSearch(points)(points, 1).merge(NeighbourSearch(points)(points, 2))


WORKER = """
import sys
import numpy as np
import torch.distributed as dist
from scorelens.core.nearest_neighbours import NeighbourSearch

folder, rank = sys.argv[1], int(sys.argv[2])
dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
found = NeighbourSearch.shared(np.load(f"{folder}/points.npy", mmap_mode="r"))(np.load(f"{folder}/x.npy"), 3)
np.savez(f"{folder}/found{rank}.npz", distances=found.distances, indices=found.indices)
dist.barrier()
dist.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes_find_what_one_finds(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    points, x = generator.standard_normal((501, 4)), generator.standard_normal((30, 4))
    np.save(tmp_path / "points.npy", points)
    np.save(tmp_path / "x.npy", x)
    workers = [subprocess.Popen([sys.executable, "-c", WORKER, str(tmp_path), str(rank)]) for rank in (0, 1)]
    assert [worker.wait(timeout=180) for worker in workers] == [0, 0]
    alone = NeighbourSearch.shared(points)(x, 3)
    for rank in (0, 1):
        found = np.load(tmp_path / f"found{rank}.npz")
        np.testing.assert_array_equal(found["distances"], alone.distances)
        np.testing.assert_array_equal(found["indices"], alone.indices)
