"""Cutting arrays into blocks, and what a pass over a memory-mapped file leaves in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scorelens.core.blocks import check_finite, one_pass, row_blocks


@pytest.mark.parametrize("n_rows", [None, 1, 3, 7, 100])
def test_blocks_are_the_array_in_order(n_rows):
    x = np.arange(42.0).reshape(7, 3, 2)
    np.testing.assert_array_equal(np.concatenate(list(row_blocks(x, n_rows))), x)


def test_row_count_must_be_positive():
    with pytest.raises(ValueError, match="n_rows must be at least 1, got 0"):
        list(row_blocks(np.zeros((3, 2)), 0))


def test_a_pass_flattens_events_and_starts_afresh_each_time():
    x = np.arange(24.0).reshape(4, 1, 2, 3)
    for _ in range(2):
        chunks = list(one_pass(lambda: row_blocks(x, 3), (1, 2, 3)))
        np.testing.assert_array_equal(np.concatenate(chunks), x.reshape(4, 6))


def test_finite_check_counts_from_the_first_index():
    check_finite(np.ones((2, 2)), 5)
    with pytest.raises(ValueError, match="sample 6 holds nan at feature 0"):
        check_finite(np.array([[1.0, 2.0], [np.nan, np.inf]]), 5)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="resident pages are read from /proc")
def test_pages_of_a_mapped_file_are_given_back(tmp_path):
    def file_backed() -> int:
        line = next(li for li in Path("/proc/self/status").read_text().splitlines() if "RssFile" in li)
        return int(line.split()[1]) * 1024

    size = 64 * 2**20
    np.save(tmp_path / "x.npy", np.ones((size // 4096, 1024), np.float32))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    before = file_backed()
    total, most = 0.0, 0
    for block in row_blocks(mapped, 1024):
        total += float(block.sum())
        most = max(most, file_backed() - before)
    assert total == size / 4
    assert most < size / 4
