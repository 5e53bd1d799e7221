"""What `mensa-sim fit-devices` shows: devices fitted to published runs, and how far they are off on others."""

from collections.abc import Iterable, Mapping, Sequence

from mensa_sim.io.json_text import present
from mensa_sim.report.page.colours import BLUE, ORANGE
from mensa_sim.report.page.figure import Drawn, Figure, Trace, figure, padded, parity_figure, scatter, shown
from mensa_sim.report.page.plain import StudyText, plain_report
from mensa_sim.report.page.quantities import setting_text
from mensa_sim.report.page.sheet import Sheet, numbers, texts
from mensa_sim.study.devices.constants import USUAL, FittedDevice
from mensa_sim.study.devices.judge import (
    ANY_FORMAT,
    JUDGED_FIELDS,
    JUDGED_PAIRS,
    Judged,
    JudgedDevice,
    mean_of,
    of_halvings,
)
from mensa_sim.study.devices.study import DeviceStudy

JUDGED_TITLES = {
    "decoding": "time of a decoding step (ms)",
    "prompt": "time of a prompt (ms)",
    "energy": "energy of a token (mJ)",
}
"""What is drawn run by run."""
FORMAT_MARK = ", "
"""Before the format in the name of a device's weights."""


def _text(study: DeviceStudy) -> StudyText:
    rows = [
        (
            device.device,
            str(sum(each.halving == 0 for each in device.runs)),
            str(device.models),
            *_percents(map(device.error_percent, JUDGED_PAIRS)),
        )
        for device in study.devices
    ]
    fitted = [
        (
            f"{device.device}, {weights.rpartition(FORMAT_MARK)[2]}".removesuffix(FORMAT_MARK),
            *(setting_text(f"{getattr(found, each):.3g}") for each in USUAL),
        )
        for device in study.devices
        for weights, found in _constants(device).items()
    ]
    constants = numbers(*(each.replace("_", " ") for each in USUAL))
    columns = [*texts("device"), *numbers("runs", "models", *JUDGED_PAIRS)]
    return StudyText(
        finding=f"{_finding(study)}.",
        sheets={
            "Mean errors on runs that the constants were not fitted to": Sheet(columns, [*rows, *_means(study)]),
            "Fitted to all runs": Sheet([*texts("device, format"), *constants], fitted),
        },
        notes=(
            "decoding: time of a step; prompt: time of a prompt; energy: of a token; "
            "roofline: a step's bytes over the quoted bandwidth",
            *(f"passed over: {count} rows, {reason}" for reason, count in study.passed_over.items()),
        ),
    )


def _constants(device: JudgedDevice) -> Mapping[str, FittedDevice]:
    return {**device.fitted, **({} if device.of_any is None else {ANY_FORMAT: device.of_any})}


def _finding(study: DeviceStudy) -> str:
    found = [
        f"{name} {percent:.1f} %" for name in JUDGED_PAIRS if (percent := mean_of(study.devices, name)) is not None
    ]
    return f"Mean error over {len(study.devices)} devices, on runs kept apart: {', '.join(found)}"


def _means(study: DeviceStudy) -> list[tuple[str, ...]]:
    def row(name: str, percents: Iterable[float | None]) -> tuple[str, ...]:
        return (name, "", "", *_percents(percents))

    found = [row("mean of devices", (mean_of(study.devices, each) for each in JUDGED_PAIRS))]
    if study.boards_left_out:
        halves = [of_halvings(study.devices, each) for each in JUDGED_PAIRS]
        found += [
            row("mean of devices, least of the halvings", (min(each, default=None) for each in halves)),
            row("mean of devices, most of the halvings", (max(each, default=None) for each in halves)),
            row(
                "mean of devices, their board left out", (mean_of(study.boards_left_out, each) for each in JUDGED_PAIRS)
            ),
        ]
    return found


def _percents(percents: Iterable[float | None]) -> list[str]:
    return ["-" if percent is None else f"{percent:.1f} %" for percent in percents]


def judged_figures(study: DeviceStudy) -> dict[str, Drawn]:
    """Errors by device, and each run's prediction over what was measured; what nobody measured is absent."""
    height = 12 + 1.3 * len(study.devices)
    found = {"devices": Drawn(figure=_errors_figure(study.devices), wide=True, height_rem=height)}
    runs = [each for each in study.runs if each.halving == 0]
    for name, what in JUDGED_TITLES.items():
        both = [
            (each, one * 1e3, other * 1e3)
            for each in runs
            for one, other in (JUDGED_PAIRS[name](each),)
            if one and other
        ]
        if both:
            mean = mean_of(study.devices, name)
            traces = [_points("by runs kept apart", BLUE, both)]
            if name == "decoding":
                roofline = [(each, one, each.run.roofline_s * 1e3) for each, one, _ in both]
                traces.append(_points("roofline", ORANGE, roofline, symbol="diamond-open"))
            title = f"{name}: {mean:.1f} % off in the mean of devices"
            found[name] = Drawn(figure=parity_figure(title, what, traces), note="Each run once: of the first halving.")
    return found


def _points(name: str, colour: str, both: Sequence[tuple[Judged, float, float]], *, symbol: str = "circle") -> Trace:
    return scatter(
        name=name,
        mode="markers",
        x=[measured for _, measured, _ in both],
        y=[predicted for _, _, predicted in both],
        text=[shown(f"{each.run.model} on {each.run.kin.device}") for each, _, _ in both],
        hovertemplate="%{text}<br>measured %{x:.4g}, predicted %{y:.4g}<extra>%{fullData.name}</extra>",
        marker={"color": colour, "size": 7, "symbol": symbol},
    )


def _errors_figure(devices: Sequence[JudgedDevice]) -> Figure:
    """Each device's error on decoding, beside that of the plain roofline; the smallest first."""
    errors = {name: {each.device: each.error_percent(name) or 0.0 for each in devices} for name in JUDGED_PAIRS}
    ours, plain = errors["decoding"], errors["roofline"]
    ordered = sorted(filter(ours.get, ours), key=ours.__getitem__)
    traces = [
        scatter(
            name=name,
            mode="markers",
            x=[found[device] for device in ordered],
            y=list(map(shown, ordered)),
            marker={"size": 9, **look},
            hovertemplate="%{y}: %{x:.1f} %<extra>%{fullData.name}</extra>",
        )
        for name, found, look in (
            ("by runs kept apart", ours, {"color": BLUE}),
            ("roofline", plain, {"color": ORANGE, "symbol": "diamond-open"}),
        )
    ]
    better = sum(ours[device] < plain[device] for device in ordered)
    y = {"title": "device", "autorange": "reversed", "type": "category", "dtick": 1, "tickfont": {"size": 10}}
    title = f"decoding: nearer than the plain roofline on {better} of {len(ordered)} devices"
    return figure(title, padded("mean error of the time of a step (%)", traces, "x"), y, traces)


def _data(study: DeviceStudy) -> dict[str, object]:
    return {
        "devices": [
            {
                "device": device.device,
                "models": device.models,
                **present({f"{name}_percent": device.error_percent(name) for name in JUDGED_PAIRS}),
                "constants": {
                    weights: {each: getattr(constants, each) for each in USUAL}
                    for weights, constants in _constants(device).items()
                },
            }
            for device in study.devices
        ],
        "mean_percent": present({name: mean_of(study.devices, name) for name in JUDGED_PAIRS}),
        "passed_over": dict(study.passed_over),
    }


JUDGED_DEVICES = plain_report(
    title="Devices fitted to published runs",
    told=_text,
    figures=judged_figures,
    row_fields=JUDGED_FIELDS,
    records=lambda study: study.runs,
    data=_data,
)
