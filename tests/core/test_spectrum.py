"""The spectrum as a value: its checks, projections and file; and the three ways to fit one."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from scorelens.core import spectrum_fit
from scorelens.core.blocks import row_blocks
from scorelens.core.eigen import fix_signs, leading_eigenpairs
from scorelens.core.gram import gram_spectrum
from scorelens.core.spectrum import Spectrum
from scorelens.core.spectrum_fit import fit_spectrum

RNG = np.random.default_rng(7)


def correlated(n: int, d: int, decay: float = 1.0, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    frame = np.linalg.qr(rng.standard_normal((d, d)))[0]
    return 3.0 + (rng.standard_normal((n, d)) * np.arange(1, d + 1) ** -decay) @ frame.T


def dense_truth(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values, vectors = np.linalg.eigh(np.cov(x.T, bias=True))
    return values[::-1], vectors[:, ::-1]


def small_spectrum() -> Spectrum:
    x = correlated(50, 6)
    return fit_spectrum(lambda: [x.reshape(50, 1, 2, 3)], (1, 2, 3))


# --- the value -------------------------------------------------------------------------------------------


def test_facts_of_a_truncated_spectrum():
    whole = small_spectrum()
    part = whole.truncated(2)
    assert (part.dim, part.n_modes, whole.n_modes) == (6, 2, 6)
    assert part.residual_variance == pytest.approx(whole.eigenvalues[2:].mean(), rel=1e-12)
    assert whole.residual_variance == 0.0
    with pytest.raises(ValueError, match="between 1 and 2"):
        part.truncated(3)


def test_projection_gives_uncorrelated_coordinates_of_the_named_variance():
    x = correlated(80, 6)
    spectrum = fit_spectrum(lambda: [x], (6,))
    coordinates = spectrum.project(x)
    np.testing.assert_allclose(np.cov(coordinates.T, bias=True), np.diag(spectrum.eigenvalues), atol=1e-12)
    np.testing.assert_allclose(coordinates @ spectrum.eigenvectors.T + spectrum.mean, x, atol=1e-12)


def test_projection_takes_events_and_flat_rows_and_refuses_the_rest():
    spectrum = small_spectrum()
    events = RNG.standard_normal((4, 1, 2, 3)).astype(np.float32)
    np.testing.assert_array_equal(spectrum.project(events), spectrum.project(events.reshape(4, 6)))
    for wrong in (events.transpose(0, 1, 3, 2), events[0], np.zeros(6)):
        with pytest.raises(ValueError, match="x must have shape"):
            spectrum.project(wrong)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mean": np.zeros(3)}, "mean must have shape"),
        ({"eigenvectors": np.eye(2)[:, :1]}, "eigenvectors must have shape"),
        ({"eigenvalue_error": np.zeros(1)}, "eigenvalue_error must have shape"),
        ({"eigenvalues": np.array([1.0, 2.0])}, "ascent after mode 0"),
        ({"eigenvalues": np.array([1.0, -0.1])}, "eigenvalues must be finite and >= 0"),
        ({"eigenvalues": np.array([np.nan, 0.0])}, "non-finite"),
        ({"n_samples": 1}, "one sample has no covariance"),
        ({"total_variance": np.inf}, "total_variance"),
        ({"event_shape": (3,)}, "must have shape"),
    ],
)
def test_what_is_no_spectrum_is_refused(change, message):
    good = {
        "mean": np.zeros(2),
        "eigenvalues": np.array([2.0, 1.0]),
        "eigenvectors": np.eye(2),
        "n_samples": 5,
        "total_variance": 3.0,
        "event_shape": (2,),
    }
    Spectrum(**good)
    with pytest.raises(ValueError, match=message):
        Spectrum(**(good | change))


# --- its file --------------------------------------------------------------------------------------------


def test_file_round_trip_is_exact(tmp_path):
    x = correlated(60, 12).reshape(60, 3, 2, 2)
    spectrum = fit_spectrum(lambda: [x], (3, 2, 2), n_modes=4, method="krylov")
    spectrum.save(tmp_path / "spectrum.safetensors")
    again = Spectrum.load(tmp_path / "spectrum.safetensors")
    for name in ("mean", "eigenvalues", "eigenvectors", "eigenvalue_error"):
        np.testing.assert_array_equal(getattr(again, name), getattr(spectrum, name))
    for name in ("n_samples", "total_variance", "event_shape", "method"):
        assert getattr(again, name) == getattr(spectrum, name)
    assert [path.name for path in tmp_path.iterdir()] == ["spectrum.safetensors"]


@pytest.mark.parametrize("damage", ["truncated", "flipped bit", "empty", "text", "other file"])
def test_damaged_file_is_named_with_the_remedy(tmp_path, damage):
    path = tmp_path / "spectrum.safetensors"
    small_spectrum().save(path)
    whole = path.read_bytes()
    path.write_bytes(
        {
            "truncated": whole[: len(whole) // 2],
            "flipped bit": whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:],
            "empty": b"",
            "text": b"not a spectrum at all",
            "other file": whole.replace(b'"kind":"spectrum"', b'"kind":"specimen"'),
        }[damage]
    )
    with pytest.raises(ValueError, match=r"spectrum\.safetensors.*not a whole spectrum file.*make it again"):
        Spectrum.load(path)


def test_missing_file_and_unwritable_folder_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.safetensors.*make it"):
        Spectrum.load(tmp_path / "nothing.safetensors")
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OSError, match=r"cannot write .*a\.safetensors.*check that folder"):
        small_spectrum().save(tmp_path / "file" / "a.safetensors")


def test_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "spectrum.safetensors"
    small_spectrum().save(path)
    before = path.read_bytes()

    def full_disk(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match=r"no space left to write .*free some disk space"):
        small_spectrum().truncated(1).save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


# --- fitting ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8, np.int16])
def test_covariance_route_is_numpys(dtype):
    x = (correlated(200, 12) * 20 + 40).astype(dtype)
    spectrum = fit_spectrum(lambda: row_blocks(x.reshape(200, 3, 2, 2), 33), (3, 2, 2))
    values, vectors = dense_truth(x.astype(np.float64))
    assert spectrum.method == "covariance"
    np.testing.assert_allclose(spectrum.mean, x.astype(np.float64).mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(spectrum.eigenvalues, values, rtol=1e-10)
    np.testing.assert_allclose(np.abs(spectrum.eigenvectors.T @ vectors), np.eye(12), atol=1e-8)
    assert spectrum.total_variance == pytest.approx(values.sum(), rel=1e-12)
    np.testing.assert_array_equal(spectrum.eigenvalue_error, 0)


@pytest.mark.parametrize("n_modes", [None, 5, 30])
def test_gram_route_is_the_covariance_route(n_modes):
    x = correlated(25, 40)
    gram = fit_spectrum(lambda: row_blocks(x, 10), (40,), n_modes=n_modes)
    full = fit_spectrum(lambda: row_blocks(x, 10), (40,), method="covariance")
    k = {None: 24}.get(n_modes, n_modes)
    assert (gram.method, full.method, gram.n_modes) == ("gram", "covariance", k)
    np.testing.assert_allclose(gram.eigenvalues, full.eigenvalues[:k], atol=1e-14)
    np.testing.assert_allclose(gram.eigenvectors.T @ gram.eigenvectors, np.eye(k), atol=1e-12)
    shared = min(k, 24)
    np.testing.assert_allclose(gram.eigenvectors[:, :shared], full.eigenvectors[:, :shared], atol=1e-9)
    assert gram.total_variance == pytest.approx(full.total_variance, rel=1e-13)
    np.testing.assert_allclose(gram.mean, full.mean, rtol=1e-14)


def test_gram_frame_is_orthonormal_with_repeated_and_constant_samples():
    x = np.repeat(correlated(4, 30), 3, axis=0)
    spectrum = gram_spectrum(x, (30,))
    assert spectrum.n_modes == 11
    np.testing.assert_allclose(spectrum.eigenvectors.T @ spectrum.eigenvectors, np.eye(11), atol=1e-12)
    assert (spectrum.eigenvalues[3:] < 1e-14).all()
    still = gram_spectrum(np.full((3, 5), 0.1), (5,))
    np.testing.assert_array_equal(still.eigenvalues, 0)
    np.testing.assert_allclose(still.eigenvectors.T @ still.eigenvectors, np.eye(2), atol=1e-12)


def test_constant_features_have_eigenvalue_zero_exactly():
    x = correlated(300, 8).astype(np.float32)
    x[:, 2], x[:, 5] = 0.1, -1.0
    spectrum = fit_spectrum(lambda: row_blocks(x, 50), (8,))
    np.testing.assert_array_equal(spectrum.eigenvalues[6:], 0)
    assert (spectrum.eigenvalues[:6] > 0).all()
    np.testing.assert_array_equal(spectrum.eigenvectors[[2, 5], :6], 0)
    np.testing.assert_allclose(spectrum.eigenvectors.T @ spectrum.eigenvectors, np.eye(8), atol=1e-12)


def test_krylov_route_bounds_its_error():
    x = correlated(400, 150, decay=0.8)
    spectrum = fit_spectrum(lambda: row_blocks(x, 64), (150,), n_modes=12, method="krylov", tolerance=1e-3)
    values, vectors = dense_truth(x)
    error = np.abs(spectrum.eigenvalues - values[:12])
    assert (error <= spectrum.eigenvalue_error).all()
    assert (spectrum.eigenvalue_error <= 1.001e-3 * spectrum.eigenvalues).all()
    assert (spectrum.eigenvalue_error > 0).all()
    np.testing.assert_allclose(np.abs(spectrum.eigenvectors.T @ vectors[:, :12]), np.eye(12), atol=0.05)
    assert spectrum.total_variance == pytest.approx(values.sum(), rel=1e-12)
    assert spectrum.residual_variance == pytest.approx(values[12:].mean(), rel=1e-3)


def test_krylov_route_is_deterministic_by_seed():
    x = correlated(100, 40)
    first, second, other = (
        fit_spectrum(lambda: [x], (40,), n_modes=3, method="krylov", seed=seed) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.eigenvectors, second.eigenvectors)
    assert not np.array_equal(first.eigenvectors, other.eigenvectors)


def test_krylov_route_warns_where_it_was_stopped():
    x = RNG.standard_normal((300, 200))
    with pytest.warns(UserWarning, match=r"did not reach tolerance 1e-05 in 3 passes.*raise max_passes"):
        spectrum = fit_spectrum(lambda: [x], (200,), n_modes=4, method="krylov", tolerance=1e-5, max_passes=3)
    error = np.abs(spectrum.eigenvalues - dense_truth(x)[0][:4])
    assert (error <= spectrum.eigenvalue_error).all()


def test_auto_chooses_by_dimension_and_sample_count(monkeypatch):
    monkeypatch.setattr(spectrum_fit, "LARGEST_COVARIANCE", 30)
    many, few = correlated(90, 40), correlated(20, 40)
    fit = fit_spectrum
    assert fit(lambda: [many], (40,), n_modes=2).method == "krylov"
    assert fit(lambda: [few], (40,), n_modes=2).method == "gram"
    assert fit(lambda: [many[:, :30]], (30,), n_modes=2).method == "covariance"
    assert fit(lambda: [many[:30, :30]], (30,), n_modes=2).method == "covariance"
    assert fit(lambda: [few[:, :30]], (30,), n_modes=2).method == "gram"
    monkeypatch.setattr(spectrum_fit, "LARGEST_GRAM", 20 * 40 - 1)
    assert fit(lambda: [few], (40,), n_modes=2).method == "krylov"
    with pytest.raises(ValueError, match=r"all 40 modes of 90 events.*pass n_modes"):
        fit(lambda: [many], (40,))


def test_memory_mapped_input_is_the_array(tmp_path):
    x = correlated(500, 10).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    expected = fit_spectrum(lambda: row_blocks(x, 64), (10,))
    found = fit_spectrum(lambda: row_blocks(mapped, 64), (10,))
    np.testing.assert_array_equal(found.eigenvectors, expected.eigenvectors)
    np.testing.assert_array_equal(found.eigenvalues, expected.eigenvalues)
    assert type(found.mean) is np.ndarray


@pytest.mark.parametrize("method", ["auto", "covariance", "gram", "krylov"])
def test_bad_data_are_refused_by_every_method(method):
    def fit(*blocks, shape=(4,), n_modes=1):
        return fit_spectrum(lambda: iter(blocks), shape, n_modes=n_modes, method=method)

    good = RNG.standard_normal((6, 4))
    fit(good)
    bad = good.copy()
    bad[3, 2] = np.nan
    with pytest.raises(ValueError, match=r"sample 9 holds nan at feature 2.*remove or repair"):
        fit(good, bad)
    bad[3, 2] = np.inf
    with pytest.raises(ValueError, match="sample 3 holds inf at feature 2"):
        fit(bad)
    with pytest.raises(ValueError, match="at least 2, got 1"):
        fit(good[:1])
    with pytest.raises(ValueError, match="at least 2, got 0"):
        fit()
    with pytest.raises(ValueError, match="every block must have shape"):
        fit(good, good[:, :3])
    with pytest.raises(ValueError, match="every block must have shape"):
        fit(good.reshape(6, 2, 2))
    with pytest.raises(TypeError, match="got dtype complex128"):
        fit(good + 1j)
    with pytest.raises(ValueError, match="between 1 and the dimension 4, got 5"):
        fit(good, n_modes=5)
    with pytest.raises(TypeError, match="must be a function"):
        fit_spectrum(good, (4,), method=method)  # type: ignore[arg-type]


def test_unknown_method_names_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'krylov'"):
        fit_spectrum(list, (2,), method="krilov")


def test_exhausted_iterator_is_found_out():
    x = correlated(60, 20)
    once = iter([x])
    with pytest.raises(ValueError, match=r"60 samples on its first call and 0 on a later one"):
        fit_spectrum(lambda: once, (20,), n_modes=2, method="krylov")


# --- eigenpairs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_modes", [1, 5, 40])
def test_leading_eigenpairs_with_either_driver(n_modes):
    matrix = np.cov(correlated(100, 40).T)
    values, vectors = leading_eigenpairs(matrix, n_modes)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(matrix)[::-1][:n_modes], rtol=1e-10)
    np.testing.assert_allclose(matrix @ vectors, vectors * values, atol=1e-13)


def test_rounding_below_zero_is_clipped():
    factor = RNG.standard_normal((30, 4))
    assert (leading_eigenpairs(factor @ factor.T, 30)[0] >= 0).all()


def test_signs_do_not_depend_on_the_input_signs():
    vectors = np.linalg.qr(RNG.standard_normal((9, 5)))[0]
    flips = np.array([1, -1, -1, 1, -1])
    np.testing.assert_array_equal(fix_signs(vectors), fix_signs(vectors * flips))
    # A tie up to rounding: the first of the equal entries decides.
    tie = np.array([[-1.0], [1.0 + 1e-15]]) / np.sqrt(2)
    assert fix_signs(tie)[0, 0] > 0


def test_no_runtime_warning_on_constant_data():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x = np.full((10, 4), 0.3)
        for method in ("covariance", "gram", "krylov"):
            spectrum = fit_spectrum(lambda: [x], (4,), n_modes=2, method=method)
            np.testing.assert_array_equal(spectrum.eigenvalues, 0)
            gram = spectrum.eigenvectors.T @ spectrum.eigenvectors
            np.testing.assert_allclose(gram, np.eye(2), atol=1e-12)


def test_a_copied_feature_has_no_variance_of_its_own():
    rng = np.random.default_rng(3)
    independent = rng.standard_normal((500, 6))
    data = np.concatenate([independent, independent[:, :2] + independent[:, 2:4]], axis=1)
    eigenvalues = fit_spectrum(lambda: [data], (8,)).eigenvalues
    assert np.all(eigenvalues[:6] > 0.1)
    assert np.all(eigenvalues[6:] == 0)
