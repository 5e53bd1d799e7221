"""The lower left hull of energy and latency: which points it holds, and what is proved about all others.

Every call of a weighted solver gives a point and a half-plane that holds all points. A product of powers of energy and
latency is quasi-concave, so over the intersection of the half-planes it is least at a corner: that is the bound for
objectives such as `edp`, and the corner tells which weights to ask for next. The optimum is itself a corner of the hull
of all points, so an exact solver finds it exactly. (Supported points by bisection of weights: Aneja and Nair,
Management Science 25(1), 1979.)
"""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import field
from itertools import pairwise

from mensa_sim.records import dataclass
from mensa_sim.schedule.exact.weighted import Candidate, WeightedSolver

ROUNDING = 1e-9
"""Relative difference that counts as none: sums of doubles in different orders."""

Corner = tuple[float, float]
"""Latency and dynamic energy."""


@dataclass(frozen=True, slots=True)
class HalfPlane:
    """`energy_weight x dynamic energy + latency_weight x latency >= bound` holds for every feasible point."""

    energy_weight: float
    latency_weight: float
    bound: float

    def energy_at(self, latency_ps: float) -> float:
        """Least dynamic energy that it allows at a latency."""
        return (self.bound - self.latency_weight * latency_ps) / self.energy_weight

    def crossing(self, other: "HalfPlane") -> float:
        """The latency at which both allow the same energy."""
        own, its = self.latency_weight / self.energy_weight, other.latency_weight / other.energy_weight
        return (self.bound / self.energy_weight - other.bound / other.energy_weight) / (own - its)


@dataclass(slots=True)
class Front:
    """Points found so far, from the fastest to the one of least energy, and the half-planes proved."""

    solver: WeightedSolver
    candidates: list[Candidate] = field(default_factory=list)
    half_planes: list[HalfPlane] = field(default_factory=list)
    asked: set[tuple[float, float]] = field(default_factory=set)

    def ask(self, energy_weight: float, latency_weight: float) -> Candidate:
        """Solve for these weights and keep what it shows."""
        found = self.solver.minimise(energy_weight, latency_weight)
        self.asked.add((energy_weight, latency_weight))
        self.half_planes.append(HalfPlane(energy_weight, latency_weight, found.bound))
        self.candidates.append(found)
        return found

    def ask_ends(self) -> None:
        """The fastest schedule, and the one of least energy with leakage."""
        fastest = self.ask(0.0, 1.0)
        # Latencies are whole ps: this weight chooses among the fastest without ever paying 1 ps for energy.
        self.ask(0.5 / (1.0 + fastest.prediction.dynamic_pj), 1.0)
        self.ask(1.0, self.solver.problem.static_pj_per_ps)

    def points(self) -> list[Candidate]:
        """The candidates that no other one matches in latency and total energy, fastest first."""
        ranked = sorted(self.candidates, key=lambda c: (c.prediction.latency_ps, c.prediction.energy_pj))
        kept: list[Candidate] = []
        for candidate in ranked:
            if not kept or candidate.prediction.energy_pj < kept[-1].prediction.energy_pj * (1 - ROUNDING):
                kept.append(candidate)
        return kept

    def corners(self) -> list[Corner]:
        """Corners of the region that the half-planes leave, fastest first."""
        least_ps = max((h.bound / h.latency_weight for h in self.half_planes if not h.energy_weight), default=0.0)
        sloped = [h for h in self.half_planes if h.energy_weight]
        sloped.sort(key=lambda h: (-h.latency_weight / h.energy_weight, h.energy_at(least_ps)))
        hull: list[HalfPlane] = []
        for plane in sloped:
            while hull and _hides(plane, hull, least_ps):
                hull.pop()
            if (
                not hull
                or plane.latency_weight / plane.energy_weight < hull[-1].latency_weight / hull[-1].energy_weight
            ):
                hull.append(plane)
        latencies = [least_ps, *(one.crossing(two) for one, two in pairwise(hull))]
        return [(latency, plane.energy_at(latency)) for latency, plane in zip(latencies, hull, strict=True)]

    def normal(self, latency_ps: float) -> tuple[float, float] | None:
        """Weights under which the two found points around a latency are equal; none where they were asked before."""
        points = self.points()
        right = bisect_right([point.prediction.latency_ps for point in points], latency_ps)
        right = min(max(right, 1), len(points) - 1)
        if right < 1:
            return None
        fast, slow = points[right - 1].prediction, points[right].prediction
        if slow.dynamic_pj >= fast.dynamic_pj:
            return None
        weights = 1.0, (fast.dynamic_pj - slow.dynamic_pj) / (slow.latency_ps - fast.latency_ps)
        return None if weights in self.asked else weights


def _hides(plane: HalfPlane, hull: list[HalfPlane], least_ps: float) -> bool:
    """Whether the last plane of the hull lies nowhere above both its neighbours."""
    last = hull[-1]
    if plane.latency_weight / plane.energy_weight >= last.latency_weight / last.energy_weight:
        return plane.bound / plane.energy_weight > last.bound / last.energy_weight
    begin = hull[-2].crossing(last) if len(hull) > 1 else least_ps
    return plane.energy_at(begin) >= last.energy_at(begin)


def least_product(front: Front, value: Callable[[float, float], float], rounds: int) -> tuple[Candidate, float]:
    """The candidate with the least `value(energy, latency)` and a bound on all, after at most so many solves."""
    front.ask_ends()

    def own(candidate: Candidate) -> float:
        return value(candidate.prediction.dynamic_pj, candidate.prediction.latency_ps)

    for _ in range(rounds):
        best = min(front.candidates, key=own)
        latency_ps, dynamic_pj = min(front.corners(), key=lambda corner: value(corner[1], corner[0]))
        bound = value(dynamic_pj, latency_ps)
        if bound >= own(best) * (1 - ROUNDING):
            return best, own(best)
        weights = front.normal(latency_ps)
        if weights is None:
            return best, bound
        front.ask(*weights)
    best = min(front.candidates, key=own)
    return best, min(own(best), min(value(energy, latency) for latency, energy in front.corners()))
