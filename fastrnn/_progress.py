"""The line that shows how far a training is: rewritten on a terminal, and elsewhere a new one every tenth epoch."""

from __future__ import annotations

import sys
from time import monotonic

from fastrnn._checks import attribute

TYPE_CHECKING = False  # what typing.TYPE_CHECKING is, without the cost of importing typing
if TYPE_CHECKING:
    from typing import Any

OFTEN = 0.1  # seconds from one look of a terminal's line to the next


def in_words(seconds: float) -> str:
    """A time that is left, no more exact than it can be."""
    if seconds < 100.0:
        return f"{seconds:.0f} s"
    if seconds < 6000.0:
        return f"{seconds / 60.0:.0f} min"
    return f"{seconds / 3600.0:.1f} h"


class Progress:
    """Of one call of train(): epochs done of all, losses and the time left, on standard output."""

    def __init__(self, network: Any, epochs: int, validates: bool) -> None:
        self.network, self.epochs, self.validates = network, epochs, validates
        is_terminal = attribute(sys.stdout, "isatty")  # what stands in for it may have none
        self.rewrites = bool(is_terminal and is_terminal())
        self.done, self.start, self.shown, self.width = 0, monotonic(), -OFTEN, 0
        self.ended = False

    def line(self) -> str:
        parts = [f"epoch {self.done} of {self.epochs}", f"loss {self.network.losses[-1]:.6g}"]
        if self.validates:
            parts.append(f"validation loss {self.network.validation_losses[-1]:.6g}")
        if self.done < self.epochs and not self.ended:
            left = (monotonic() - self.start) / self.done * (self.epochs - self.done)
            parts.append(
                f"at most {in_words(left)} left" if self.network.patience is not None else in_words(left) + " left"
            )
        return ", ".join(parts)

    def epoch_ends(self, epoch: int) -> None:
        self.done = epoch + 1
        if self.rewrites and monotonic() - self.shown >= OFTEN:
            self.shown = monotonic()
            self.rewrite(self.line())
        elif not self.rewrites and (self.done % 10 == 0 or self.done == self.epochs):
            print(self.line(), flush=True)

    def rewrite(self, text: str) -> None:
        print("\r" + text.ljust(self.width), end="", flush=True)
        self.width = len(text)

    def end(self) -> None:
        """However it ends: the last line stays, and on a terminal what comes after it begins a new one."""
        self.ended = True
        if self.rewrites and self.done:
            self.rewrite(self.line())
            print(flush=True)
        elif self.done % 10 and self.done < self.epochs:
            print(self.line(), flush=True)
