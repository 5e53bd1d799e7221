"""Plotly's script as every page carries it: packed once, and kept beside traced graphs."""

import base64
import functools
import zlib

from mensa_sim.io.store import Store, cache_folder, digest_of


@functools.cache
def packed_plotly() -> str:
    """Plotly's script as base 64 of its zlib stream, which a browser unpacks by itself: 2.2 MB of 4.8."""
    store = Store(cache_folder())
    entry = f"plotly-{digest_of(module=__name__, libraries=('plotly',))}"
    packed = store.get(entry)
    if packed is None:
        from plotly.offline import get_plotlyjs

        packed = base64.b64encode(zlib.compress(get_plotlyjs().encode()))
        store.put(entry, packed)
    return packed.decode("ascii")
