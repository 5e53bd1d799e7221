"""The figures of an answer: tokens over time, time and bytes of a token against the context, energy of a token."""

from operator import attrgetter

from mensa_sim.report.generation.tables import answers_of, growth_text, rate_text
from mensa_sim.report.page.colours import BLUE, GREEN, ORANGE, looks
from mensa_sim.report.page.figure import Drawn, Figure, Trace, categories, figure, scatter, shown
from mensa_sim.report.page.quantities import bytes_text, percent_text, time_axis, time_text
from mensa_sim.report.run.energy import energy_figure, largest_component
from mensa_sim.study.generation.answer import Answer, PhaseFigures
from mensa_sim.study.run.result import RunResult

POINTS = 400
"""Of a curve over an answer: about what a screen resolves."""

_KINDS = {
    "weights": ("weight_bytes", BLUE),
    "keys and values": ("kv_bytes", ORANGE),
    "activations": ("activation_bytes", GREEN),
}
"""What crosses the memories in a step, in the order of its bars."""


def answer_figures(result: RunResult) -> dict[str, Drawn]:
    """Figures by name; none where nothing generates, and none of decoding where the prompt gives the only token."""
    answers = answers_of(result)
    if not answers:
        return {}
    found = {"tokens": Drawn(figure=tokens_figure(answers))}
    if next(iter(answers.values())).steps:
        found |= {
            "context": Drawn(figure=context_figure(answers)),
            "bytes": Drawn(figure=bytes_figure(answers)),
            "energy_per_token": Drawn(figure=energy_per_token_figure(answers)),
        }
    return found


def tokens_figure(answers: dict[str, Answer]) -> Figure:
    """How many tokens are there after which time: none until the prompt is read."""
    system, answer = next(iter(answers.items()))
    scale, unit = time_axis(max(each.latency_ps for each in answers.values()))
    traces = []
    for (name, each), look in zip(answers.items(), looks(answers).values(), strict=True):
        times, counts = _tokens(each)
        traces.append(
            scatter(
                name=shown(name),
                mode="lines",
                x=[time_ps / scale for time_ps in times],
                y=counts,
                line={"color": look.colour},
                customdata=[time_text(round(time_ps)) for time_ps in times],
                hovertemplate="%{fullData.name}: %{y} tokens after %{customdata}<extra></extra>",
            )
        )
    share = answer.prompt.latency_ps / answer.latency_ps
    title = (
        f"{system}: the first token comes after {time_text(answer.ttft_ps)}, {percent_text(share)} of the answer's time"
    )
    return figure(title, f"time ({unit})", "answer so far (tokens)", traces)


def _tokens(answer: Answer) -> tuple[list[float], list[int]]:
    """Times at which tokens are there, about as many as a screen resolves."""
    times, counts = [0.0, float(answer.ttft_ps), float(answer.ttft_ps)], [0, 0, 1]
    now, count = float(answer.ttft_ps), 1
    every = max(1, answer.steps // POINTS)
    for stretch in answer.decoding:
        for context in range(stretch.first.context, stretch.last.context + 1):
            now += stretch.at(context, attrgetter("latency_ps"))
            count += 1
            if count % every == 0 or count == answer.new_tokens:
                times.append(now)
                counts.append(count)
    return times, counts


def _ends(answer: Answer) -> list[PhaseFigures]:
    return [end for stretch in answer.decoding for end in (stretch.first, stretch.last)]


def context_figure(answers: dict[str, Answer]) -> Figure:
    """The time of a token against the tokens before it."""
    system, answer = next(iter(answers.items()))
    scale, unit = time_axis(max((end.latency_ps for each in answers.values() for end in _ends(each)), default=0))
    traces = [
        scatter(
            name=shown(name),
            mode="lines",
            x=[end.context for end in _ends(each)],
            y=[end.latency_ps / scale for end in _ends(each)],
            line={"color": look.colour},
            customdata=[time_text(round(end.latency_ps)) for end in _ends(each)],
            hovertemplate="%{fullData.name}: %{customdata} after %{x} tokens<extra></extra>",
        )
        for (name, each), look in zip(answers.items(), looks(answers).values(), strict=True)
    ]
    grows = f"grows by {growth_text(answer)}" if answer.growth_ps else "stays as it is"
    title = f"{system} decodes at {rate_text(answer)}; the time of a token {grows}"
    y = {"title": f"time per token ({unit})", "rangemode": "tozero"}
    return figure(title, "tokens in the cache (number)", y, traces)


def bytes_figure(answers: dict[str, Answer]) -> Figure:
    """What crosses the memories for a token, by what it is."""
    system, answer = next(iter(answers.items()))
    traces: list[Trace] = []
    for kind, (name, colour) in _KINDS.items():
        values = [each.per_step(attrgetter(name)) or 0.0 for each in answers.values()]
        traces.append(
            {
                "type": "bar",
                "name": kind,
                "orientation": "h",
                "y": [shown(label) for label in answers],
                "x": [value / 1e6 for value in values],
                "customdata": [bytes_text(value) for value in values],
                "hovertemplate": "%{y}<br>%{fullData.name}: %{customdata}<extra></extra>",
                "marker": {"color": colour},
            }
        )
    weights = answer.over_steps(lambda step: step.weight_bytes)
    total = weights + answer.over_steps(lambda step: step.kv_bytes + step.activation_bytes)
    title = f"{system}: {percent_text(weights / total if total else 0.0)} of what a token moves are weights"
    x = {"title": "bytes of a token, mean over the answer (MB)", "rangemode": "tozero"}
    return figure(title, x, {**categories("system"), "autorange": "reversed"}, traces, barmode="stack", bargap=0.35)


def energy_per_token_figure(answers: dict[str, Answer]) -> Figure:
    """Energy of a token while decoding, by component."""
    energies = {system: answer.energy_per_token_by_component_pj for system, answer in answers.items()}
    system = next(iter(energies))
    component, share = largest_component(energies[system])
    title = f"{system}: {percent_text(share)} of a token's energy goes to {component}"
    return energy_figure(title, energies, "a token, mean over the answer")
