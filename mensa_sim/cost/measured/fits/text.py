"""A device's fits as the YAML file that a measured accelerator may name in place of a table."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

from mensa_sim.cost.measured.fits.fit import DeviceFit
from mensa_sim.io.files import validate, write_yaml
from mensa_sim.io.store import Store, cache_folder, digest_of


def fit_yaml(fit: DeviceFit) -> str:
    """The file's text: constants, rows and errors of each family, and no row of the measurements."""
    data = dataclasses.asdict(fit)
    data["figures"] = {name: value for name, value in data["figures"].items() if value is not None}
    data["operators"] = {
        family: {**each, "constants": dict(each["constants"])} for family, each in data["operators"].items()
    }
    header = (
        "# Constants fitted to measured kernels by `mensa-sim calibrate`; "
        "their meaning: mensa_sim/cost/measured/fits/model.py\n"
        "# error_percent: mean error on rows left out, beside that of the plain roofline of the figures.\n"
    )
    return header + write_yaml(data)


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
