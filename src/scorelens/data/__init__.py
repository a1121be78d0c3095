"""Where x_0 comes from: digits, synthetic, arrays, image folders, parquet, saved Hugging Face datasets."""

from scorelens.data.base import Data
from scorelens.data.load import ALL, load
from scorelens.data.source import Source

__all__ = ["ALL", "Data", "Source", "load"]
