"""`--set` beside a baseline: a technology that both use is one, a field of one accelerator is that one's alone."""

import pytest

import mensa_sim as ms
from mensa_sim.errors import UsageError
from mensa_sim.hardware.files import load_system
from mensa_sim.hardware.overrides import held_overrides, shared_overrides

DEAR = "technology.mac_pj_8_bit=1.6"
SLOW = "accelerators.pascal.clock_hz=1000000000"
NARROW = "memories.stacked.efficiency=0.01"


def mac_pj(result: ms.Run, side: str) -> float:
    return float(getattr(result, side).energy_by_component_pj["mac"])


def test_a_shared_technology_is_dearer_on_both_sides_and_so_it_says() -> None:
    plain, dear = ms.run("mnist_cnn"), ms.run("mnist_cnn", overrides=[DEAR])
    for side in ("main", "baseline"):
        assert mac_pj(dear, side) == pytest.approx(8 * mac_pj(plain, side))
    assert dear.summary()["changes"] == [{"set": DEAR, "systems": ["mensa_g", "edge_tpu"]}]
    for text in (str(dear), dear.files()["report.html"]):
        assert f"--set {DEAR} holds on mensa_g and edge_tpu" in text
    assert "changes" not in plain.summary()


def test_a_field_of_one_accelerator_leaves_the_baseline_as_it_is() -> None:
    plain, slow = ms.run("mnist_cnn", system="pascal"), ms.run("mnist_cnn", system="pascal", overrides=[SLOW])
    assert slow.main.latency_ps > plain.main.latency_ps
    assert slow.baseline.latency_ps == plain.baseline.latency_ps
    assert f"--set {SLOW} holds on pascal alone" in str(slow)


def test_a_system_beside_itself_changes_on_one_side() -> None:
    texts = ["accelerators.edge_tpu.clock_hz=240000000", "accelerators.edge_tpu.technology.mac_pj_8_bit=1.6"]
    result = ms.run("mnist_cnn", system="edge_tpu", overrides=texts)
    assert result.main.latency_ps > result.baseline.latency_ps
    assert mac_pj(result, "main") == pytest.approx(8 * mac_pj(result, "baseline"))


def test_a_technology_of_another_file_is_left_alone() -> None:
    main, other = load_system("mensa_g"), load_system("eyeriss_v1")
    assert main.accelerators[0].spec.technology != other.accelerators[0].spec.technology
    assert shared_overrides([DEAR], main, other) == ()
    assert shared_overrides([DEAR, SLOW], main, load_system("base_hb")) == (DEAR,)


def test_a_comparison_sets_a_field_where_it_is() -> None:
    plain, slow = (ms.compare("mnist_cnn", ["edge_tpu", "mensa_g"], overrides=texts) for texts in ([], [NARROW]))
    assert slow.systems["mensa_g"].latency_ps > plain.systems["mensa_g"].latency_ps
    assert slow.systems["edge_tpu"].latency_ps == plain.systems["edge_tpu"].latency_ps
    assert slow.summary()["changes"] == [{"set": NARROW, "systems": ["mensa_g"]}]
    assert f"--set {NARROW} holds on mensa_g alone" in str(slow)


def test_a_comparison_refuses_what_none_of_its_systems_has_and_a_bad_value_where_one_has_it() -> None:
    with pytest.raises(UsageError, match="unknown accelerator 'pascall'"):
        ms.compare("mnist_cnn", ["edge_tpu", "mensa_g"], overrides=["accelerators.pascall.clock_hz=1"])
    with pytest.raises(UsageError, match="clock_hz"):
        ms.compare("mnist_cnn", ["edge_tpu", "mensa_g"], overrides=["accelerators.pascal.clock_hz=-1"])


@pytest.mark.parametrize(
    ("text", "held"),
    [
        (DEAR, "111"),
        ("memories.stacked.efficiency=0.5", "010"),
        ("host.board_mw=5", "001"),
        ("links.0.latency_ps=5", "010"),
        ("nothing.there=1", "111"),
    ],
)
def test_what_each_system_holds(text: str, held: str) -> None:
    systems = ["edge_tpu", "mensa_g", "coral_usb3"]
    assert "".join(str(len(each)) for each in held_overrides([text], systems)) == held
