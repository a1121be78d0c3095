"""Planted copies are found, fresh data are not accused, and every number agrees with brute force."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from scorelens.core.spectrum_fit import fit_spectrum
from scorelens.data import load
from scorelens.generalization.memorization import Estimate, examine_samples


def gaussian(n: int, seed: int, dim: int = 12) -> np.ndarray:
    """Correlated Gaussian events ``(n, dim)``."""
    return np.random.default_rng(seed).standard_normal((n, dim)) * np.linspace(0.4, 2, dim) + 1


def three_gaussians() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return gaussian(800, 0), gaussian(600, 1), gaussian(400, 2)


def three_parts_of_digits() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    images = load("digits")[:]
    order = np.random.default_rng(0).permutation(len(images))
    return tuple(images[order[part]] for part in (slice(900), slice(900, 1397), slice(1397, None)))


@pytest.fixture(scope="module", params=[three_gaussians, three_parts_of_digits], ids=["gaussian", "digits"])
def parts(request):
    """Training, held-out and fresh events."""
    return request.param()


def planted(train: np.ndarray, fresh: np.ndarray, share: float, noise: float):
    """``fresh`` with copies of training points in place of the first ``share``, and which these are."""
    n = round(share * len(fresh))
    draws = np.random.default_rng(3)
    origin = draws.choice(len(train), n, replace=False)
    copies = train[origin] + noise * train.std() * draws.standard_normal(train[origin].shape)
    return np.concatenate([copies.astype(fresh.dtype), fresh[n:]]), origin


@pytest.mark.parametrize("noise", [0.0, 0.03])
@pytest.mark.parametrize("share", [0.01, 0.05])
@pytest.mark.filterwarnings("ignore:.*are training points")
def test_planted_copies_are_found_and_nothing_else(parts, share: float, noise: float) -> None:
    train, held_out, fresh = parts
    samples, origin = planted(train, fresh, share, noise)
    found = examine_samples(samples, train, held_out)
    flagged = found.copies.flagged
    assert flagged[: len(origin)].all()
    np.testing.assert_array_equal(found.indices[: len(origin), 0], origin)
    assert found.copies.held_out_flagged == 0
    assert flagged[len(origin) :].sum() == 0
    assert found.copies.family_wise == pytest.approx(0.05)
    assert found.copies.share.low <= share <= found.copies.share.high + 0.01
    assert found.copies.p_value < 0.04
    assert found.n_exact == (len(origin) if noise == 0 else 0)


def test_fresh_data_are_not_accused(parts) -> None:
    train, held_out, fresh = parts
    found = examine_samples(fresh, train, held_out)
    assert found.copies.p_value > 0.01
    assert abs(found.copying.z) < 3.5
    assert found.distance_ratio.low < 1 < found.distance_ratio.high
    assert found.train_over_held_out.low < 1.05
    assert found.train_over_held_out.high > 0.95
    assert abs(found.closer_to_train.value - 0.5) < 0.12
    assert found.authenticity.share.low < found.authenticity.held_out.high
    assert found.authenticity.held_out.low < found.authenticity.share.high
    assert found.remarks == ()


def test_memorised_samples_are_told_by_every_number(parts) -> None:
    train, held_out, _ = parts
    few = train[:100]
    found = examine_samples(_noisy(few, 0.03), few, held_out)
    assert found.copies.share.low > 0.95
    assert found.copying.z < -10
    assert found.median_nearness.high < found.held_out_median_nearness.low / 2
    assert found.distance_ratio.high < 0.5
    assert found.train_over_held_out.high < 0.7
    assert found.closer_to_train.low > 0.9
    assert found.authenticity.share.high < 0.1 < found.authenticity.held_out.low


def _noisy(train: np.ndarray, noise: float) -> np.ndarray:
    shift = noise * train.std() * np.random.default_rng(8).standard_normal(train.shape)
    return (train + shift).astype(train.dtype)


def test_every_number_is_that_of_brute_force() -> None:
    train, held_out, samples = gaussian(90, 0, 3), gaussian(120, 1, 3), gaussian(70, 2, 3)
    found = examine_samples(samples, train, held_out, neighbour=3, n_cells=1)
    for x, distances, near in (
        (samples, found.distances, found.nearness),
        (held_out, found.held_out_distances, found.held_out_nearness),
    ):
        all_of_them = np.sort(cdist(x, train), axis=1)
        np.testing.assert_allclose(distances, all_of_them[:, :3], rtol=1e-12)
        np.testing.assert_allclose(near, all_of_them[:, 0] / all_of_them[:, 2], rtol=1e-12)
    own, fresh = cdist(samples, train), cdist(held_out, train)
    np.testing.assert_array_equal(found.indices, own.argsort(1)[:, :3])
    assert found.distance_ratio.value == pytest.approx(np.median(own.min(1)) / np.median(fresh.min(1)))
    among = cdist(train, train)
    np.fill_diagonal(among, np.inf)
    authentic = among.min(1)[own.argmin(1)] < own.min(1)
    np.testing.assert_array_equal(found.authenticity.authentic, authentic)
    assert found.authenticity.held_out.value == np.mean(among.min(1)[fresh.argmin(1)] < fresh.min(1))
    # 90 training points against 90 of the held-out ones.
    assert found.n_compared == 90
    assert 0.3 < found.closer_to_train.value < 0.7


def test_train_and_held_out_are_compared_at_equal_numbers() -> None:
    """Fresh samples are nearer to the larger set; only equal numbers make the share one half."""
    shares = []
    for seed in range(12):
        train, held_out, fresh = (gaussian(n, 3 * seed + i, 3) for i, n in enumerate((1500, 150, 200)))
        found = examine_samples(fresh, train, held_out, seed=seed)
        assert found.n_compared == 150
        shares.append(found.closer_to_train.value)
    error = np.std(shares, ddof=1) / np.sqrt(len(shares))
    assert abs(np.mean(shares) - 0.5) < 4 * error
    assert error < 0.03


def test_the_same_in_principal_components_and_features(parts) -> None:
    train, held_out, fresh = parts
    samples, origin = planted(train, fresh, 0.05, 0.02)
    spectrum = fit_spectrum(lambda: [train], train.shape[1:], n_modes=8)
    along = examine_samples(samples, train, held_out, features=spectrum)
    flat = [spectrum.project(part) for part in (samples, train, held_out)]
    np.testing.assert_allclose(
        along.distances, np.sort(cdist(flat[0], flat[1]), axis=1)[:, :2], rtol=1e-9, atol=1e-9
    )
    assert along.space == "8 principal components"
    mapped = examine_samples(samples, train, held_out, features=lambda x: 2 * x.flatten(1))
    plain = examine_samples(samples, train, held_out)
    np.testing.assert_allclose(mapped.distances, 2 * plain.distances, rtol=1e-6)
    np.testing.assert_array_equal(mapped.indices, plain.indices)
    assert plain.copies.flagged[: len(origin)].all()


def test_cells_do_not_change_the_verdict(parts) -> None:
    train, held_out, fresh = parts
    cells = examine_samples(_noisy(train[:200], 0.05), train, held_out, n_cells=4)
    assert len(cells.copying.cell_z) > 1
    assert cells.copying.z < -6
    assert abs(examine_samples(fresh, train, held_out, n_cells=4).copying.z) < 3.5


def test_equal_calls_give_equal_results() -> None:
    train, held_out, fresh = three_gaussians()
    first, second = (examine_samples(fresh, train, held_out, seed=5, n_cells=3) for _ in range(2))
    for field in dataclasses.fields(first):
        one, other = getattr(first, field.name), getattr(second, field.name)
        if isinstance(one, Estimate):
            assert one == other
    np.testing.assert_array_equal(first.distances, second.distances)
    assert first.distance_ratio == second.distance_ratio
    np.testing.assert_array_equal(first.copying.cell_z, second.copying.cell_z)


def test_training_data_given_as_samples_are_said() -> None:
    train, held_out, fresh = three_gaussians()
    with pytest.warns(UserWarning, match="all 50 samples are training points"):
        found = examine_samples(train[:50], train, held_out)
    assert found.n_exact == 50
    assert "given as samples by mistake" in found.remarks[0]
    with pytest.warns(UserWarning, match="2 of 400 samples are training points"):
        examine_samples(np.concatenate([train[:2], fresh[2:]]), train, held_out)
    with pytest.raises(ValueError, match="held-out points are training points"):
        examine_samples(fresh, train, train[:100])
    with pytest.warns(UserWarning, match="3 of 600 held-out points are training points"):
        examine_samples(fresh, train, np.concatenate([train[:3], held_out[3:]]))


def test_a_copy_stored_in_less_precision_is_a_copy() -> None:
    train, held_out, fresh = three_gaussians()
    samples = np.concatenate([train[:5], fresh[5:]]).astype(np.float32)
    with pytest.warns(UserWarning, match="5 of 400 samples"):
        found = examine_samples(samples, train, held_out)
    assert found.n_exact == 5


def test_other_kinds_of_rows_give_the_same(tmp_path) -> None:
    train, held_out, fresh = (part.astype(np.float32) for part in three_gaussians())
    np.save(tmp_path / "train.npy", train)
    plain = examine_samples(fresh, train, held_out, n_cells=2)
    for rows in (np.load(tmp_path / "train.npy", mmap_mode="r"), torch.tensor(train)):
        found = examine_samples(torch.tensor(fresh), rows, torch.tensor(held_out), n_cells=2)
        np.testing.assert_array_equal(found.distances, plain.distances)
        assert found.copying.z == plain.copying.z
    data = load("digits")
    train, held_out = data.split(0.3, seed=0)
    lazy = examine_samples(held_out[:100], train, held_out[np.arange(100, len(held_out))])
    eager = examine_samples(held_out[:100], train[:], held_out[np.arange(100, len(held_out))])
    np.testing.assert_array_equal(lazy.distances, eager.distances)


def test_images_of_another_range_are_refused_with_the_remedy() -> None:
    train, held_out, fresh = three_parts_of_digits()
    for samples, remedy in (
        ((fresh + 1) * 127.5, r"samples \* 0.00784314 - 1"),
        ((fresh + 1) / 2, r"samples \* 2 - 1"),
    ):
        with pytest.raises(ValueError, match=remedy):
            examine_samples(samples, train, held_out)
        examine_samples(samples, train, held_out, check_range=False)
    with pytest.warns(UserWarning, match="check that both are in the same units"):
        examine_samples(fresh * 7, train, held_out)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        examine_samples(fresh * 1.05, train, held_out)


def test_bad_input_is_refused() -> None:
    train, held_out, fresh = three_gaussians()
    with pytest.raises(ValueError, match=r"samples must have events of shape \(12,\).*got \(11,\)"):
        examine_samples(fresh[:, :11], train, held_out)
    with pytest.raises(ValueError, match="held_out must have events of shape"):
        examine_samples(fresh, train, held_out[:, :, None])
    with pytest.raises(ValueError, match="number of events in samples must be at least 10"):
        examine_samples(fresh[:9], train, held_out)
    with pytest.raises(ValueError, match="number of events in held_out must be at least 20"):
        examine_samples(fresh, train, held_out[:19])
    with pytest.raises(ValueError, match="number of events in train must be at least 3"):
        examine_samples(fresh, train[:2], held_out)
    with pytest.raises(ValueError, match="non-empty"):
        examine_samples(fresh[:0], train, held_out)
    with pytest.raises(TypeError, match=r"samples must hold float32 or float64.*got uint8"):
        examine_samples(fresh.astype(np.uint8), train, held_out)
    broken = fresh.copy()
    broken[3, 2] = np.nan
    with pytest.raises(ValueError, match="samples holds 1 non-finite"):
        examine_samples(broken, train, held_out)
    broken = train.copy()
    broken[30, 2] = np.inf
    with pytest.raises(ValueError, match="point 30 holds inf"):
        examine_samples(fresh, broken, held_out, check_range=False)
    with pytest.raises(ValueError, match="training event 30 holds a NaN or an infinity"):
        examine_samples(fresh, broken, held_out)
    with pytest.raises(ValueError, match="neighbour must be at least 2"):
        examine_samples(fresh, train, held_out, neighbour=1)
    with pytest.raises(ValueError, match="cannot be calibrated with 600 held-out points"):
        examine_samples(fresh, train, held_out, false_alarm=1e-4)
    with pytest.raises(ValueError, match="level must be > 0 and < 1"):
        examine_samples(fresh, train, held_out, level=95)
    with pytest.raises(ValueError, match=r"one row per event, shape \(400, ...\)"):
        examine_samples(fresh, train, held_out, features=lambda x: x.mean())
    with pytest.raises(ValueError, match="features hold a NaN"):
        examine_samples(fresh, train, held_out, features=lambda x: x.log())


WORKER = """
import sys
import numpy as np
import torch.distributed as dist
from scorelens.generalization.memorization import Estimate, examine_samples

folder, rank = sys.argv[1], int(sys.argv[2])
dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
sets = (np.load(f"{folder}/{name}.npy", mmap_mode="r") for name in ("samples", "train", "held_out"))
found = examine_samples(*sets, n_cells=2)
gaps = found.authenticity.authentic
np.savez(f"{folder}/{rank}.npz", distances=found.distances, indices=found.indices, authentic=gaps,
         numbers=[found.copying.z, found.train_over_held_out.value, found.distance_ratio.low])
dist.barrier()
dist.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes_examine_as_one(tmp_path) -> None:
    train, held_out, fresh = three_gaussians()
    samples = np.concatenate([_noisy(train[390:410], 0.01), fresh[20:]])
    for name, events in (("samples", samples), ("train", train), ("held_out", held_out)):
        np.save(tmp_path / f"{name}.npy", events)
    workers = [subprocess.Popen([sys.executable, "-c", WORKER, str(tmp_path), str(rank)]) for rank in (0, 1)]
    assert [worker.wait(timeout=180) for worker in workers] == [0, 0]
    alone = examine_samples(samples, train, held_out, n_cells=2)
    numbers = [alone.copying.z, alone.train_over_held_out.value, alone.distance_ratio.low]
    for rank in (0, 1):
        found = np.load(tmp_path / f"{rank}.npz")
        np.testing.assert_array_equal(found["distances"], alone.distances)
        np.testing.assert_array_equal(found["indices"], alone.indices)
        np.testing.assert_array_equal(found["authentic"], alone.authenticity.authentic)
        np.testing.assert_allclose(found["numbers"], numbers, rtol=1e-12)
