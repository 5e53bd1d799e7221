"""Quantities as people read them: three significant digits and a prefix."""

from mensa_sim.units import MW_PER_W, PJ_PER_J, PJ_PER_MJ, PJ_PER_UJ, PS_PER_MS, PS_PER_S, PS_PER_US, ps_to_seconds

PREFIXES = (
    (1e15, "P"),
    (1e12, "T"),
    (1e9, "G"),
    (1e6, "M"),
    (1e3, "k"),
    (1.0, ""),
    (1e-3, "m"),
    (1e-6, "µ"),
    (1e-9, "n"),
    (1e-12, "p"),
    (1e-15, "f"),
)


def engineering(value: float, unit: str) -> str:
    """A value with three significant digits and an SI prefix.

    >>> engineering(0.0123, "s"), engineering(4096, "MAC"), engineering(0, "J")
    ('12.3 ms', '4.1 kMAC', '0 J')
    """
    if value == 0:
        return f"0 {unit}"
    scale, prefix = next(((s, p) for s, p in PREFIXES if abs(value) >= s * 0.9995), (1e-18, "a"))
    digits = f"{value / scale:.3g}" if abs(value / scale) < 999.5 else f"{value / scale:.0f}"
    return f"{digits} {prefix}{unit}"


BETTER = "times better"
"""Heads a column of factors, of which one above 1 is to a system's credit, whatever the row is of."""


def factor_text(ratio: float) -> str:
    """How many times one thing is another.

    >>> factor_text(3.066), factor_text(0.93), factor_text(0.0007412), factor_text(123.4)
    ('3.07x', '0.93x', '0.000741x', '123x')
    """
    return f"{ratio_text(ratio)}x"


def ratio_text(ratio: float) -> str:
    """The same before the word "times": two places, or three digits of what is large or small.

    >>> f"{ratio_text(0.004588)} times the throughput"
    '0.00459 times the throughput'
    """
    if ratio >= 100:
        return f"{ratio:.0f}"
    return f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.3g}"


def time_text(time_ps: int) -> str:
    """A time.

    >>> time_text(2_500_000)
    '2.5 µs'
    """
    return engineering(ps_to_seconds(time_ps), "s")


TIME_UNITS = ((PS_PER_S, "s"), (PS_PER_MS, "ms"), (PS_PER_US, "µs"), (10**3, "ns"))


def time_axis(length_ps: float) -> tuple[int, str]:
    """What times in ps are divided by on an axis of that length, and the unit.

    >>> time_axis(2_500_000_000), time_axis(3)
    ((1000000000, 'ms'), (1000, 'ns'))
    """
    return next((each for each in TIME_UNITS if length_ps >= each[0]), TIME_UNITS[-1])


ENERGY_UNITS = ((PJ_PER_J, "J"), (PJ_PER_MJ, "mJ"), (PJ_PER_UJ, "µJ"), (10**3, "nJ"))


def energy_axis(largest_pj: float) -> tuple[int, str]:
    """What energies in pJ are divided by on an axis up to that one, and the unit.

    >>> energy_axis(2_500_000_000), energy_axis(3)
    ((1000000000, 'mJ'), (1000, 'nJ'))
    """
    return next((each for each in ENERGY_UNITS if largest_pj >= each[0]), ENERGY_UNITS[-1])


def energy_text(energy_pj: float) -> str:
    """An energy.

    >>> energy_text(1.5e9)
    '1.5 mJ'
    """
    return engineering(energy_pj / PJ_PER_J, "J")


def power_text(power_mw: float) -> str:
    """A power.

    >>> power_text(1250.0)
    '1.25 W'
    """
    return engineering(power_mw / MW_PER_W, "W")


def bytes_text(size_bytes: float) -> str:
    """A size in decimal bytes.

    >>> bytes_text(16_793_600)
    '16.8 MB'
    """
    return engineering(size_bytes, "B")


def tokens_text(tokens_per_s: float) -> str:
    """A rate of a language model, in three digits.

    >>> tokens_text(42_345.6), tokens_text(76.43)
    ('42,300 tokens/s', '76.4 tokens/s')
    """
    return f"{float(f'{tokens_per_s:.3g}'):,.12g} tokens/s"


def percent_text(share: float) -> str:
    """A share in percent.

    >>> percent_text(0.0123), percent_text(0.5)
    ('1.23 %', '50.0 %')
    """
    return f"{100 * share:.2f} %" if share < 0.1 else f"{100 * share:.1f} %"


PREFIXED = 1e4
"""A setting from which on a prefix is shorter than its digits: a choice."""


def setting_text(value: object, *, exact: bool = False) -> str:
    """A value that was set, a large number with a prefix, an `exact` one only where that says the same.

    >>> setting_text("1.2e+08"), setting_text(0.75), setting_text("true"), setting_text("itrs-hp"), setting_text(True)
    ('120 M', '0.75', 'true', 'itrs-hp', 'True')
    >>> setting_text(131072), setting_text(131072, exact=True), setting_text(128 * 10**9, exact=True)
    ('131 k', '131072', '128 G')
    >>> setting_text("1.44e+03")
    '1440'
    """
    text = str(value)
    try:
        number = float(text)
    except ValueError:
        return text
    if abs(number) < PREFIXED or (exact and float(f"{number:.3g}") != number):
        return f"{number:g}" if "e+" in text else text
    return engineering(number, "").strip()
