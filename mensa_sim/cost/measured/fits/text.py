"""A device's fits as the YAML file that a measured accelerator may name in place of a table."""

import dataclasses

from mensa_sim.cost.measured.fits.fit import DeviceFit
from mensa_sim.io.files import write_yaml


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
