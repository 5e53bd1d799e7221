"""A function that takes the fields of a request record as its own arguments."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, TypeVar

from mensa_sim.api.progress import told_in_a_notebook
from mensa_sim.study.request.fields import options_of

P = ParamSpec("P")
Request = TypeVar("Request")
Asking = TypeVar("Asking", contravariant=True)
Answer = TypeVar("Answer")
Answered = TypeVar("Answered", covariant=True)


class Asked(Protocol[P, Asking, Answered]):
    """A function of a request's fields; `of` takes the request itself, as the command line has it."""

    def __call__(self, *args: P.args, **options: P.kwargs) -> Answered:
        """The answer to the request that the arguments make."""

    def of(self, request: Asking, /) -> Answered:
        """The answer to a request."""


def asks(record: Callable[P, Request]) -> Callable[[Callable[[Request], Answer]], Asked[P, Request, Answer]]:
    """Makes a function of a request one of the request's fields: their names, types, defaults and docstrings."""

    def with_fields(answer: Callable[[Request], Answer]) -> Asked[P, Request, Answer]:
        @functools.wraps(answer)
        def asked(*args: P.args, **options: P.kwargs) -> Answer:
            return answer(told_in_a_notebook(record(*args, **options)))

        described: Any = asked
        described.of, described.record = answer, record
        described.__signature__ = _signature(record, answer)
        described.__doc__ = f"{inspect.getdoc(answer)}\n\n{_described(record)}"
        function: Asked[P, Request, Answer] = described
        return function

    return with_fields


def _signature(record: Any, answer: Callable[..., object]) -> inspect.Signature:
    """That of the record, with the answer's type; a default that is made anew each time is shown as what it is."""
    made = {option.field: option.default for option in options_of(record)}
    parameters = [
        each if each.default is each.empty else each.replace(default=made[name])
        for name, each in inspect.signature(record).parameters.items()
    ]
    return inspect.Signature(parameters, return_annotation=inspect.signature(answer).return_annotation)


def _described(record: Any) -> str:
    """What each argument means."""
    return "\n".join(("Arguments:", *(f"    {option.field}: {option.text}" for option in options_of(record))))
