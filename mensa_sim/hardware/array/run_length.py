"""Run-length coding of activations between an accelerator and its memory."""

from dataclasses import dataclass

from mensa_sim.ranges import at_least


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLength:
    """A word of memory holds pairs of a run of zeros and the value after it, as in Eyeriss (Chen et al., JSSC 2017)."""

    run_bits: int
    """Bits of a run: the longest has 2 to this power, less one, zeros."""
    word_bits: int
    """Bits of a word of pairs."""
    pairs: int
    """Pairs in a word."""

    def __post_init__(self) -> None:
        at_least(1, self, *self.__slots__, label="run_length")

    def share(self, element_bits: int, zeros: float) -> float:
        """Bits after coding over bits before, of elements of which that share are zeros at random; at most 1.

        A pair stands for a run and a value: of n elements at most, of (1 - zeros^n) / (1 - zeros) in the mean. What
        would grow crosses as it is.

        >>> code = RunLength(run_bits=5, word_bits=64, pairs=3)
        >>> [round(code.share(16, zeros), 3) for zeros in (0.0, 0.5, 0.75)]
        [1.0, 0.667, 0.333]
        """
        most = 2**self.run_bits
        elements = float(most) if zeros >= 1 else (1 - float(zeros**most)) / (1 - zeros)
        return min(1.0, self.word_bits / self.pairs / elements / element_bits)
