"""Fits to timing tables, kept beside traced graphs: a table's fit takes seconds, and only the table decides it."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

from mensa_sim.cost.measured.fits.fit import DeviceFit
from mensa_sim.io.files import validate
from mensa_sim.io.store import Store, cache_folder, digest_of


def kept_fit(table: Path, dtype: str, fit: Callable[[], DeviceFit | None]) -> DeviceFit | None:
    """The fit of a table's file at an element type from the cache, or made now and then kept; none stays none."""
    store = Store(cache_folder())
    entry = f"fit-{digest_of(table.name, dtype, files=[table], stage='cost', libraries=('numpy', 'scipy'))}"
    found = store.get_data(entry)
    if found is None:
        made = fit()
        store.put_data(entry, {"fit": None if made is None else dataclasses.asdict(made)})
        return made
    return None if found["fit"] is None else validate(found["fit"], DeviceFit, entry)
