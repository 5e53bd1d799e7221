"""The tensors that live in an accelerator's activation level from one unit to the next, of all requests under way."""

from mensa_sim.records import dataclass
from mensa_sim.simulate.engine.request import Request
from mensa_sim.simulate.plan.plan import PlannedUnit


@dataclass(frozen=True, slots=True, kw_only=True)
class Spill:
    """A tensor that has to go to memory because another request needs its room."""

    request: Request
    layer: str
    size_bytes: int


class Guests:
    """Who lives there between units, and what had to leave."""

    def __init__(self, capacity_bytes: int) -> None:
        self._capacity_bytes = capacity_bytes
        self.living: dict[Request, dict[int, int]] = {}
        """Bytes of each tensor by the unit that made it."""
        self._lent: dict[Request, set[int]] = {}
        """Those of them that live on only until others have read them over links."""

    def held_beside(self, request: Request) -> int:
        """Bytes of other requests' tensors."""
        return sum(sum(tensors.values()) for guest, tensors in self.living.items() if guest is not request)

    def make_room(self, request: Request, need_bytes: int) -> list[Spill]:
        """Tensors of others that leave so that a unit with its own tensors fits: those of the last in rank first."""
        others = [guest for guest in self.living if guest is not request]
        held_bytes = self.held_beside(request)
        spills: list[Spill] = []
        for guest in sorted(others, key=lambda guest: guest.rank, reverse=True):
            if need_bytes + held_bytes <= self._capacity_bytes:
                break
            for producer, size_bytes in self.living.pop(guest).items():
                layer = guest.plan.units[producer].layers[0]
                spills.append(Spill(request=guest, layer=layer, size_bytes=size_bytes))
                guest.spilled.add(producer)
                held_bytes -= size_bytes
        return spills

    def settle(self, request: Request, unit: PlannedUnit) -> None:
        """A unit has ended: what is read later stays, unless it left before."""
        home = unit.home
        lent = {} if home is None else {made: size for made, size in home.lends.items() if request.borrowers[made]}
        leaves = lent if home is None else {**home.leaves, **lent}
        living = {producer: size for producer, size in leaves.items() if producer not in request.spilled}
        if living:
            self.living[request], self._lent[request] = living, set(lent)
        else:
            self.living.pop(request, None)

    def give_back(self, request: Request, producer: int) -> None:
        """The last who reads a tensor over links has ended."""
        living = self.living.get(request, {})
        if producer in living and producer in self._lent[request]:
            del living[producer]
            if not living:
                del self.living[request]
