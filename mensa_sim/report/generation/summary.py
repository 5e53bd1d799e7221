"""`generation` in summary.json: the answer of a workload that generates."""

from mensa_sim.io.json_text import picked, plain, present
from mensa_sim.study.generation.answer import Answer, PhaseFigures


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
