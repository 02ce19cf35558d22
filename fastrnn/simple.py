"""SimpleRNN: the network of the teaching notebook, one recurrent unit with five scalar weights, learned online."""

from __future__ import annotations

from fastrnn import _data
from fastrnn._backend import core
from fastrnn._checks import check_list, count
from fastrnn._network import Base, Setting, literal, print_loss, seed_of, source_of

TYPE_CHECKING = False  # what typing.TYPE_CHECKING is, without the cost of importing typing
if TYPE_CHECKING:
    from typing import Any

WEIGHTS = ("w_input_hidden", "w_hidden_hidden", "w_hidden_output", "b_hidden", "b_output")
VALUES = (*WEIGHTS, "hidden_state", "lr", "epochs")


class SimpleRNN(Base, core.SimpleRNNCore):
    """A recurrent network of one unit that predicts the next value of a 0/1 sequence (Elman 1990).

    For input x and hidden state h, with s(a) = 1 / (1 + exp(-a)):

        h = s(w_input_hidden * x + w_hidden_hidden * h + b_hidden)
        probability = s(w_hidden_output * h + b_output)

    Parameters
    ----------
    lr : learning rate, finite and not negative.
    epochs : passes of train() over its data, an integer, not negative.
    seed : what random.Random takes. The five weights are drawn from it, each uniform on [-1, 1], in the order of the
        attributes below. With None they are drawn from the module `random` itself, as the notebook's are.

    Attributes
    ----------
    w_input_hidden, w_hidden_hidden, w_hidden_output, b_hidden, b_output : the weights, floats, readable and writable.
    hidden_state : float from 0.0, when fresh, to 1.0: the hidden unit after the last step(), learn() or train().
    lr, epochs : as above, readable and writable.
    seed : as above, an int, float, str, bytes or None.
    losses : list of floats, the total loss (sum of squared errors) of every epoch that train() has completed. An RNN
        with loss "half_squared_error" tells half the squared error, the mean a step: for the same predictions over T
        steps, these are 2 * T times as much.

    Inputs and targets are T numbers, one a step, or T rows of one: lists, tuples, ranges and other iterables,
    array.array, memoryviews, NumPy arrays, pandas Series and DataFrames, torch tensors. Contiguous float64 data is read
    where it lies, all else is copied once. Bad values raise TypeError or ValueError before anything changes.

    Two networks are equal when their weights, hidden_state, lr and epochs are. Networks can be saved, copied
    and pickled.

    Threads: train() and the predictions leave the GIL to others, so networks in several threads run side by side. Calls
    on one and the same network from several threads are safe for memory, but of two trainings at a time the numbers of
    one are lost; give each thread a network of its own, or use a lock.
    """

    VALUES = VALUES
    SCALARS = (*WEIGHTS, "hidden_state")

    epochs = Setting(count)

    def __init__(self, lr: float = 0.1, epochs: int = 100, *, seed: int | float | str | bytes | None = None) -> None:
        self.lr = lr
        self.epochs = epochs
        self.losses = []
        source = source_of(seed)
        self.seed = seed_of(seed)
        for name in WEIGHTS:
            setattr(self, name, source.uniform(-1, 1))

    def train(self, inputs: Any, targets: Any, *, verbose: bool = True) -> None:
        """Learn to predict targets[t], the value that follows, from inputs up to t: `epochs` passes, online.

        Every step is followed by its update: gradient descent on half the squared error, truncated to one step back
        (Elman 1990). Every epoch starts from a fresh hidden state, and adds its total loss to `losses`. Afterwards
        hidden_state is where the sequence ended, so that step() can go on from there.

        Parameters
        ----------
        inputs, targets : T numbers each, or T rows of one, T > 0.
        verbose : print the loss at epochs 0, 10, 20, ...

        Raises
        ------
        TypeError, ValueError : bad inputs or targets; nothing has changed.
        OverflowError : an update was not finite; the network is as it was before that update.
        KeyboardInterrupt : Ctrl-C; the network is as it was after the last complete step, and training can go on.
        """
        x = _data.take_column(inputs, "inputs")
        y = _data.take_column(targets, "targets")
        if len(x) != len(y):
            raise ValueError(f"inputs and targets must be of one length, not {len(x)} and {len(y)}")
        if not len(x):
            raise ValueError("inputs and targets are empty: there is nothing to learn from")
        self._train(x, y, self.epochs, self.losses, print_loss if verbose else None)

    def predict_proba(self, inputs: Any) -> Any:
        """The probability that the next value is 1, after each input, from a fresh hidden state.

        T numbers in, T floats from 0 to 1 out, in the kind of `inputs`: a list for a list, an array for an array.
        Nothing in the network changes.
        """
        return _data.give(self._probabilities(inputs), inputs)

    def predict(self, inputs: Any) -> Any:
        """The next value, 0 or 1, after each input, from a fresh hidden state: predict_proba() rounded.

        T numbers in, T integers out, in the kind of `inputs`. Nothing in the network changes.
        """
        probabilities = self._probabilities(inputs)
        classes = _data.result_for(inputs, "q", len(probabilities))
        core.round_probabilities(probabilities, classes)
        return _data.give(classes, inputs)

    def hidden_states(self, inputs: Any) -> Any:
        """The hidden unit's value after each input, from a fresh hidden state.

        T numbers in, T floats from 0 to 1 out, in the kind of `inputs`. Nothing in the network changes.
        """
        x = _data.take_column(inputs, "inputs")
        states = _data.result_for(inputs, "d", len(x))
        self._predict(x, None, states)
        return _data.give(states, inputs)

    def _probabilities(self, inputs: Any) -> memoryview[float]:
        x = _data.take_column(inputs, "inputs")
        probabilities = _data.result_for(inputs, "d", len(x))
        self._predict(x, probabilities, None)
        return probabilities

    def __delattr__(self, name: str) -> None:
        if name in VALUES:
            raise AttributeError(f"{name} cannot be deleted")
        super().__delattr__(name)

    def __repr__(self) -> str:
        options = [f"lr={self.lr:.6g}", f"epochs={self.epochs:.6g}", f"seed={literal(self.seed)}"]
        values = [f"{name}={getattr(self, name):.6g}" for name in (*WEIGHTS, "hidden_state")]
        return f"{type(self).__name__}({', '.join([*options, *values])})"

    def _restore(self, state: dict[str, Any]) -> None:
        checked = SimpleRNN(seed=0)
        checked.seed = seed_of(state.get("seed"))
        check_list(state["losses"], "losses")
        for name in VALUES:
            setattr(checked, name, state[name])
        vars(self).update((name, value) for name, value in state.items() if name not in VALUES)
        for name in (*VALUES, "seed"):
            setattr(self, name, getattr(checked, name))
