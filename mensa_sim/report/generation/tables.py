"""The answer of a workload that generates, as a table, as cards and in summary.json."""

from collections.abc import Callable
from operator import attrgetter

from rich.console import RenderableType
from rich.text import Text

from mensa_sim.io.json_text import picked, plain, present
from mensa_sim.report.page.cards import Card
from mensa_sim.report.page.quantities import (
    BETTER,
    bytes_text,
    energy_text,
    engineering,
    factor_text,
    percent_text,
    time_text,
    tokens_text,
)
from mensa_sim.report.page.sheet import Sheet, known_text, numbers, texts
from mensa_sim.study.generation.answer import Answer, PhaseFigures
from mensa_sim.study.run.result import RunResult


def answers_of(result: RunResult) -> dict[str, Answer]:
    """The answers of a run by system, that of the baseline after that of the system; none where nothing generates."""
    found = {result.main.system: result.answer}
    if result.baseline is not None and result.baseline.system not in found:
        found[result.baseline.system] = result.baseline_answer
    return {system: answer for system, answer in found.items() if answer is not None}


def time_per_token_text(answer: Answer) -> str:
    """The mean time of a decoding step."""
    return known_text(answer.time_per_token_ps, lambda time_ps: time_text(round(time_ps)))


def rate_text(answer: Answer) -> str:
    """Tokens a second while decoding."""
    return known_text(answer.tokens_per_s, tokens_text)


def energy_per_token_text(answer: Answer) -> str:
    """Energy of a token while decoding."""
    return known_text(answer.energy_per_token_pj, energy_text)


def growth_text(answer: Answer) -> str:
    """How much slower a step gets with the context."""
    return known_text(answer.growth_ps, lambda ps: f"{time_text(round(1000 * ps))} for each 1000 tokens of context")


def _ratio(answers: list[Answer], figure: Callable[[Answer], float | None]) -> float | None:
    """How many times better the first is than the second; none where there is no second, or no such figure."""
    known = [value for value in map(figure, answers) if value]
    return known[1] / known[0] if len(known) > 1 else None


def answer_tables(result: RunResult) -> tuple[RenderableType, ...]:
    """The table of the answer and the line below it; nothing where nothing generates."""
    return (answer_table(result), Text()) if result.answer is not None else ()


def answer_table(result: RunResult) -> Sheet:
    """What the answer takes on the system and on the baseline, and how many times better the system is."""
    found = answers_of(result)
    rows = answer_rows(list(found.values()))
    roles = ("", " (baseline)")
    names = [f"{system}{role}" for system, role in zip(found, roles, strict=False)]
    title = answer_title(next(iter(found.values())))
    return Sheet([*texts(title), *numbers(*names, BETTER if len(found) > 1 else "")], rows)


def answer_title(answer: Answer) -> str:
    """What was asked for."""
    title = f"{answer.prompt_tokens} tokens of prompt, {answer.new_tokens} of answer"
    if answer.conversations > 1:
        title += f", {answer.conversations} conversations at once"
    if answer.speculation is not None:
        title += f", {answer.speculation.tokens} proposed by {answer.speculation.draft}"
    return title


def answer_rows(answers: list[Answer], *, ratio: bool = True) -> list[tuple[str, ...]]:
    """A row a figure, a column an answer, and where asked how many times better the first is than the second."""
    rows: list[tuple[str, ...]] = []

    def row(name: str, text: Callable[[Answer], str], figure: Callable[[Answer], float | None] | None = None) -> None:
        better = _ratio(answers, figure) if figure else None
        last = ("" if better is None else factor_text(better),) if ratio else ()
        rows.append((name, *map(text, answers), *last))

    row("time to first token", lambda each: time_text(each.ttft_ps), lambda each: each.ttft_ps)
    row("prompt rate", lambda each: tokens_text(each.prefill_tokens_per_s))
    row("time per token", time_per_token_text, lambda each: each.time_per_token_ps)
    row("  grows by", growth_text)
    row("decoding rate", rate_text)
    row("whole answer", lambda each: time_text(each.latency_ps), lambda each: each.latency_ps)
    row("energy per token", energy_per_token_text, lambda each: each.energy_per_token_pj)
    row("energy of answer", lambda each: energy_text(each.energy_pj), lambda each: each.energy_pj)
    for name, text in _BYTES.items():
        row(f"  read per step: {name}" if name != "activations" else "  moved per step: activations", text)
    row("keys and values held", lambda each: bytes_text(each.kv_bytes))
    row("weights held", lambda each: bytes_text(sum(each.weights_held_bytes.values())))
    speculation = answers[0].speculation
    if speculation is not None:
        expected = f"{speculation.tokens_a_round:.3g}"
        row("tokens a round", lambda each: known_text(each.speculation, lambda _: expected))
    return rows


def _bytes(answer: Answer, kind: str) -> str:
    return known_text(answer.per_step(attrgetter(kind)), bytes_text)


_BYTES: dict[str, Callable[[Answer], str]] = {
    "weights": lambda answer: _bytes(answer, "weight_bytes"),
    "keys and values": lambda answer: _bytes(answer, "kv_bytes"),
    "activations": lambda answer: _bytes(answer, "activation_bytes"),
}


def answer_text(system: str, answer: Answer) -> str:
    """The answer in a sentence."""
    text = (
        f"An answer of {answer.new_tokens} tokens to a prompt of {answer.prompt_tokens} takes "
        f"{time_text(answer.latency_ps)} and {energy_text(answer.energy_pj)} on {system}: the first token comes after "
        f"{time_text(answer.ttft_ps)}"
    )
    return f"{text}, the others at {rate_text(answer)}." if answer.steps else f"{text}."


def answer_cards(result: RunResult) -> list[Card]:
    """The headline figures of an answer, those of the baseline beside them."""
    found = answers_of(result)
    answers = list(found.values())

    def card(
        label: str, text: Callable[[Answer], str], figure: Callable[[Answer], float | None], more: str = ""
    ) -> Card:
        others = [f"{system}: {text(answer)}" for system, answer in list(found.items())[1:]]
        beside = "; ".join(filter(None, (more, *others)))
        return Card(label=label, value=text(answers[0]), ratio=_ratio(answers, figure), beside=beside)

    first = answers[0]
    share = first.prompt.latency_ps / first.latency_ps
    return [
        card("time to first token", lambda each: time_text(each.ttft_ps), lambda each: each.ttft_ps),
        card("time per token", time_per_token_text, lambda each: each.time_per_token_ps, rate_text(first)),
        card("energy per token", energy_per_token_text, lambda each: each.energy_per_token_pj, "while decoding"),
        card(
            "whole answer",
            lambda each: time_text(each.latency_ps),
            lambda each: each.latency_ps,
            f"{percent_text(share)} of it is the prompt",
        ),
        card("energy of the answer", lambda each: energy_text(each.energy_pj), lambda each: each.energy_pj),
        Card(
            label="memory held",
            value=bytes_text(first.kv_bytes + sum(first.weights_held_bytes.values())),
            beside=f"{bytes_text(first.kv_bytes)} of it keys and values; "
            f"{engineering(sum(first.weights_held_bytes.values()), 'B')} weights",
        ),
    ]


def generation_summary(answer: Answer) -> dict[str, object]:
    """Plain JSON values; what there is none of, as times of steps where the prompt gives the only token, is absent.

    `weight_bytes_read` and `kv_bytes_read` are those of one decoding step, in the mean; `kv_bytes` is what the complete
    answer keeps.
    """
    speculation, stretches = answer.speculation, answer.decoding
    return present(
        {
            **picked(answer, "prompt_tokens", "new_tokens", "conversations"),
            "speculation": None
            if speculation is None
            else {**plain(speculation), "tokens_a_round": speculation.tokens_a_round},
            **picked(answer, "ttft_ps", "prefill_tokens_per_s"),
            "time_per_token_ps": _whole(answer.time_per_token_ps),
            **picked(answer, "time_per_token_growth_ps=growth_ps", "tokens_per_s", "energy_per_token_pj"),
            **picked(answer, "answer_ps=latency_ps", "answer_energy_pj=energy_pj"),
            **picked(answer, "answer_energy_by_component_pj=energy_by_component_pj"),
            "weight_bytes_read": _whole(answer.per_step(lambda step: step.weight_bytes)),
            "kv_bytes_read": _whole(answer.per_step(lambda step: step.kv_bytes)),
            "activation_bytes_moved": _whole(answer.per_step(lambda step: step.activation_bytes)),
            **picked(answer, "kv_bytes", "weights_held_bytes", "kv_held_bytes", "kv_bytes_moved_to_steps=moved_bytes"),
            **picked(answer, "layers_placed=placed"),
            "prompt": _phase(answer.prompt),
            "stretches": [
                {"steps": each.steps, "first": _phase(each.first), "last": _phase(each.last)} for each in stretches
            ],
        }
    )


def _phase(figures: PhaseFigures) -> dict[str, object]:
    """Energy as it is, all else in whole numbers."""
    known = picked(figures, "context", "latency_ps", "energy_pj", "weight_bytes", "kv_bytes", "activation_bytes")
    return {name: value if name == "energy_pj" else round(value) for name, value in known.items()}


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
