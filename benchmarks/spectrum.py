"""Spectrum of large arrays: time against scikit-learn's PCA in one process, accuracy, and resident memory.

    python benchmarks/spectrum.py            # the full sizes: some minutes on two cores, 5 GB of disk
    python benchmarks/spectrum.py --quick    # smaller sizes, to see that it runs

Prints Markdown tables. Both sides find the mean, all eigenvalues and all eigenvectors. Times are medians of
runs that alternate. The error of an eigenvalue is against scikit-learn's full singular value decomposition of
the same numbers in float64, over the largest eigenvalue, and relative for modes above 1e-6 of the largest.
Memory is measured in a process of its own that maps a file: the peak of its resident set (VmHWM, interpreter
and libraries included) and the peaks of the anonymous and file-backed parts above what they were before the
fit (RssAnon and RssFile, sampled every 5 ms). Linux only.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from scorelens.core.blocks import row_blocks
from scorelens.core.spectrum_fit import fit_spectrum

GIB = 2**30
SIZES = ((60_000, 784), (20_000, 3072))
QUICK_SIZES = ((8_000, 784), (4_000, 1024))
SOLVERS = ("full", "covariance_eigh")


def samples(n: int, d: int) -> np.ndarray:
    """Float32, shape ``(n, d)``: variances fall as ``k ** -1.5`` in a random frame; the mean is not zero."""
    rng = np.random.default_rng(0)
    frame = np.linalg.qr(rng.standard_normal((d, d)))[0] * np.arange(1, d + 1) ** -0.75
    mean = rng.uniform(-1, 1, d)
    x = np.empty((n, d), np.float32)
    for rows in row_blocks(x):
        rows[:] = mean + rng.standard_normal(rows.shape) @ frame.T
    return x


def ours(x: np.ndarray) -> np.ndarray:
    return fit_spectrum(lambda: row_blocks(x), x.shape[1:]).eigenvalues


def theirs(x: np.ndarray, solver: str) -> np.ndarray:
    from sklearn.decomposition import PCA

    variance = PCA(svd_solver=solver).fit(x).explained_variance_
    return variance.astype(np.float64) * (len(x) - 1) / len(x)


def timed(call: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    start = time.perf_counter()
    values = call()
    return time.perf_counter() - start, values


def compare(x: np.ndarray, repeats: int) -> Iterator[dict[str, Any]]:
    """One row per dtype and competitor, each run in turn ``repeats`` times."""
    truth = None
    for dtype in (np.float64, np.float32):
        data = x.astype(dtype)
        contenders = {"ours": ours} | {s: (lambda a, s=s: theirs(a, s)) for s in SOLVERS}
        runs: dict[str, list[tuple[float, np.ndarray]]] = {name: [] for name in contenders}
        for _ in range(repeats):
            for name, contender in contenders.items():
                runs[name].append(timed(lambda c=contender, a=data: c(a)))
        truth = runs["full"][0][1] if truth is None else truth
        seconds = {name: float(np.median([t for t, _ in run])) for name, run in runs.items()}
        for name, run in runs.items():
            error = np.abs(run[0][1] - truth)
            above = truth > 1e-6 * truth[0]
            yield {
                "array": f"{len(x):,} x {x.shape[1]} {np.dtype(dtype).name}",
                "method": "scorelens" if name == "ours" else f"PCA {name}",
                "seconds": f"{seconds[name]:.2f}",
                "time / ours": f"{seconds[name] / seconds['ours']:.2f}",
                "error / largest": f"{error.max() / truth[0]:.1e}",
                "relative error": f"{(error[above] / truth[above]).max():.1e}",
            }


def write_file(path: Path, gigabytes: float, dim: int) -> int:
    """An ``.npy`` file of float32 rows, written in chunks; returns the number of rows."""
    n_rows = int(gigabytes * 1e9 / (4 * dim))
    mapped = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(n_rows, dim))
    pattern = samples(8192, dim)
    for start in range(0, n_rows, len(pattern)):
        part = mapped[start : start + len(pattern)]
        part[:] = pattern[: len(part)] * np.float32(1 + start / n_rows)
    mapped.flush()
    return n_rows


def resident() -> dict[str, int]:
    """Bytes by kind of resident memory of this process, from the kernel."""
    lines = Path("/proc/self/status").read_text().splitlines()
    wanted = (line.split() for line in lines if line.startswith(("VmHWM", "RssAnon", "RssFile")))
    return {name.rstrip(":"): int(kib) * 1024 for name, kib, _ in wanted}


@contextmanager
def watched_peaks() -> Iterator[dict[str, int]]:
    """Peaks of each kind of resident memory within the block."""
    peaks, stop = resident(), threading.Event()

    def watch() -> None:
        while not stop.wait(0.005):
            for name, size in resident().items():
                peaks[name] = max(peaks[name], size)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peaks
    finally:
        stop.set()
        watcher.join()


def fit_mapped(path: str) -> dict[str, float]:
    """What the child process does: fit the mapped file and report seconds and memory."""
    mapped = np.load(path, mmap_mode="r")
    before = resident()
    with watched_peaks() as peaks:
        seconds, _ = timed(lambda: ours(mapped))
    growth = {name: (peaks[name] - before[name]) / GIB for name in ("RssAnon", "RssFile")}
    return growth | {"VmHWM": resident()["VmHWM"] / GIB, "seconds": seconds}


def memory(gigabytes: float, dim: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.npy"
        n_rows = write_file(path, gigabytes, dim)
        command = [sys.executable, __file__, "--fit-mapped", str(path)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {
        "mapped array": f"{n_rows:,} x {dim} float32, {gigabytes:g} GB",
        "seconds": f"{found['seconds']:.1f}",
        "peak resident (VmHWM)": f"{found['VmHWM']:.2f} GiB",
        "of it grown in the fit: anonymous": f"{found['RssAnon']:.2f} GiB",
        "file-backed": f"{found['RssFile']:.2f} GiB",
    }


def table(rows: list[dict[str, Any]]) -> str:
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + " --- |" * len(rows[0])]
    return "\n".join(lines + ["| " + " | ".join(row.values()) + " |" for row in rows]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Benchmark of the spectrum of large arrays.")
    parser.add_argument("--quick", action="store_true", help="smaller sizes, one repetition")
    parser.add_argument("--fit-mapped", metavar="FILE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fit_mapped:
        print(json.dumps(fit_mapped(options.fit_mapped)))
        return
    import sklearn

    threads = {f"{pool['internal_api']} {pool['num_threads']}" for pool in threadpool_info()}
    print(f"numpy {np.__version__}, scikit-learn {sklearn.__version__}, {platform.machine()}; ", end="")
    print(f"threads: {', '.join(sorted(threads))}\n")
    print(table([memory(0.5 if options.quick else 5.0, 784)]), flush=True)
    for n, d in QUICK_SIZES if options.quick else SIZES:
        repeats = 1 if options.quick else 3
        print(table(list(compare(samples(n, d), repeats))), flush=True)


if __name__ == "__main__":
    main()
