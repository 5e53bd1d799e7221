"""The channel: fair shares, exact ends, background behind demand."""

import math
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from mensa_sim.simulate.engine.channel import Transfer, channels_in_turns
from mensa_sim.simulate.engine.clock import Clock
from mensa_sim.units import PS_PER_S, transfer_ps

GB_PER_S = 10**9
starts_and_sizes = st.lists(st.tuples(st.integers(0, 20_000), st.integers(1, 40)), min_size=1, max_size=12)


def nobody_waits(now: int) -> None:
    """What happens at the end of a transfer that is looked at later."""


def run(bandwidth: float, jobs: list[tuple[int, int]], others: tuple[float, ...] = ()) -> list[Transfer]:
    """Start transfers of given sizes at given times; the transfers after the last has ended, in the order given.

    With `others` there are further ways that take turns with the first, and the transfers go over one after the other.
    """
    clock = Clock()
    ways = list(
        channels_in_turns(clock, {str(place): each for place, each in enumerate((bandwidth, *others))}).values()
    )
    transfers: dict[int, Transfer] = {}

    def start(index: int, at_ps: int, size: int):
        if at_ps:
            yield clock.timeout(at_ps)
        ended = clock.event()
        transfers[index] = ways[index % len(ways)].transfer(size, ended.succeed)
        yield ended
        assert clock.now_ps == transfers[index].end_ps

    for index, (at_ps, size) in enumerate(jobs):
        clock.process(start(index, at_ps, size))
    clock.run_until()
    return [transfers[index] for index in range(len(jobs))]


def shared_ends_ps(bandwidth: float, jobs: list[tuple[int, int]], others: tuple[float, ...] = ()) -> list[int]:
    """The same by stepping through all changes with exact fractions: the time is divided anew at whole ps."""
    rates = [Fraction(each) / PS_PER_S for each in (bandwidth, *others)]
    left = {index: Fraction(size) for index, (_, size) in enumerate(jobs)}
    ends: dict[int, int] = {}
    now = 0
    while left:
        active = [index for index in left if jobs[index][0] <= now]
        coming = [jobs[index][0] for index in left if jobs[index][0] > now]
        horizon = coming[:]
        if active:
            shares = {index: rates[index % len(rates)] / len(active) for index in active}
            horizon.append(now + math.ceil(min(left[index] / shares[index] for index in active)))
        then = min(horizon)
        for index in active:
            left[index] -= (then - now) * shares[index]
            if left[index] <= 0:
                ends[index] = then
                del left[index]
        now = then
    return [ends[index] for index in range(len(jobs))]


@given(st.sampled_from((1e9, 3e9, 24e9, 22.4e9, 7_777_777 * 0.7)), starts_and_sizes)
def test_transfers_end_when_an_exact_simulation_with_fractions_says(bandwidth, jobs):
    assert [each.end_ps for each in run(bandwidth, jobs)] == shared_ends_ps(bandwidth, jobs)


@given(st.sampled_from((1e9, 24e9, 7_777_777 * 0.7)), st.sampled_from(((8e9,), (3e9, 22.4e9))), starts_and_sizes)
def test_ways_that_take_turns_have_equal_parts_of_the_time_at_bandwidths_of_their_own(bandwidth, others, jobs):
    assert [each.end_ps for each in run(bandwidth, jobs, others)] == shared_ends_ps(bandwidth, jobs, others)


def test_what_is_prefetched_over_one_way_waits_for_demand_on_another():
    clock = Clock()
    outside, inside = channels_in_turns(clock, {"outside": 1e9, "inside": 4e9}).values()
    background = outside.prefetch(10)
    demand = inside.transfer(16, nobody_waits)
    clock.run_until(20_000)
    assert outside.cancel(background) == 10
    assert (demand.end_ps, background.end_ps) == (4000, 14000)


@given(st.sampled_from((1e9, 3e9, 22.4e9)), st.integers(1, 10**6))
def test_a_transfer_alone_takes_its_analytical_time(bandwidth, size):
    assert run(bandwidth, [(0, size)])[0].end_ps == transfer_ps(size, bandwidth)


@given(st.sampled_from((1e9, 3e9, 22.4e9)), st.integers(1, 10**6), st.integers(2, 9))
def test_equal_transfers_together_take_as_long_as_one_of_their_sum_and_end_as_they_came(bandwidth, size, count):
    clock, ends = Clock(), []
    channel = channels_in_turns(clock, {"ram": bandwidth})["ram"]
    for place in range(count):
        channel.transfer(size, lambda now, place=place: ends.append((now, place)))
    clock.run_until()
    assert ends == [(transfer_ps(count * size, bandwidth), place) for place in range(count)]


@given(starts_and_sizes)
def test_no_more_bytes_pass_than_the_bandwidth_allows(jobs):
    transfers = run(3e9, jobs)
    for start in {each.start_ps for each in transfers}:
        for end in {each.end_ps for each in transfers}:
            inside = sum(t.size_bytes for t in transfers if t.start_ps >= start and t.end_ps <= end)
            assert inside * PS_PER_S <= max(0, end - start) * 3 * GB_PER_S


def test_background_waits_while_demand_is_active_and_resumes_after():
    clock = Clock()
    channel = channels_in_turns(clock, {"ram": 1e9})["ram"]
    background = channel.prefetch(10)
    clock.run_until(4000)
    demand = channel.transfer(5, nobody_waits)
    clock.run_until(20_000)
    assert channel.cancel(background) == 10
    assert (demand.end_ps, background.end_ps) == (9000, 15000)


@given(starts_and_sizes, st.integers(1, 500_000))
def test_background_transfers_share_what_is_left_as_demands_would(jobs, until_ps):
    """Joined all at once, and looked at later: the ends are those that timers would have found."""
    sizes = [size for _, size in jobs]
    clock = Clock()
    channel = channels_in_turns(clock, {"ram": 22.4e9})["ram"]
    transfers = [channel.prefetch(size) for size in sizes]
    clock.run_until(until_ps)
    expected = shared_ends_ps(22.4e9, [(0, size) for size in sizes])
    passed = [channel.cancel(each) for each in transfers]
    for each, size, end_ps, moved in zip(transfers, sizes, expected, passed, strict=True):
        assert each.done == (end_ps <= until_ps)
        assert moved == size if each.done else moved < size
        assert each.end_ps == min(end_ps, until_ps)


@given(st.integers(1, 20), st.integers(0, 25_000))
def test_a_cancelled_transfer_says_how_many_whole_bytes_have_passed(size, at_ps):
    clock = Clock()
    channel = channels_in_turns(clock, {"ram": 1e9})["ram"]
    transfer = channel.prefetch(size)
    if at_ps:
        clock.run_until(at_ps)
    assert channel.cancel(transfer) == min(size, at_ps // 1000)
    other = channel.transfer(3, nobody_waits)
    clock.run_until()
    assert other.end_ps - other.start_ps == 3000


def test_a_transfer_looked_at_in_the_instant_of_its_end_has_passed_whole_and_not_more():
    """At 7 bytes in a ps: ten bytes end with the second ps, in which four more would have found room."""
    clock = Clock()
    channel = channels_in_turns(clock, {"ram": 7e12})["ram"]

    def looking():
        end = clock.timeout(2)
        transfer = channel.transfer(10, nobody_waits)
        yield end
        assert not transfer.done
        assert channel.moved_bytes(transfer) == 10

    clock.process(looking())
    clock.run_until()
