"""One operator call of a traced graph, as handlers see it: named arguments, tensors of the builder, results."""

from collections.abc import Callable, Mapping
from typing import Any

from mensa_sim.errors import TraceError
from mensa_sim.records import dataclass
from mensa_sim.workload.build.operation import Role, Spot, Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Spot):
    """An ATen call: `arguments` by the names of its schema, defaults filled in, tensors as `Tensor`."""

    target: str
    """The overload, such as `aten.add.Tensor`."""
    arguments: Mapping[str, Any]
    results: tuple[Tensor, ...]

    @property
    def operator(self) -> str:
        """The operator's own name, such as `add`."""
        return self.target.split(".")[1].strip("_")

    @property
    def result(self) -> Tensor:
        """The first result."""
        return self.results[0]

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]

    def get(self, name: str, default: Any = None) -> Any:
        """An argument, or the default where the schema has none of that name."""
        value = self.arguments.get(name)
        return default if value is None else value

    def tensor(self, name: str) -> Tensor:
        """An argument that must be a tensor."""
        value = self.arguments.get(name)
        if not isinstance(value, Tensor):
            raise TraceError(f"{self.site.node} ({self.target}): argument {name} is not a tensor")
        return value

    @property
    def operands(self) -> tuple[Tensor, ...]:
        """Every tensor among the arguments, lists included, in order."""
        found: list[Tensor] = []
        for value in self.arguments.values():
            for item in value if isinstance(value, list | tuple) else (value,):
                if isinstance(item, Tensor):
                    found.append(item)
        return tuple(found)

    def add(self, operator: str = "", *, role: Role = Role.LAYER, **fields: Any) -> None:
        """Adds one operation that reads all operands and writes all results, unless `fields` say otherwise."""
        fields = {"reads": self.operands, "writes": self.results, **fields}
        Spot.add(self, operator or self.operator, role=role, **fields)


Handler = Callable[[Call], None]


def unsupported(call: Call) -> None:
    """An operator that no handler knows: charged what it reads and writes, and marked."""
    call.add(call.target, role=Role.UNSUPPORTED)
