"""Many networks, one after the other. The twin: _compiled/many.pxi, where they are side by side in lanes."""

from __future__ import annotations

from fastrnn._plain.rnn import RNNCore

TYPE_CHECKING = False  # what typing.TYPE_CHECKING is, without the cost of importing typing
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from fastrnn._data import Examples as _Examples
    from fastrnn._data import Sequences as _Sequences

# ---- the door ----


def fewest_in_lanes_of(network: RNNCore, /) -> float:  # noqa: ARG001
    """How many lanes of such networks must have something to do that they take no longer than one after the other."""
    return 1.0


def train_in_lanes(
    _network: RNNCore,
    _longest: int,
    _sequences: int,
    take: Callable[[], Any],
    done: Callable[[Any, int | None, Exception | None], object],
    /,
) -> None:
    """Train what take() gives (jobs; None: there is none now), each by its network's _train().

    done(job, best epoch, error) is called as soon as one has ended. After an exception, Ctrl-C's say, all networks are
    as they are after their last complete update.
    """
    while (job := take()) is not None:
        best, error = None, None
        try:
            best = job.network._train(job.data, job.validation, job.epochs, job.losses, job.validation_losses, None)
        except Exception as failure:
            error = failure
        done(job, best, error)


def predict_in_lanes(
    networks: list[RNNCore],
    data: list[_Sequences],
    predictions: memoryview[float] | None,
    states: memoryview[float] | None,
    /,
) -> None:
    """Run each of some networks of one kind over its sequences, by its _predict() from fresh states.

    The results follow each other in the buffers `predictions` or `states`, which may be None.
    """
    predicted = passed = 0
    for network, x in zip(networks, data, strict=True):
        spec, steps = network._spec, sum(x.lengths)
        of_predictions = slice(
            predicted, predicted + (steps if spec.return_sequences else len(x.lengths)) * spec.output_size
        )
        of_states = slice(passed, passed + steps * spec.hidden_size)
        network._predict(
            *(x.numbers, x.lengths, None),
            None if predictions is None else predictions[of_predictions],
            None if states is None else states[of_states],
        )
        predicted, passed = of_predictions.stop, of_states.stop


def evaluate_in_lanes(networks: list[RNNCore], data: list[_Examples], /) -> list[float]:
    """The mean loss of each of some networks of one kind, by its _evaluate()."""
    return [network._evaluate(examples, None, None) for network, examples in zip(networks, data, strict=True)]
