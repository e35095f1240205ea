"""Errors with an exit code. The command line prints their one line and nothing else; anything not listed here is a bug (70)."""

from __future__ import annotations


class ReasonforgeError(Exception):
    """Base of every error that carries a message for the user and an exit code for the shell."""

    exit_code: int = 70


class RecipeError(ReasonforgeError, ValueError):
    """A recipe, an override or a command line that cannot mean anything. One line: ``file: where: what. What to do.``"""

    exit_code = 2


class DataError(ReasonforgeError, ValueError):
    """Data on disk that is missing, cut, corrupt, empty or of the wrong shape: problems, tokenizers, weights, checkpoints."""

    exit_code = 65


class UnavailableError(ReasonforgeError):
    """Something the run needs is not there now: a locked run directory, an engine, an optional package."""

    exit_code = 69


class StorageError(ReasonforgeError):
    """The disk refused a write: full, read-only, quota."""

    exit_code = 74


class NonFiniteError(ReasonforgeError):
    """A loss, gradient or reward is not a number, and the policy for it says stop."""

    exit_code = 70


class InterruptedRun(ReasonforgeError):
    """A signal asked the run to stop; the step was finished and saved. ``exit_code`` is 128 + the signal's number."""

    def __init__(self, message: str, *, signal_number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + signal_number
