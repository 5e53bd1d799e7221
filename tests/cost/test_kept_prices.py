"""Prices on disk: what one command has priced no other prices again, and no result says whether it was found there."""

import math
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path

import pytest

from mensa_sim.cost.layer_cost import LayerCost, Priced, Traffic
from mensa_sim.cost.prices import kept as kept_module
from mensa_sim.cost.prices import together
from mensa_sim.cost.prices.kept import FILE, KeptPrices, bytes_of, priced_of
from mensa_sim.cost.prices.memo import PriceMemo
from mensa_sim.cost.prices.price import price
from mensa_sim.errors import MensaError
from mensa_sim.hardware.files import load_system
from mensa_sim.study.run.request import RunRequest
from mensa_sim.study.run.result import RunResult
from mensa_sim.study.run.run import run
from mensa_sim.workload.load import load_workload


class Seen(KeptPrices):
    """Prices on disk that remember what was put there."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.prices: dict[object, Priced] = {}

    def put(self, prices: Mapping[object, Priced]) -> None:
        self.prices |= prices
        super().put(prices)


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Mapping[object, Priced]:
    """What a convolutional and a recurrent model cost on accelerators of all kinds, and why one cannot run them."""
    seen = Seen(tmp_path_factory.mktemp("prices") / FILE)
    memo = PriceMemo(seen)
    for workload in ("small_cnn", "char_lstm"):
        for system in ("mensa_g", "edge_tpu", "eyeriss_v2"):
            price(load_workload(workload), load_system(system), memo=memo)
    tiny = load_system("edge_tpu", overrides=["accelerators.edge_tpu.levels.activation_buffer.capacity_bytes=1"])
    price(load_workload("small_cnn"), tiny, memo=memo)
    return seen.prices


def plain(value: object) -> object:
    """A value with the types of all that is in it, and the order of keys."""
    if isinstance(value, LayerCost | Traffic):
        return type(value), [plain(getattr(value, each.name)) for each in fields(value)]
    if isinstance(value, Mapping):
        return dict, [(plain(key), plain(each)) for key, each in value.items()]
    return type(value), [plain(each) for each in value] if isinstance(value, tuple) else value


def shared(priced: Priced) -> object:
    """Which residencies cost the same, in one record."""
    return isinstance(priced, str) or [[a is b for a in priced.values()] for b in priced.values()]


def test_a_price_comes_back_from_its_form_on_disk_to_the_last_bit(prices: Mapping[object, Priced]) -> None:
    assert {type(each) for each in prices.values()} == {str, dict}
    for priced in prices.values():
        again = priced_of(bytes_of(priced))
        assert plain(again) == plain(priced)
        assert shared(again) == shared(priced)


def test_the_form_on_disk_is_small(prices: Mapping[object, Priced]) -> None:
    costs = [each for each in prices.values() if isinstance(each, dict)]
    assert sum(len(bytes_of(each)) for each in costs) < 1000 * len(costs)


def test_whatever_field_a_cost_has_comes_back(prices: Mapping[object, Priced]) -> None:
    costs = next(each for each in prices.values() if isinstance(each, dict))
    (residency, cost), *_ = costs.items()
    told = replace(cost, caveats=("one", "two"), error_percent=2.5, stored_bytes=10**30, mapping_from="a.yaml: é")
    assert priced_of(bytes_of({residency: told})) == {residency: told}


def test_a_price_that_is_not_finite_is_not_kept_and_others_are(prices: Mapping[object, Priced], tmp_path: Path) -> None:
    costs = next(each for each in prices.values() if isinstance(each, dict))
    endless = {residency: replace(cost, gap=math.inf) for residency, cost in costs.items()}
    kept = KeptPrices(tmp_path / FILE)
    kept.put({"endless": endless, "finite": costs})
    assert kept.get(["endless", "finite"]) == {"finite": costs}


def test_prices_of_other_code_are_not_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = KeptPrices(tmp_path / FILE)
    kept.put({"pair": "why not"})
    assert kept.get(["pair"]) == {"pair": "why not"}
    monkeypatch.setattr(kept_module, "_made_by", lambda: "other code")
    assert KeptPrices(tmp_path / FILE).get(["pair"]) == {}


def outcome(request: RunRequest) -> tuple[object, ...]:
    """All that a run's result says, timelines included."""

    def told(result: RunResult) -> tuple[object, ...]:
        sides = (result.main, result.baseline)
        return tuple(
            None if side is None else (side.latency_ps, side.energy_by_component_pj, side.layers, side.timeline.spans)
            for side in sides
        )

    return told(run(request))


def test_a_run_is_the_same_cold_warm_without_and_over_a_damaged_file_and_warm_it_prices_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MENSA_SIM_CACHE", str(tmp_path))
    graph = load_workload("small_cnn")
    without = outcome(RunRequest(graph, cache=False))
    assert not (tmp_path / FILE).exists()
    cold = outcome(RunRequest(graph))
    whole = (tmp_path / FILE).read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(together, "price_layers", only_nothing)
        assert outcome(RunRequest(graph)) == cold
        with pytest.raises(MensaError, match="priced anew"):
            outcome(RunRequest(graph, objective="latency"))
    assert (tmp_path / FILE).read_bytes() == whole
    (tmp_path / FILE).write_bytes(whole[: len(whole) // 2])
    assert without == cold == outcome(RunRequest(graph))


def only_nothing(jobs: list[object], *_: object) -> list[Priced]:
    """Stands for pricing where all prices are known."""
    if jobs:
        raise MensaError("priced anew")
    return []
