"""Reading the nodes of an exported graph: each ATen call goes to its handler with named arguments and tensors."""

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from torch._guards import detect_fake_mode
from torch._ops import HigherOrderOperator, OpOverload
from torch.fx import GraphModule, Node
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._pytree import tree_flatten, tree_unflatten

from mensa_sim.errors import TraceError
from mensa_sim.workload.build.builder import GraphBuilder
from mensa_sim.workload.build.operation import REPEATED, Site, Spot, Tensor
from mensa_sim.workload.importers.torch.aliases import Aliases, overwritten, shown_by
from mensa_sim.workload.operators.call import Call, unsupported
from mensa_sim.workload.operators.copies import update
from mensa_sim.workload.operators.registry import can_read, handler_of, without_underscore


@cache
def _decompositions() -> Mapping[OpOverload, Callable[..., Any]]:
    """Torch's table, which takes a while to put together."""
    table = torch.export.default_decompositions()
    return {target: table[target] for target in table}


def parts_of(node: Node) -> tuple[GraphModule, list[Node]] | None:
    """A graph that does what a node does, and the nodes that its placeholders stand for; none where torch has none.

    Nor where it is made of nothing that we can read: then the operator says more than its parts.
    """
    assert isinstance(node.target, OpOverload)
    rule = _decompositions().get(node.target)
    if rule is None:
        return None
    leaves, spec = tree_flatten((node.args, dict(node.kwargs)))
    values = [leaf.meta.get("val") if isinstance(leaf, Node) else leaf for leaf in leaves]
    places = [at for at, leaf in enumerate(leaves) if isinstance(leaf, Node)]
    if not all(isinstance(values[at], torch.Tensor) for at in places):
        return None

    def run(*tensors: torch.Tensor) -> Any:
        given = list(values)
        for at, tensor in zip(places, tensors, strict=True):
            given[at] = tensor
        arguments, options = tree_unflatten(given, spec)
        return rule(*arguments, **options)

    tensors = [values[at] for at in places]
    mode = detect_fake_mode(tensors)
    if mode is None:
        return None
    with mode:
        graph = make_fx(run)(*tensors)
    calls = [each for each in graph.graph.nodes if isinstance(each.target, OpOverload)]
    if not any(can_read(without_underscore(str(each.target)), each.args) for each in calls):
        return None
    for each in graph.graph.nodes:
        each.meta["nn_module_stack"] = node.meta.get("nn_module_stack")
    return graph, [leaves[at] for at in places]


_INDEX_TYPES = (torch.int16, torch.int32, torch.int64, torch.uint16, torch.uint32, torch.uint64)

_NARROW_TYPES: Mapping[torch.dtype, int] = {
    getattr(torch, name): bits
    for bits, names in {
        8: "int8 uint8 qint8 quint8 float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz float8_e8m0fnu",
        4: "int4 uint4 quint4x2",
    }.items()
    for name in names.split()
    if hasattr(torch, name)
}
"""Types of quantised values, and their widths."""

_HALF_TYPES = (torch.float16, torch.bfloat16)

_COMPOSED = (
    "torch.nn.modules.container.",
    "torch.nn.modules.transformer.",
    "torch.nn.modules.activation.MultiheadAttention",
)
"""Modules of torch that run several operators."""

_INLINED = ("wrap_with_set_grad_enabled", "wrap_with_autocast")
"""Regions that only set a mode: their body is read in place."""

_BRANCHING = ("associative_scan", "cond", "map_impl", "scan", "while_loop")
"""Regions that run as often as data say."""


class NodeReader:
    """Feeds a builder with the nodes of a graph, in order."""

    def __init__(self, builder: GraphBuilder, *, name: str, mixed: bool) -> None:
        self._builder = builder
        self._name = name
        self._mixed = mixed
        self._aliases = Aliases()

    def read(self, node: Node, module: GraphModule, prefix: str = "") -> None:
        """One call of the graph; `prefix` keeps the nodes of an inlined region apart."""
        for operand in node.all_input_nodes:
            self.make_current(operand, prefix)
        if node.target is operator.getitem:
            self._read_item(node, prefix)
        elif isinstance(node.target, HigherOrderOperator):
            self._read_region(node, module, prefix)
        elif isinstance(node.target, OpOverload):
            self._read_call(node, prefix)
        elif _results(node, self._name):
            called = getattr(node.target, "__name__", str(node.target))
            raise TraceError(f"{self._name}: {node.name} calls {called}, which is no tensor operator")

    def make_current(self, node: Node, prefix: str = "") -> None:
        """Makes a view again whose memory was written through another one since."""
        if not self._aliases.is_stale(node):
            return
        shown = shown_by(node)
        if shown is not None:
            self.make_current(shown, prefix)
        if node.target is operator.getitem:
            self._read_item(node, prefix)
        else:
            self._read_call(node, prefix, again=True)
        self._aliases.refresh(node)

    def _read_item(self, node: Node, prefix: str) -> None:
        source, index = node.args
        assert isinstance(source, Node)
        if node.users:  # an exported graph also takes results apart that nobody reads
            self._builder.alias(prefix + node.name, self._builder.tensor(f"{prefix}{source.name}#{index}"))
            if shown_by(source) is not None:  # pieces of one tensor; other results have memory of their own
                self._aliases.add_view(node, source)

    def _read_call(self, node: Node, prefix: str, *, again: bool = False) -> None:
        id = self._builder.claim(f"{prefix}{node.name}{REPEATED}") if again else prefix + node.name
        target = without_underscore(str(node.target))
        several = isinstance(node.meta.get("val"), tuple | list)
        results = tuple(
            self._tensor(id + (f"#{index}" if several else ""), value, node)
            for index, value in _results(node, self._name)
        )
        if not results:
            self._builder.note_layout(id)
            return
        call = Call(
            builder=self._builder,
            site=_site(node, id),
            target=target,
            arguments=self._arguments(node, prefix),
            results=results,
        )
        if not self._builder.makes_nothing(call.site, results, call.operands):
            self._handle(call, node, prefix)
        for result in results if again else ():
            self._builder.alias(f"{prefix}{node.name}{result.id.removeprefix(id)}", self._builder.tensor(result.id))
        self._note_memory(node, prefix, results)

    def _handle(self, call: Call, node: Node, prefix: str) -> None:
        handler = handler_of(call.target)
        if can_read(call.target, node.args) and handler is not None:
            handler(call)
            return
        parts = parts_of(node)
        if parts is None:
            unsupported(call)
        else:
            self._read_parts(call, *parts, prefix)

    def _read_parts(self, call: Call, parts: GraphModule, operands: list[Node], prefix: str) -> None:
        """The nodes that a decomposition put in the place of one, and what they return as that one's results."""
        inner = f"{call.site.node}/"
        for result, value in zip(call.results, self._read_body(parts, operands, prefix, inner), strict=False):
            if isinstance(value, Node):
                self._builder.alias(result.id, self._builder.tensor(inner + value.name))

    def _read_body(self, body: GraphModule, operands: Sequence[Any], prefix: str, inner: str) -> Sequence[Any]:
        """The nodes of a graph inside another one, whose names begin with `inner`, and what it returns."""
        given = iter(operands)
        for node in body.graph.nodes:
            held = getattr(body, str(node.target)) if node.op == "get_attr" else None
            if node.op == "placeholder":
                self._builder.alias(inner + node.name, self._builder.tensor(prefix + next(given).name))
            elif isinstance(held, torch.Tensor):
                self._builder.constant(inner + node.name, held.shape, name=inner + node.name, fill=held.numel() == 1)
            elif node.op == "call_function" and not isinstance(node.target, type):
                self.read(node, body, inner)
        returned = body.graph.output_node().args[0]
        if isinstance(returned, Node) and isinstance(returned.target, type):  # a tuple with names
            returned = returned.args
        return returned if isinstance(returned, list | tuple) else [returned]

    def _note_memory(self, node: Node, prefix: str, results: tuple[Tensor, ...]) -> None:
        """What shares the memory of a call's results; what it wrote to is now what it made."""
        written = list(overwritten(node))
        for operand, result in zip(written, results, strict=False):
            root = self._aliases.root(operand)
            made = self._builder.tensor(result.id)
            if root is not operand:
                whole = self._rewritten(root, made, prefix, node)
                self._builder.alias(prefix + root.name, whole)
            self._builder.alias(prefix + operand.name, made)
            self._aliases.change(operand)
        shown = shown_by(node)
        if shown is not None:
            self._aliases.add_view(node, shown)

    def _rewritten(self, root: Node, part: Tensor, prefix: str, writer: Node) -> Tensor:
        """The memory behind a view, after the view was written to."""
        base = self._builder.tensor(prefix + root.name)
        id = self._builder.claim(f"{part.id}{REPEATED}whole")
        stored = max(base.stored, base.elements)
        whole = replace(base, id=id, stored=stored, constant=None, state=False)
        spot = Spot(builder=self._builder, site=_site(writer, id))
        update(spot, base=base, source=part, output=whole, updated=part.elements)
        return self._builder.tensor(id)

    def _tensor(self, id: str, value: torch.Tensor, node: Node) -> Tensor:
        shape = static_shape(value, f"{node.name} ({node.target})", self._name)
        bits = stated_bits(value, mixed=self._mixed)
        stored = math.prod(shape) * (2 if value.dtype.is_complex else 1)
        return Tensor(id=id, shape=shape, stored=stored, index=is_index(value), bits=bits)

    def _arguments(self, node: Node, prefix: str) -> dict[str, Any]:
        assert isinstance(node.target, OpOverload)
        schema = node.target._schema.arguments
        by_position = {argument.name: value for argument, value in zip(schema, node.args, strict=False)}
        given = {**by_position, **node.kwargs}
        named: dict[str, Any] = {}
        for argument in schema:
            if argument.name in given or argument.has_default_value():
                value = given.get(argument.name, argument.default_value)
                named["input" if argument.name == "self" else argument.name] = self._value(value, prefix)
        return named

    def _value(self, value: Any, prefix: str) -> Any:
        if isinstance(value, Node):
            return self._builder.tensor(prefix + value.name)
        if isinstance(value, list | tuple):
            return [self._value(item, prefix) for item in value]
        return value

    def _read_region(self, node: Node, module: GraphModule, prefix: str) -> None:
        kind = str(node.target)
        if kind not in _INLINED:
            if kind in _BRANCHING:
                hint = "only static graphs can be mapped, unroll or fix it for this trace"
                why = f"is dynamic control flow ({kind}); {hint}"
            else:
                why = f"runs {kind}, whose own graph is not read; spell it in the operators that it stands for"
            raise TraceError(f"{self._name}: {node.name} {why}")
        at = next(i for i, a in enumerate(node.args) if isinstance(a, Node) and a.op == "get_attr")
        body_node = node.args[at]
        assert isinstance(body_node, Node)
        body = getattr(module, str(body_node.target))
        inner = f"{prefix}{node.name}/"
        for index, value in enumerate(self._read_body(body, node.args[at + 1 :], prefix, inner)):
            if isinstance(value, Node):
                self._builder.alias(f"{prefix}{node.name}#{index}", self._builder.tensor(inner + value.name))


def static_shape(value: torch.Tensor, node: str, name: str) -> tuple[int, ...]:
    """The shape of a traced tensor, which must be known."""
    if not all(isinstance(size, int) for size in value.shape):
        shape = ", ".join(str(size) for size in value.shape)
        if any(str(size).startswith("u") for size in value.shape):
            hint = "trace the network up to the selection of boxes" if "nms" in node else "fix it for this trace"
            raise TraceError(f"{name}: the shape of {node} depends on the data ([{shape}]); {hint}")
        raise TraceError(f"{name}: the shape of {node} is open ([{shape}]); give its sizes under inputs")
    return tuple(value.shape)


def is_index(value: torch.Tensor) -> bool:
    """True for integers that index, wider than a quantised activation."""
    return value.dtype in _INDEX_TYPES


def stated_bits(value: torch.Tensor, *, mixed: bool) -> int | None:
    """The width that a type states: that of quantised values, and of halves where they stand beside such.

    A model all in floats says nothing of the precision that it will run in.
    """
    if value.dtype in _HALF_TYPES and mixed:
        return 16
    return _NARROW_TYPES.get(value.dtype)


def is_mixed(nodes: Iterable[Node]) -> bool:
    """True where parameters or results of a graph have types of quantised values: all widths are then meant."""
    values = (node.meta.get("val") for node in nodes)
    return any(isinstance(value, torch.Tensor) and value.dtype in _NARROW_TYPES for value in values)


def _results(node: Node, name: str) -> list[tuple[int, torch.Tensor]]:
    if isinstance(node.target, OpOverload) and not node.target._schema.returns:
        return []
    if "val" not in node.meta:
        raise TraceError(f"{name}: nothing is known of the shape of {node.name} ({node.target}); export the model anew")
    value = node.meta["val"]
    values = value if isinstance(value, tuple | list) else (value,)
    return [(index, item) for index, item in enumerate(values) if isinstance(item, torch.Tensor)]


def _site(node: Node, id: str) -> Site:
    """Where a node stands: its layer is called by the module path, and by the operator where that is no leaf."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    path, kind = (str(stack[-1][0]), stack[-1][1]) if stack else ("", "")
    kind = kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"
    operator_name = str(node.target).split(".")[1].strip("_")
    leaf = kind.startswith("torch.nn.modules.") and not kind.startswith(_COMPOSED)
    name = path if leaf and path else f"{path}.{operator_name}" if path else operator_name
    return Site(node=id, name=name, source=path)
