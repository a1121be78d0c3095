"""Gain laws of products of layers: the more a mode has learned, the faster it learns."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace

import numpy as np

from scorelens.dynamics import gain_law
from scorelens.dynamics.laws.constant_start import ConstantStartLaw
from scorelens.dynamics.laws.course import Course
from scorelens.dynamics.laws.sampling_integral import QuadratureLaw
from scorelens.dynamics.values import Values


class ProductOfLayers(ConstantStartLaw, QuadratureLaw):
    """``d gain / d flow_time = pace (eigenvalue - (eigenvalue + noise_variance) gain) |gain|^power``.

    ``power`` is 0 or from 1 to 2 (learning dynamics (9.1)). With a positive power no gain crosses 0: one that
    starts at 0 stays, and one that starts below returns to 0 and is stuck there.
    """

    initial_gain: Values

    @property
    @abstractmethod
    def pace(self) -> float:
        """Rate per unit of flow time, before its dependence on the mode and the gain."""

    @property
    @abstractmethod
    def power(self) -> float:
        """Power of the gain that its own motion is proportional to."""

    @property
    def start(self) -> np.ndarray:
        return np.asarray(self.initial_gain)

    @property
    def never_learns(self) -> np.ndarray:
        return (self.start <= 0.0) & (self.power > 0.0)

    def evolve(
        self,
        gain: Values,
        eigenvalue: Values,
        noise_variance: Values,
        flow_time: Values,
    ) -> np.ndarray:
        course = Course.of(self.pace, self.power, gain, eigenvalue, noise_variance)
        remaining = np.exp(-course.way(flow_time))
        rising = course.target * course.share(remaining)
        return np.where(course.below, rising, course.target - course.gap * remaining)

    def change(self, eigenvalue: Values, noise_variance: Values, flow_time: Values) -> np.ndarray:
        course = self._course(eigenvalue, noise_variance)
        way = course.way(flow_time)
        return -course.gap * np.expm1(-way) * course.share(np.exp(-way))

    def log_gap(
        self,
        eigenvalue: Values,
        noise_variance: Values,
        flow_time: Values,
    ) -> tuple[np.ndarray, np.ndarray]:
        course = self._course(eigenvalue, noise_variance)
        way = course.way(flow_time)
        grown = np.log1p(course.odds) + np.log(course.share(np.exp(-way)))
        size = gain_law.log_abs(course.gap) - way + grown
        return np.broadcast_to(-np.sign(course.gap), size.shape), size

    def travel_time(
        self,
        gain: Values,
        way: Values,
        left: Values,
        eigenvalue: Values,
        noise_variance: Values,
    ) -> np.ndarray:
        given = (np.asarray(value, dtype=float) for value in (gain, way, left, eigenvalue, noise_variance))
        gain, way, left, modes, noise = np.broadcast_arrays(*given)
        ahead = gain_law.same_sign(way, left) & ((gain != 0.0) | (self.power == 0.0))
        time = np.where(way == 0.0, 0.0, np.inf)
        gain, way, left, modes, noise = (value[ahead] for value in (gain, way, left, modes, noise))
        course = Course.of(self.pace, self.power, gain, modes, noise)
        course = replace(course, gap=way + left)
        grown = np.log1p(np.where(course.below, way, 0.0) / np.where(course.below, gain, 1.0))
        time[ahead] = course.elapsed(gain_law.log_passed(way, left) + grown)
        return time

    def speed(self, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        course = self._course(eigenvalue, noise_variance)
        return np.where(self.never_learns, 0.0, self.pace * course.total * course.optimum**self.power)

    def mobility(self, gain: Values, eigenvalue: Values, noise_variance: Values) -> np.ndarray:
        return self.pace * np.abs(gain) ** self.power  # (9.1)

    def steepness(self, log_sigma: np.ndarray) -> np.ndarray:
        return np.full_like(log_sigma, 2.0)

    def _course(self, eigenvalue: Values, noise_variance: Values) -> Course:
        return Course.of(self.pace, self.power, self.start, eigenvalue, noise_variance)
