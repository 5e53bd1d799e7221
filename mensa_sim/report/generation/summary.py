"""`generation` in summary.json: the answer of a workload that generates."""

from dataclasses import asdict

from mensa_sim.io.json_text import present
from mensa_sim.study.generation.answer import Answer, PhaseFigures


def generation_summary(answer: Answer) -> dict[str, object]:
    """Plain JSON values; what there is none of, as times of steps where the prompt gives the only token, is absent.

    `weight_bytes_read` and `kv_bytes_read` are those of one decoding step, in the mean; `kv_bytes` is what the complete
    answer keeps.
    """
    growth = answer.growth_ps
    return present(
        {
            "prompt_tokens": answer.prompt_tokens,
            "new_tokens": answer.new_tokens,
            "conversations": answer.conversations,
            "speculation": None
            if answer.speculation is None
            else {**asdict(answer.speculation), "tokens_a_round": answer.speculation.tokens_a_round},
            "ttft_ps": answer.ttft_ps,
            "prefill_tokens_per_s": answer.prefill_tokens_per_s,
            "time_per_token_ps": _whole(answer.time_per_token_ps),
            "time_per_token_growth_ps": growth,
            "tokens_per_s": answer.tokens_per_s,
            "energy_per_token_pj": answer.energy_per_token_pj,
            "answer_ps": answer.latency_ps,
            "answer_energy_pj": answer.energy_pj,
            "answer_energy_by_component_pj": answer.energy_by_component_pj,
            "weight_bytes_read": _whole(answer.per_step(lambda step: step.weight_bytes)),
            "kv_bytes_read": _whole(answer.per_step(lambda step: step.kv_bytes)),
            "activation_bytes_moved": _whole(answer.per_step(lambda step: step.activation_bytes)),
            "kv_bytes": answer.kv_bytes,
            "weights_held_bytes": dict(answer.weights_held_bytes),
            "kv_held_bytes": dict(answer.kv_held_bytes),
            "kv_bytes_moved_to_steps": answer.moved_bytes,
            "layers_placed": {name: dict(layers) for name, layers in answer.placed.items()},
            "prompt": _phase(answer.prompt),
            "stretches": [
                {"steps": each.steps, "first": _phase(each.first), "last": _phase(each.last)}
                for each in answer.decoding
            ],
        }
    )


def _phase(figures: PhaseFigures) -> dict[str, object]:
    return {
        "context": figures.context,
        "latency_ps": round(figures.latency_ps),
        "energy_pj": figures.energy_pj,
        "weight_bytes": round(figures.weight_bytes),
        "kv_bytes": round(figures.kv_bytes),
        "activation_bytes": round(figures.activation_bytes),
    }


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
