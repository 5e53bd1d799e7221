"""The commands of studies: `decide`, `validate`, `reproduce`, `reproduce-pim`, `near-data` and `sensitivity`."""

from mensa_sim.cli.options import Delivery, Filed, Paged
from mensa_sim.cli.results import deliver, deliver_page, deliver_resumed
from mensa_sim.cli.steps import counting
from mensa_sim.errors import MensaError, UsageError
from mensa_sim.study.decide.request import DecideRequest
from mensa_sim.study.near_data.request import NearDataRequest, ReproducePimRequest
from mensa_sim.study.reproduce.request import ReproduceRequest
from mensa_sim.study.sensitivity.request import SensitivityRequest
from mensa_sim.study.validate.request import ValidateRequest


def decide(request: DecideRequest, told: Filed) -> None:
    """Which system is better for your workloads, by how much, how sure, and at which value does it turn?

    A run that was killed goes on where it was when it is asked for again with the same output folder.
    """
    from mensa_sim.api import decide as api

    deliver_resumed(api.decide.of, "-".join((*request.names, "decide")), request, told)


def validate(request: ValidateRequest, told: Delivery) -> None:
    """Hold predictions against measured silicon: published figures, a reference folder, or a file of your own."""
    from mensa_sim.api import validate as api

    asked = counting(request, quiet=told.quiet or told.as_json)
    result = deliver(lambda: api.validate.of(asked), told, told.output)
    if result.failures:
        kind = UsageError if any(failure.mistaken for failure in result.failures) else MensaError
        raise kind(f"{len(result.failures)} of {len(result.failures) + len(result.rows)} rows have no prediction")


def reproduce(request: ReproduceRequest, told: Filed) -> None:
    """Run the 24 models on the paper's systems and set every figure beside the paper's.

    A run that was killed goes on where it was when it is asked for again with the same output folder.
    """
    from mensa_sim.api import reproduce as api

    deliver_resumed(api.reproduce.of, "reproduce", request, told)


def sensitivity(request: SensitivityRequest, told: Filed) -> None:
    """Vary every constant and stated choice, one at a time and jointly: does the conclusion survive?

    A run that was killed goes on where it was when it is asked for again with the same output folder.
    """
    from mensa_sim.api import reproduce as api

    deliver_resumed(api.sensitivity.of, "sensitivity", request, told)


def reproduce_pim(request: ReproducePimRequest, told: Paged) -> None:
    """Set published gains of units in the memory beside ours against the same baselines, with the reasons."""
    from mensa_sim.api import reproduce as api

    deliver_page(api.reproduce_pim.of, request, told)


def near_data(request: NearDataRequest, told: Paged) -> None:
    """Say where units in the memory beat an NPU alone, by model, bits, context and limit of power, with intervals."""
    from mensa_sim.api import reproduce as api

    deliver_page(api.near_data.of, request, told)
