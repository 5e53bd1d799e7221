"""One exception root: whatever a user can cause derives from it, and only the CLI turns it into a line."""

from collections.abc import Sequence


class MensaError(Exception):
    """The run failed; the command line prints the message and exits with code 1."""

    exit_code = 1


class UsageError(MensaError):
    """Bad usage or input; the command line prints the message and exits with code 2."""

    exit_code = 2


class UnknownNameError(UsageError):
    """A name that a registry does not hold."""


class FileError(UsageError):
    """Every fault of one file, each with its field, in one error."""

    def __init__(self, path: str, faults: Sequence[str]) -> None:
        self.path = path
        self.faults = tuple(faults)
        super().__init__("\n".join(f"{path}: {fault}" for fault in self.faults))

    def __reduce__(self) -> tuple[type["FileError"], tuple[str, tuple[str, ...]]]:
        """Travels between processes whole."""
        return type(self), (self.path, self.faults)


class TraceError(UsageError):
    """A model that cannot become a layer graph: says which file, which node and what to do."""


class InfeasibleError(MensaError):
    """A problem without a solution: says which constraint forbids it and by how much."""
