"""Fits the shipped GPUs anew from the NeuSight data set, and shows how a fit does on the other device.

    python tests/benchmarks/fit_gpus.py FOLDER_OF_THE_DATA_SET [--write]

Prints the mean error per operator on rows left out (each half predicted from the other) and the plain roofline's on the
same rows; then of the constants that both devices have in common, with each device predicted from the other alone.
`--write` replaces the shipped files.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cost"))

from gpu_rows import ACROSS, GPUS, fits_across, gpu_rows

from mensa_sim.cost.measured.fits.fit import DeviceFit, fit_device, fit_yaml
from mensa_sim.io.shipped import shipped_root


def main() -> None:
    folder = Path(sys.argv[1])
    timings = {name: gpu_rows(folder, gpu) for name, gpu in GPUS.items()}
    for name, gpu in GPUS.items():
        fit = fit_device(timings[name], device=gpu.name, dtype="float32", figures=gpu.figures, source=gpu.source)
        assert fit is not None
        for family, each in fit.operators.items():
            print(
                f"{name} {family}: {each.error_percent} %, roofline {each.roofline_error_percent} %, {each.rows} rows"
            )
        write(fit, name)
    for library, fit in fits_across(timings, [family for group in ACROSS for family in group]).items():
        for family, each in fit.operators.items():
            errors = f"{each.error_percent} %, roofline {each.roofline_error_percent} %"
            print(f"{library} {family} from the other device: {errors}, {each.rows} rows")
        write(fit, library)


def write(fit: DeviceFit, name: str) -> None:
    """The shipped file, if it is asked for, and whether it is the same."""
    path = shipped_root() / "accelerator_specs" / "measured" / f"{name}.yaml"
    if "--write" in sys.argv:
        path.write_text(fit_yaml(fit))
    print(f"{path.name}: {'as shipped' if path.read_text() == fit_yaml(fit) else 'differs from the shipped file'}")


if __name__ == "__main__":
    main()
