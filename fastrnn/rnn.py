"""RNN: Elman, GRU and LSTM networks of many units, trained online or by backpropagation through time."""

from __future__ import annotations

from math import inf, isfinite, nan, prod, sqrt
from struct import pack

from fastrnn import _data
from fastrnn._backend import core
from fastrnn._checks import check_list, count, dimensions, doubles, not_negative, number, positive, type_name, unpacked
from fastrnn._kinds import Spec, kinds_with, losses_of
from fastrnn._network import Base, Setting, literal, seed_of, source_of
from fastrnn._progress import Progress

TYPE_CHECKING = False  # what typing.TYPE_CHECKING is, without the cost of importing typing
if TYPE_CHECKING:
    from collections.abc import Callable, MutableSequence
    from typing import Any


SCALES = ("input_mean", "input_scale", "target_mean", "target_scale")

# ---- the attributes: fixed ones, those that can be set, and the parameters ----


def fixed(name: str) -> property:
    """What the network is built of: given to the constructor, and not to be changed."""

    def refuse(*_: object) -> None:
        raise AttributeError(f"{name} cannot be changed: make a new RNN")

    return property(lambda network: getattr(network._spec, name), refuse, refuse)


class SettingOfKind(Setting):
    """What some kinds of loss or optimizer alone take: None is the default in their row, and 0.0 with all others."""

    def __init__(self) -> None:
        super().__init__(number)

    def __get__(self, network: Any, owner: type | None = None) -> Any:
        if network is None:
            return self
        names = [*network._spec.settings]
        return network._settings[names.index(self.name)] if self.name in names else 0.0

    def __set__(self, network: Any, value: Any) -> None:
        spec = network._spec
        if self.name in spec.settings:
            default, check = spec.settings[self.name]
            result = default if value is None else check(value, self.name)
            values = dict(zip(spec.settings, network._settings, strict=True)) | {self.name: result}
            network._settings = [*values.values()]
        elif value is not None and self.check(value, self.name):
            of, kinds = kinds_with(self.name)
            raise ValueError(f"{self.name} is for {of}={kinds}, and {of} is {getattr(spec, of)!r}")


class Parameter:
    """A view of the network's own memory; what is assigned to it is copied there."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, network: RNN, owner: type | None = None) -> Any:
        if network is None:
            return self
        try:
            return network._view(self.name)
        except KeyError:
            raise AttributeError(f"a network with cell={network.cell!r} has no {self.name}") from None

    def __set__(self, network: RNN, value: Any) -> None:
        numbers = _data.take_table(value, self.name, self.__get__(network).shape)
        network._write(self.name, memoryview(bytes(numbers)).cast("d"))  # a copy: `value` may be this very memory

    def __delete__(self, network: RNN) -> None:
        raise AttributeError(f"{self.name} cannot be deleted")


class Scale:
    """What standardize=True has taken from the data: a number a column, or None before."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, network: RNN, owner: type | None = None) -> Any:
        return self if network is None else network._scales[SCALES.index(self.name)]

    def __set__(self, network: RNN, value: Any) -> None:
        scales, which = [*network._scales], SCALES.index(self.name)
        if self.name not in network._spec.scales:
            kind = "output='linear'" if network._spec.standardize else "standardize=True"
            raise ValueError(f"{self.name} is for networks made with {kind}")
        if value is not None:
            size = network.input_size if which < 2 else network._spec.target_size
            value = _data.take(value if _data.depth(value) else [value], self.name).tolist()
            if len(value) != size:
                raise ValueError(f"{self.name} must have {size} numbers, one a column, not {len(value)}")
            if which % 2 and min(value) <= 0.0:
                raise ValueError(f"{self.name} must be positive, and it is {min(value)!r}")
        scales[which] = value
        network._scales = scales[0], scales[1], scales[2], scales[3]

    def __delete__(self, network: RNN) -> None:
        raise AttributeError(f"{self.name} cannot be deleted: set it to None")


class Job:
    """A call of train(), all of it checked: what the core is to do, and what comes before and after that."""

    def __init__(
        self,
        network: RNN,
        inputs: Any,
        targets: Any,
        sample_weight: Any,
        validation: Any,
        take: Callable[..., _data.Examples] = _data.take_examples,
    ) -> None:
        """take : fastrnn._data.take_examples(), or what remembers its results."""
        spec = network._spec
        self.network, self.data, self.validation = network, take(spec, inputs, targets, sample_weight), None
        if validation is not None:
            if not isinstance(validation, (tuple, list)) or len(validation) not in (2, 3):
                raise ValueError("validation must be (inputs, targets) or (inputs, targets, sample_weight)")
            others, its_targets, weight = (*validation, None)[:3]
            if others is inputs and its_targets is targets:  # in the same buffers, so that the core can tell
                self.validation = _data.take_again(spec, self.data, weight, "validation")
            else:
                self.validation = take(spec, others, its_targets, weight, "validation")
        elif network.patience is not None:
            raise ValueError("patience needs validation data: train(..., validation=(inputs, targets))")
        network._check_parameters()
        self.epochs, self.losses, self.validation_losses = network.epochs, network.losses, network.validation_losses
        self.scales, self.updates, self.measured = network._scales, network._updates, len(self.validation_losses)

    def work(self) -> int:
        """Steps in all epochs."""
        epochs: int = self.epochs
        return epochs * sum(self.data.lengths)

    def sequences(self) -> int:
        """Of a batch, at most."""
        count = len(self.data.lengths)
        return min(self.network.batch_size or count, count)

    def begin(self, level: int = 5) -> None:
        """level : of the stack, where a warning belongs."""
        self.network._take_scales(self.data, level)

    def end(self, best: int | None = None) -> None:
        """best : the epoch whose parameters have been put back; None where none have."""
        network = self.network
        if network._updates == self.updates:
            network._scales = self.scales
        if best is not None or network.patience is not None:  # a callback may have set it
            network.best_epoch = None if best is None else self.measured + best


class Run:
    """A call of predict(), predict_proba() or hidden_states(), checked likewise."""

    def __init__(
        self,
        network: RNN,
        method: str,
        inputs: Any,
        state: MutableSequence[float] | None = None,
        take: Callable[..., _data.Sequences] = _data.take_sequences,
    ) -> None:
        """take : fastrnn._data.take_sequences(), or what remembers its results."""
        spec = network._spec
        self.network, self.inputs, self.state = network, inputs, state
        self.hidden, self.decides = method == "hidden_states", method == "predict" and spec.integers
        if method == "predict_proba" and not spec.integers:
            raise ValueError(f"predict_proba() gives probabilities, and output is {spec.output!r}: use predict()")
        self.data = take(inputs, "inputs", spec.input_size)
        if state is not None and self.data.several:
            raise ValueError("with a state inputs must be one sequence, not a list of them")
        self.each = not (self.hidden or spec.return_sequences)  # there is one result a sequence
        if self.each:
            self.data.refuse_empty()
        self.h = None if state is None else network._take_state(state)
        network._check_scales()
        network._check_parameters()
        self.steps = sum(self.data.lengths)
        rows = len(self.data.lengths) if self.each else self.steps
        self.size = spec.target_size if self.decides else spec.hidden_size if self.hidden else spec.output_size
        self.share = spec.output_size // spec.target_size if self.decides else 1  # predictions that make one decision
        self.numbers = rows * self.size * self.share  # that the core writes

    def alone(self) -> Any:
        """All of it, and the result in the caller's kind."""
        numbers = _data.result_for(self.inputs, "d", self.numbers)
        places = (None, numbers) if self.hidden else (numbers, None)
        self.network._predict(self.data.numbers, self.data.lengths, self.h, *places)
        result = self.checked(numbers, self.decide(numbers))
        if self.h is not None:
            put_state(self.h, self.state)
        return result

    def checked(self, numbers: memoryview[float], result: Any) -> Any:
        """The result in the caller's kind, if all that the core has written are numbers."""
        check_result(numbers)
        return self.give(result)

    def decide(self, numbers: memoryview[float]) -> memoryview[Any]:
        """What predict() makes of what the core has written."""
        if not self.decides:
            return numbers
        decisions = _data.result_for(self.inputs, "q", len(numbers) // self.share)
        if self.network._spec.classes:
            core.choose_classes(numbers, self.share, decisions)
        else:
            core.round_probabilities(numbers, decisions)
        return decisions

    def give(self, result: Any) -> Any:
        """Rows of one prediction are flat."""
        row = () if self.size == 1 and not self.hidden else (self.size,)
        return give_back(result, self.inputs, self.data, self.each, row)


class Evaluation:
    """A call of evaluate(), checked likewise."""

    numbers = 0  # that the core writes

    def __init__(
        self,
        network: RNN,
        inputs: Any,
        targets: Any,
        sample_weight: Any = None,
        take: Callable[..., _data.Examples] = _data.take_examples,
    ) -> None:
        """take : fastrnn._data.take_examples(), or what remembers its results."""
        self.network, self.data = network, take(network._spec, inputs, targets, sample_weight)
        self.steps = sum(self.data.lengths)
        network._check_parameters()
        network._check_scales()

    def alone(self) -> float:
        """All of it, and the loss."""
        return self.checked(self.network._evaluate(self.data, None, None))

    def checked(self, loss: float) -> float:
        if loss != loss:
            raise not_a_number()
        return loss


def give_back(result: Any, inputs: Any, x: _data.Sequences, each: bool, row: tuple[int, ...] = ()) -> Any:
    """What is one number, or one row, for every step of the inputs, or for each sequence, in their kind."""
    if x.given is None:
        return give_one(result, inputs, x.lengths[0], each, row)
    if dimensions(inputs) == 3:
        return _data.give(result, inputs, (len(x.lengths), *row) if each else (*inputs.shape[:2], *row))
    results, start = [], 0
    for length, given in zip(x.lengths, x.given, strict=True):
        stop = start + (1 if each else length) * prod(row)
        results.append(give_one(result[start:stop], given, length, each, row))
        start = stop
    return results


def give_one(result: Any, like: Any, length: int, each: bool, row: tuple[int, ...]) -> Any:
    """Of one sequence."""
    if not each:
        return _data.give(result, like, (length, *row))
    return _data.give(result, like, row, rows="other") if row else memoryview(result)[0]


class RNN(Base, core.RNNCore):
    """A recurrent network of `hidden_size` units and one output layer, over sequences of any length.

    Parameters
    ----------
    hidden_size : number of units, at least 1.
    cell : "elman" (Elman 1990), "gru" (Cho et al. 2014, its hidden bias inside the reset as in PyTorch) or "lstm"
        (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000).
    activation : of an Elman cell: "tanh", "sigmoid" or "relu". The other cells have their own.
    input_size, output_size : numbers a step that go in and come out; of softmax, output_size is the number of classes.
    output : "linear", "sigmoid" or "softmax".
    loss : with output "linear" "half_squared_error" (half the sum over the outputs); with "sigmoid" that or, for None,
        "binary_cross_entropy"; with "softmax" "cross_entropy".
    return_sequences : whether there is a target and a prediction at every step. With False there is one a sequence: the
        loss is that of the last step, from which `window` is counted back, predict() and predict_proba() give one
        result a sequence, and a sequence needs a step.
    standardize : whether the network scales what it is given, (value - mean) / scale, column by column: the inputs and,
        with output "linear", the targets. The first train() that makes an update takes both from its data, as they are
        at the steps with a weight above 0: the mean, and the standard deviation (of the population, in two passes; of a
        constant column 1.0). They stay then; see `input_mean`. Predictions come back in the units of the targets;
        hidden states, losses and gradients are of the scaled data. All but train() is a ValueError before. With False
        train() warns of inputs far from 0 and 1.
    window : steps from one update to the next, which is also how far back the gradient reaches; the state runs on from
        window to window (truncated backpropagation through time, Williams and Peng 1990). 1 is online learning. None is
        full backpropagation through each sequence, whose memory grows with its length. The loss of a window is the mean
        over its steps, by their weights; the last window of a sequence may be shorter.
    batch_size : how many sequences run side by side in train(), at least 1; None: all. Every `window` steps there is
        one update from all of them, whose loss is the mean over all their steps in that window; with window=None or
        return_sequences=False one for each batch. A sequence that has ended has no part in it any more. The last batch
        may be smaller.
    shuffle : whether train() takes the sequences in a new order every epoch, all orders being as likely (Durstenfeld
        1964). They come from a generator of the network's own (SplitMix64, Steele, Lea and Flood 2014), which starts at
        64 bits that are drawn from `seed` after the parameters, and goes on from call to call.
    optimizer : "sgd", "adam" (Kingma and Ba 2015, their betas and epsilon) or "adamw" (Loshchilov and Hutter 2019).
    lr : learning rate, finite and not negative.
    momentum : of sgd: velocity = momentum * velocity + gradient.
    weight_decay : of adamw, of all parameters; None is 0.01 there, and 0.0 with the other optimizers.
    clip : the largest norm of all gradients together; a larger one is scaled down to it (Pascanu et al. 2013). None:
        no limit.
    l1 : that many times the sum of the absolute values of w_input_hidden and w_hidden_hidden is added to what each
        update makes smaller (Tibshirani 1996), before `clip`; not to `losses`. Finite, not negative. At a weight of 0
        its gradient is 0.
    patience : train() ends after more than so many epochs in a row whose validation loss was not smaller than the best
        by more than `min_delta`, and puts the best parameters back (early stopping, Prechelt 1998). A loss that is not
        finite is not smaller. An integer, not negative, for which train() needs `validation`; None: all epochs are run,
        and the last parameters stay.
    min_delta : in units of the loss, finite, not negative.
    epochs : passes of train() over its data, an integer, not negative.
    seed : what random.Random takes; None is the module `random` itself. All parameters are drawn from it, uniform on
        +-1 / sqrt(hidden_size), in the order of `parameters` and of their rows.

    Attributes
    ----------
    parameters : read-only dict of writable float64 memoryviews of the network's own memory; numpy.asarray() copies
        nothing. They are laid out as PyTorch's, with its order of gates (GRU r, z, n; LSTM i, f, g, o), for G gates (1,
        3 or 4):
        w_input_hidden (G * hidden_size, input_size), w_hidden_hidden (G * hidden_size, hidden_size),
        b_hidden (G * hidden_size), with a GRU b_hidden_hidden (hidden_size), the bias inside the reset,
        w_hidden_output (output_size, hidden_size), b_output (output_size).
        Each is an attribute too, and what is assigned to that is copied into the network.
    state : list of hidden_size floats, with an LSTM of twice as many (hidden state, then cell): the state after the
        last step(), learn() or train(). It can be set.
    losses : list of floats, the mean loss a step (with return_sequences=False a sequence), by their weights, of every
        epoch that train() has completed. SimpleRNN tells the sum of squared errors: for the same predictions over T
        steps, 2 * T times "half_squared_error".
    validation_losses : list of floats, that of the validation data at the beginning of every epoch. So the loss after
        the last epoch is not there; and a training that `patience` has ended adds one more than to `losses`.
    best_epoch : int, the index in validation_losses of the parameters that the last training with a patience has put
        back; None before, and where no loss was finite.
    input_mean, input_scale, target_mean, target_scale : with standardize=True lists of floats, input_size or (with
        output "linear") output_size of them; None before training. They can be assigned, scales above 0: train() leaves
        them alone then, and the network can run before it. None has the next train() take them anew. With
        standardize=False, and of targets with other outputs, they are None, and assigning is a ValueError.
    lr, momentum, weight_decay, clip, l1, patience, min_delta, window, batch_size, epochs : as above, readable and
        writable. What is written to them while train() runs (to all but epochs) counts from the next epoch on.
    seed : as above, an int, float, str, bytes or None.
    hidden_size, input_size, output_size, cell, activation, output, loss, return_sequences, standardize, shuffle,
    optimizer : as above, not to be changed.

    Data: a sequence is T rows of input_size numbers or, with an input_size of 1, T numbers. Wherever `inputs` are asked
    for they may also be a list of sequences of any lengths (or an array of three dimensions), and each starts from a
    fresh state. All kinds of data that SimpleRNN takes are welcome, pandas DataFrames too, and results come back in the
    kind of the inputs: T rows, or T numbers where there is one a step; with return_sequences=False a row or a number
    for each sequence, of an array (N, T, input_size) an array. With an input_size of 1 a list of lists of one
    number each, [[1], [2]], is one sequence of rows. One contiguous float64 sequence is read where it lies, all else is
    copied once. Bad values raise TypeError or ValueError before anything changes, and a result that is not a number
    OverflowError.

    All is computed with fastrnn's own exp, tanh, sigmoid and log, in the same order of the same double operations on
    every core, in pure Python too. SimpleRNN uses the platform's exp, as the notebook does: so a network of one sigmoid
    unit that learns online follows SimpleRNN to within rounding, and not bit for bit.

    Two networks are equal when all but losses, validation_losses, best_epoch and seed are. They can be saved, copied
    and pickled. Threads: as with SimpleRNN.
    """

    hidden_size = fixed("hidden_size")
    cell = fixed("cell")
    activation = fixed("activation")
    input_size = fixed("input_size")
    output_size = fixed("output_size")
    output = fixed("output")
    loss = fixed("loss")
    return_sequences = fixed("return_sequences")
    optimizer = fixed("optimizer")
    shuffle = fixed("shuffle")
    standardize = fixed("standardize")

    window = Setting(lambda value, name: count(value, name, least=1), none=0)
    batch_size = Setting(lambda value, name: count(value, name, least=1), none=0)
    lr = Setting(not_negative)
    momentum = SettingOfKind()
    weight_decay = SettingOfKind()
    clip = Setting(positive, none=inf)
    l1 = Setting(not_negative)
    patience = Setting(count, none=-1)
    min_delta = Setting(not_negative)
    epochs = Setting(count)

    input_mean = Scale()
    input_scale = Scale()
    target_mean = Scale()
    target_scale = Scale()

    w_input_hidden = Parameter()
    w_hidden_hidden = Parameter()
    b_hidden = Parameter()
    b_hidden_hidden = Parameter()
    w_hidden_output = Parameter()
    b_output = Parameter()

    def __init__(
        self,
        hidden_size: int,
        *,
        cell: str = "elman",
        activation: str = "tanh",
        input_size: int = 1,
        output_size: int = 1,
        output: str = "linear",
        loss: str | None = None,
        return_sequences: bool = True,
        standardize: bool = False,
        window: int | None = 32,
        batch_size: int | None = 1,
        shuffle: bool = False,
        optimizer: str = "sgd",
        lr: float = 0.01,
        momentum: float = 0.0,
        weight_decay: float | None = None,
        clip: float | None = None,
        l1: float = 0.0,
        patience: int | None = None,
        min_delta: float = 0.0,
        epochs: int = 100,
        seed: int | float | str | bytes | None = None,
    ) -> None:
        given = locals()
        spec = Spec(**{name: given[name] for name in Spec.NAMES})
        whole = self._made(spec, {name: given[name] for name in SETTINGS})
        source = source_of(seed)
        bound = 1.0 / sqrt(spec.hidden_size)
        for name, view in whole.parameters.items():
            drawn = [source.uniform(-bound, bound) for _ in range(view.nbytes // 8)]
            whole._write(name, doubles(drawn))
        if spec.shuffle:
            whole._generator = source.getrandbits(64)
        self._become(whole)
        self.losses: list[float] = []
        self.validation_losses: list[float] = []
        self.best_epoch: int | None = None
        self.seed = seed_of(seed)

    @staticmethod
    def _made(spec: Spec, settings: dict[str, Any]) -> Any:
        """A network made whole beside this one, with all parameters 0.0: an error on the way changes nothing here."""
        whole: Any = RNN.__new__(RNN)
        whole._build(spec)
        for name, value in settings.items():
            setattr(whole, name, value)
        return whole

    def _become(self, whole: Any) -> None:
        self._adopt(whole)
        self._epochs = whole._epochs

    # ---- whole sequences ----

    def train(
        self,
        inputs: Any,
        targets: Any,
        *,
        sample_weight: Any = None,
        validation: Any = None,
        verbose: bool = False,
        callback: Callable[[RNN, int], object] | None = None,
    ) -> None:
        """Learn to give the targets for the inputs: `epochs` passes, with an update after every window of steps.

        In every epoch the sequences are taken in the order given, or shuffled, `batch_size` of them side by side, each
        from a fresh state. The loss of an update is the weighted mean over the steps that it covers (where none of them
        has a weight there is no update), and `losses` gets that over each epoch, measured on the way, before each
        update. Afterwards `state` is where the last sequence ended, so that step() can go on from there.

        Parameters
        ----------
        inputs : one sequence or a list of them.
        targets : alike, with as many steps: output_size numbers each; with output "softmax" one, the number of the
            class from 0 to output_size - 1; with binary cross-entropy numbers from 0 to 1. Where there is one number a
            step, an array (N, T) will do beside inputs (N, T, input_size). With return_sequences=False one target a
            sequence: a number or a row for one sequence, N of them for a list of N.
        sample_weight : how much each step counts, numbers from 0 on or a mask of bools, in the shape of the steps: T,
            a list of such, or an array (N, T) or (N, T, 1). Or one number for every sequence, which with
            return_sequences=False is the only way. Where it is 0 the target is not looked at, it may be NaN; the step
            still moves the state. None: all count alike.
        validation : (inputs, targets) or (inputs, targets, sample_weight), whose loss, measured with the parameters as
            they are when an epoch begins, goes to `validation_losses`. With a `patience` training ends after more than
            that many epochs in a row whose validation loss was not smaller than the best by more than `min_delta`.
            However it ends, by `epochs` or `callback` too, the best parameters are then put back (moments of the
            optimizer stay); `best_epoch` tells from where. After an error or Ctrl-C the current ones stay. What the
            last epoch has learnt is not measured, and so is not kept: with epochs=1 nothing is.
            To split steps, not sequences, give the same inputs and targets with other weights: with window=None,
            batch_size=None and shuffle=False one pass serves both.
        verbose : show the epochs done, losses and the time left: on a terminal in one line, else every tenth epoch.
        callback : called with the network and the number of the epoch in this call, from 0, after every epoch; a true
            result ends training.

        Raises
        ------
        TypeError, ValueError : bad data, a `patience` without validation, or a parameter that has been set to NaN;
            nothing has changed.
        OverflowError : a loss, a gradient or an update was not finite; the network is as it was before that update.
        KeyboardInterrupt : Ctrl-C; the network is as it was after the last complete update, and training can go on.

        Warns
        -----
        UserWarning : the mean of an input column is more than 10 standard deviations from 0, or its standard deviation
            above 30: tanh and sigmoid see little but its sign then, and standardize=True helps.
        """
        if callback is not None and not callable(callback):
            raise TypeError(f"callback must be a function of the network and an epoch, not {type_name(callback)}")
        job = Job(self, inputs, targets, sample_weight, validation)
        progress = Progress(self, job.epochs, job.validation is not None) if verbose else None

        def report(epoch: int) -> object:
            if progress is not None:
                progress.epoch_ends(epoch)
            return callback is not None and callback(self, epoch)

        try:
            job.begin()
            best = self._train(
                *(job.data, job.validation, job.epochs, job.losses, job.validation_losses),
                None if progress is None and callback is None else report,
            )
        except BaseException:
            job.end()
            raise
        finally:
            if progress is not None:
                progress.end()
        job.end(best)

    def _take_scales(self, data: _data.Examples, level: int) -> None:
        """With standardize=True those that are not there yet; else a look whether they would be of use."""
        scales = [*self._scales]
        if not self._spec.scales and (found := self._find_unscaled(data)):
            warn_of_scale(*found, self.input_size, level)
        for of_targets in range(len(self._spec.scales) // 2):
            if None in scales[2 * of_targets : 2 * of_targets + 2]:
                means, deviations = self._moments(data, bool(of_targets))
                if not all(map(isfinite, [*means, *deviations])):
                    raise ValueError(f"the {'targets' if of_targets else 'inputs'} are too large to be standardized")
                for which, numbers in ((2 * of_targets, means), (2 * of_targets + 1, [d or 1.0 for d in deviations])):
                    scales[which] = numbers if scales[which] is None else scales[which]
        self._scales = scales[0], scales[1], scales[2], scales[3]

    def evaluate(self, inputs: Any, targets: Any, sample_weight: Any = None) -> float:
        """The mean loss over all steps by their weights, without penalty: what train() would put into
        `validation_losses`. A float; inputs, targets and sample_weight as there.

        Nothing in the network changes. OverflowError where the loss is not a number.
        """
        return Evaluation(self, inputs, targets, sample_weight).alone()

    def step_losses(self, inputs: Any, targets: Any, sample_weight: Any = None) -> Any:
        """The loss of every step, of which evaluate() gives the weighted mean: with output "softmax" or binary cross-
        entropy minus its log-likelihood.

        T floats, in the kind of `inputs` (with return_sequences=False one for each sequence), NaN where sample_weight
        is 0; inputs, targets and sample_weight as in train(). Nothing in the network changes. OverflowError where a
        loss is not a number.
        """
        data = _data.take_examples(self._spec, inputs, targets, sample_weight)
        self._check_parameters()
        self._check_scales()
        losses = _data.result_for(inputs, "d", len(data.targets) // self._spec.target_size)
        losses.cast("B")[:] = pack("d", nan) * len(losses)
        if (mean := self._evaluate(data, None, losses)) != mean:
            raise not_a_number()
        return give_back(losses, inputs, data.x, not self._spec.return_sequences)

    def gradients(self, inputs: Any, targets: Any, sample_weight: Any = None) -> tuple[float, dict[str, Any]]:
        """The loss of evaluate(), and its gradient by every parameter, by full backpropagation through each sequence.

        A float, and a dict of float64 memoryviews of their own, of the names and shapes of `parameters`: for those who
        bring an optimizer. Neither `clip` nor `l1` has a part in it. Memory grows with the longest sequence. Nothing in
        the network changes. OverflowError where the loss or a gradient is not finite.
        """
        data = _data.take_examples(self._spec, inputs, targets, sample_weight)
        self._check_parameters()
        self._check_scales()
        numbers = _data.zeros("d", self._spec.count)
        loss = self._evaluate(data, numbers, None)
        if not isfinite(loss) or core.find_not_finite(numbers) >= 0:
            raise OverflowError("the loss or its gradient is not finite: the parameters or inputs are too large")
        result, start = {}, 0
        for name, shape in self._spec.shapes.items():
            stop = start + prod(shape)
            result[name] = numbers[start:stop].cast("B").cast("d", shape)
            start = stop
        return loss, result

    def predict(self, inputs: Any, *, state: MutableSequence[float] | None = None) -> Any:
        """What comes out at every step: values; with output "sigmoid" 0 or 1; with "softmax" the likeliest class.

        With return_sequences=False that is after the last step alone, one number or row for each sequence.

        Parameters
        ----------
        inputs : one sequence or a list of them, each from a fresh state.
        state : a list or a writable float64 array like the attribute `state`. One sequence starts from it, and it takes
            the state after the last step: so a long sequence can be run in chunks.

        T numbers or T rows of output_size, integers but for "linear", in the kind of `inputs`. Nothing in the network
        changes.
        """
        return Run(self, "predict", inputs, state).alone()

    def predict_proba(self, inputs: Any, *, state: MutableSequence[float] | None = None) -> Any:
        """The probability at every step: of a one with output "sigmoid", of each class with "softmax".

        T numbers or T rows of output_size floats from 0 to 1; all else as with predict().
        """
        return Run(self, "predict_proba", inputs, state).alone()

    def hidden_states(self, inputs: Any, *, state: MutableSequence[float] | None = None) -> Any:
        """The hidden state after every step: T rows of hidden_size floats; all else as with predict()."""
        return Run(self, "hidden_states", inputs, state).alone()

    def generate(self, inputs: Any, steps: int, *, state: MutableSequence[float] | None = None) -> Any:
        """Run over `inputs`, then go on alone, with each prediction as the next input; returns `steps` predictions.

        The first is the one after the last input. They are those of predict(), in the kind of `inputs`: of pandas with
        its names, and with an index that goes on where it has a frequency or a step. A prediction must be able to be an
        input: input_size is output_size, or with output "softmax" 1, and then the class number is fed back (else a one
        in its place among zeros).

        Parameters
        ----------
        inputs : one sequence, of one step at least.
        steps : how many predictions, an integer, not negative.
        state : as with predict(). It takes the state from which the last prediction was made.
        """
        if not self._spec.feeds_back:
            raise ValueError(
                f"generate() feeds predictions back as inputs, and input_size is {self.input_size} where output_size "
                f"is {self.output_size}"
            )
        x = _data.take_sequences(inputs, "inputs", self.input_size)
        steps = count(steps, "steps")
        if x.several:
            raise ValueError("generate() goes on from one sequence, and inputs is a list of them: call it for each")
        if not len(x.numbers):
            raise ValueError("inputs is empty: there is nothing to go on from")
        h = self._take_state(state)
        self._check_scales()
        self._check_parameters()
        size = self._spec.target_size
        predictions = _data.result_for(inputs, "d", steps * size, "steps")
        if not self._generate(x.numbers, h, predictions):
            raise not_a_number()
        check_result(h)
        if self._spec.integers:
            decisions = _data.result_for(inputs, "q", len(predictions), "steps")
            for i, value in enumerate(predictions):
                decisions[i] = int(value)
            predictions = decisions
        shape = (steps,) if size == 1 else (steps, size)
        result = _data.give(predictions, inputs, shape, rows="next", same_columns=size == self.input_size)
        put_state(h, state)
        return result

    # ---- sample by sample ----

    def step(self, x: Any) -> Any:
        """Take one input, a number or a row of input_size; return the prediction, going on from `state`.

        A float with an output_size of 1, else a list: values, the probabilities of ones, or those of the classes. From
        a fresh state a loop of step() is predict_proba(), or predict() with output "linear"; with
        return_sequences=False its last result is. Where steps of learn() wait for their update this is one of them,
        learn(x, None), and makes the update if it is due.
        """
        self._take_row(x, "x", self._x)
        try:
            prediction = self._step()
        except OverflowError:
            self._check_parameters()
            raise
        return self._refuse() if prediction is None else prediction

    def peek(self, x: Any) -> Any:
        """What step(x) would return; nothing in the network changes. So one can ask what would come of several x."""
        self._take_row(x, "x", self._x)
        prediction = self._peek()
        return self._refuse() if prediction is None else prediction

    def learn(self, x: Any, target: Any, weight: float = 1.0) -> Any:
        """Take one input and its target, and learn from them; return the prediction of step() from before that.

        target: a number, or a row of output_size; with output "softmax" the number of a class. None where there is
        none: the step moves the state, counts towards the window, and has no loss; so does one with a weight of 0.
        weight: how much the step's loss counts, finite, not negative.
        An update falls due every `window` steps. From a fresh state a loop of learn() over a sequence is one epoch of
        train(), bit for bit, up to the last whole window. OverflowError where a loss or an update is not finite: the
        network stays as it was.

        With return_sequences=False give None at every step of a sequence but the last, and reset() after it. An update
        is made every `window` steps here too, and reset() gives up the steps that wait for one: set window to the
        length of the sequence, then it is one update of train().
        """
        if self._window == 0:
            raise ValueError("learn() needs to know when an update is due: set window to a number of steps")
        self._take_row(x, "x", self._x)
        if target is None:
            weight = 0.0
        elif not (type(weight) is float and 0.0 <= weight < inf):
            weight = not_negative(weight, "weight")
        if weight > 0.0:
            self._take_row(target, "target", self._targets)
            _data.check_target(self._spec, self._targets, "target")
        try:
            prediction = self._learn(weight)
        except OverflowError:
            self._check_parameters()
            raise
        return self._refuse() if prediction is None else prediction

    def _refuse(self) -> None:
        """Say why the core did not take a step."""
        self._check_scales()
        self._check_parameters()
        raise not_a_number()

    @property
    def state(self) -> list[float]:
        """The state after the last step(), learn() or train(), as a new list; zeros when fresh.

        hidden_size floats, or with an LSTM twice as many: the hidden state, then the cell. To change it, assign to it.
        """
        return self._state

    @state.setter
    def state(self, value: Any) -> None:
        self._state = [*self._take_state(value, to_be_written=False)]

    # ---- between the caller's data and the core ----

    def _take_row(self, value: Any, name: str, row: memoryview[float]) -> None:
        """The numbers of one step, into a buffer."""
        if len(row) == 1 and (type(value) is float or not _data.depth(value)):
            row[0] = value if type(value) is float and value - value == 0.0 else number(value, name)
            return
        try:
            numbers = _data.take(value, name)
        except ValueError:
            if _data.depth(value) < 2:
                raise
            wanted = "a number" if len(row) == 1 else f"a row of {len(row)} numbers"
            raise ValueError(f"{name} must be one step, {wanted}, not rows: train() and predict() take many") from None
        if len(numbers) != len(row):
            raise ValueError(f"{name} must have {len(row)} number{'s' * (len(row) > 1)}, not {len(numbers)}")
        row[:] = numbers

    def _take_state(self, state: Any, to_be_written: bool = True) -> memoryview[float]:
        """A copy of a state in a buffer; a fresh one for None."""
        size = self._spec.state_size
        if state is None:
            return _data.zeros("d", size)
        if _data.depth(state) > 1:
            raise ValueError(f"state must be {size} numbers in a row, not rows: state[-1] is the last row")
        numbers = _data.take_state(state)
        if len(numbers) != size:
            raise ValueError(f"state must have {size} numbers, not {len(numbers)}")
        if to_be_written and not isinstance(state, list) and not _data.is_writable(state):
            kind = f"a read-only array or one of {state.dtype}" if hasattr(state, "dtype") else type_name(state)
            raise TypeError(f"state is overwritten: it must be a list or a writable array of float64, not {kind}")
        return memoryview(bytearray(numbers)).cast("d")

    def _check_scales(self) -> None:
        for name in self._spec.scales:
            if getattr(self, name) is None:
                raise ValueError(
                    f"the network is to be standardized and has no {name} yet: call train() first, or set it"
                )

    def _check_parameters(self) -> None:
        """A parameter can be written to by whoever holds its memoryview."""
        if self._is_finite():
            return
        for name, view in self.parameters.items():
            values: Any = view.tolist()
            for i, row in enumerate(values if view.ndim == 2 else [values]):
                for j, value in enumerate(row):
                    if value - value != 0.0:
                        place = f"{name}[{i}, {j}]" if view.ndim == 2 else f"{name}[{j}]"
                        raise ValueError(f"{place} must be finite, and it is {value}")

    # ---- as an object ----

    def __repr__(self) -> str:
        defaults = DEFAULTS | {"loss": losses_of(self.output)[0]}
        for name in SETTINGS:
            if isinstance(vars(RNN)[name], SettingOfKind):
                defaults[name] = self._spec.settings[name][0] if name in self._spec.settings else 0.0
        shown = [f"{name}={literal(getattr(self, name))}" for name in DEFAULTS if getattr(self, name) != defaults[name]]
        return f"{type(self).__name__}({', '.join([str(self.hidden_size), *shown])})"

    def __getstate__(self) -> dict[str, Any]:
        memory = self._memory
        own = {"validation_losses": [*self.validation_losses], "_scales": [*self._scales]}
        return super().__getstate__() | own | {"_memory": self._spec.cut(pack(f"<{len(memory)}d", *memory))}

    def _restore(self, state: dict[str, Any]) -> None:
        memory, seed = state["_memory"], seed_of(state.get("seed"))
        check_list(state["losses"], "losses")
        check_list(state["validation_losses"], "validation_losses")
        best = state["best_epoch"]
        if best is not None:
            count(best, "best_epoch")
        settings = {name: state[name] for name in SETTINGS if not isinstance(vars(RNN)[name], SettingOfKind)}
        # Pickles from before a setting of a kind existed lack it.
        settings |= {name: state.get(name) for name in SETTINGS if name not in settings}
        spec = Spec(**{name: state[name] for name in Spec.NAMES})
        whole = self._made(spec, settings)
        numbers = unpacked(spec.whole(memory))
        check_moments(spec, numbers)
        whole._memory = numbers
        check_waiting(spec, state["_state"], state["_waiting"])
        whole._state, whole._waiting = state["_state"], state["_waiting"]
        if type(state["_generator"]) is not int or not 0 <= state["_generator"] < 2**64:
            raise ValueError("no generator has such a state")
        whole._generator = state["_generator"]
        check_list(state["_scales"], "its scales")
        if len(state["_scales"]) != len(SCALES):
            raise ValueError("its scales are not four")
        for name, scale in zip(SCALES, state["_scales"], strict=True):
            if scale is not None:
                setattr(whole, name, scale)
        self._become(whole)
        vars(self).update((name, value) for name, value in state.items() if name not in self.VALUES)
        self.seed = seed


SETTINGS = [name for name, value in vars(RNN).items() if isinstance(value, Setting)]
RNN.VALUES = (*Spec.NAMES, *SETTINGS, "_generator", "_scales", "_state", "_waiting", "_memory")
DEFAULTS = RNN.__init__.__kwdefaults__ or {}


def check_moments(spec: Spec, memory: memoryview[float]) -> None:
    """Hold what lies behind the parameters in a memory to what training can make of it."""
    if len(memory) == spec.memory:
        first, second = memory[spec.count : 2 * spec.count], memory[2 * spec.count : 3 * spec.count]
        good = all(map(isfinite, first)) and all(0.0 <= value < inf for value in second)
        if not (good and all(0.0 <= power <= 1.0 for power in memory[3 * spec.count :])):
            raise ValueError("no training makes its moments, or its powers")


def check_waiting(spec: Spec, state: Any, waiting: Any) -> None:
    """Hold a state, and the steps that wait, to what step() and learn() can make of them: they follow each other."""
    if not isinstance(state, list) or not isinstance(waiting, list) or not all(isinstance(w, list) for w in waiting):
        raise ValueError("its state or the steps that wait are no lists")
    before, after = spec.input_size, sum(spec.waiting[:3])
    wanted = [(state, spec.state_size), *((step, sum(spec.waiting)) for step in waiting)]
    for numbers, size in wanted:
        if len(numbers) != size or not all(type(value) is float and value == value for value in numbers):
            raise ValueError(f"its state or a step that waits is not of {size} numbers")
    if not all(0.0 <= step[-1] < inf for step in waiting):
        raise ValueError("no step has such a weight")
    following = [*(step[before:] for step in waiting[1:]), state]
    for step, after_it in zip(waiting, following, strict=False):  # without waiting steps there is nothing to follow
        if step[after : after + spec.state_size] != after_it[: spec.state_size]:
            raise ValueError("the steps that wait do not follow each other")


def check_result(numbers: memoryview[float]) -> None:
    """A result can be infinite, but must be a number."""
    if core.find_not_finite(numbers) >= 0 and any(value != value for value in numbers):
        raise not_a_number()


def warn_of_scale(column: int, mean: float, deviation: float, columns: int, level: int) -> None:
    import warnings

    which = "inputs have" if columns == 1 else f"column {column} of inputs has"
    warnings.warn(
        f"{which} a mean of {mean:.4g} and a standard deviation of {deviation:.4g}: a network learns little from "
        "numbers so far from 0 and 1. Make it with standardize=True, or scale them",
        UserWarning,
        stacklevel=level,
    )


def not_a_number() -> OverflowError:
    return OverflowError("the result is not a number: the parameters or inputs are too large")


def put_state(h: memoryview[float], state: Any) -> None:
    """Overwrite the caller's state; None has nowhere to take it."""
    if isinstance(state, list):
        state[:] = h.tolist()
    elif state is not None:
        memoryview(state)[:] = h
