"""Fits the shipped GPUs anew from the NeuSight data set, and shows how a fit does on the other device.

    python tests/benchmarks/fit_gpus.py FOLDER_OF_THE_DATA_SET [--write]

Prints the mean error per operator on rows left out (each half predicted from the other) and the plain roofline's on the
same rows; then the error of each device's constants with the other's figures: as they are, with the clock that the
other's board power allows, and with that and the energy of its process node. `--write` replaces the shipped files.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cost"))

from gpu_rows import GPUS, carried, error_percent, gpu_rows, of_family

from mensa_sim.cost.measured.fits.fit import VECTOR_FAMILY, DeviceFit, fit_device
from mensa_sim.cost.measured.fits.text import fit_yaml
from mensa_sim.io.shipped import shipped_root


def main() -> None:
    folder = Path(sys.argv[1])
    timings = {name: gpu_rows(folder, gpu) for name, gpu in GPUS.items()}
    fits: dict[str, DeviceFit] = {}
    for name, gpu in GPUS.items():
        fit = fit_device(timings[name], device=gpu.name, dtype="float32", figures=gpu.figures, source=gpu.source)
        assert fit is not None
        fits[name] = fit
        for family, each in fit.operators.items():
            print(
                f"{name} {family}: {each.error_percent} %, roofline {each.roofline_error_percent} %, {each.rows} rows"
            )
        path = shipped_root() / "accelerator_specs" / "measured" / f"{name}.yaml"
        if "--write" in sys.argv:
            path.write_text(fit_yaml(fit))
        print(f"{path.name}: {'as shipped' if path.read_text() == fit_yaml(fit) else 'differs from the shipped file'}")
    for home, other in (("gpu_t4", "gpu_a100"), ("gpu_a100", "gpu_t4")):
        for family, fit_there in fits[home].operators.items():
            if family == VECTOR_FAMILY:
                continue
            rows, figures = of_family(timings[other], family), GPUS[other].figures
            at_power, at_node = (carried(fit_there, GPUS[home], GPUS[other], node=node) for node in (False, True))
            plainly, plain = error_percent(fit_there, figures, rows)
            errors = [plainly, *(error_percent(each, figures, rows)[0] for each in (at_power, at_node))]
            shown = ", ".join(f"{error:.1f}" for error in errors)
            print(f"{home} -> {other} {family}: {shown} %, roofline {plain:.1f} %")


if __name__ == "__main__":
    main()
