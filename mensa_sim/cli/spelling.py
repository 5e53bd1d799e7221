"""Output where the terminal's encoding has no sign for what is printed: it is spelled, and nothing fails."""

import codecs

SPELLED = "mensa_sim.spelled"
"""The name of the error handler, for a stream's `errors`."""

_SPELLINGS = {"µ": "u", "×": "x", "²": "2", "³": "3", "…": "~", "±": "+-", "·": ".", "─": "-", "│": "|"}


def spelled(error: UnicodeError) -> tuple[str | bytes, int]:
    """The signs that an encoding lacks, as signs that every encoding has.

    >>> codecs.register_error(SPELLED, spelled)
    >>> "525 µs, 6 mm², 名".encode("ascii", errors=SPELLED)
    b'525 us, 6 mm2, ?'
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(_SPELLINGS.get(sign, "?") for sign in missing), error.end


codecs.register_error(SPELLED, spelled)
