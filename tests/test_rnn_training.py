"""RNN: weights of steps, one target a sequence, batches, validation, penalty and scale: what each means, on every core."""

import copy
import math
import random
import warnings
from math import inf, isfinite, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastrnn._kinds import CELLS, OPTIMIZERS, OUTPUTS, Spec, losses_of
from tests.conftest import examples
from tests.test_rnn_identity import buffer, packed, target

# ---- the same bits on every core, of everything at once ----


def lengths_of(source, several):
    many = [0, 1, 65, 70, 130] if source.random() < 0.1 else [0, 1, 2, 3, 7, 12]
    return [source.choice(many if several else many[1:]) for _ in range(source.choice([1, 1, 2, 3, 5]))]


def weights_of(source, spec, lengths):
    """One a step, with sequences that have none; or one a sequence; or None."""
    steps, kind = sum(lengths), source.random()
    if kind < 0.3:
        return None, True
    if kind < 0.75 and spec.return_sequences:
        weights, start = [source.choice([0.0, 0.0, 1.0, 1.0, 0.5, 3.0]) for _ in range(steps)], 0
        for length in lengths:
            if source.random() < 0.2:
                weights[start : start + length] = [0.0] * length
            start += length
        return (weights, True) if any(weights) else (None, True)
    weights = [source.choice([0.0, 1.0, 0.25]) for _ in lengths]
    return (weights, False) if any(w and n for w, n in zip(weights, lengths, strict=True)) else (None, True)


def rows_of(weights, by_step, lengths, spec):
    """The weight of every row of the targets."""
    if not spec.return_sequences:
        return weights or [1.0] * len(lengths)
    if by_step:
        return weights or [1.0] * sum(lengths)
    return [weight for weight, length in zip(weights, lengths, strict=True) for _ in range(length)]


def training_of(seed):
    """A kind of network, its settings, and data; where no weight counts the targets are anything."""
    source = random.Random(seed)
    cell, output = source.choice([*CELLS]), source.choice([*OUTPUTS])
    spec = Spec(
        hidden_size=source.choice([1, 2, 3, 5, 9]),
        cell=cell,
        activation=source.choice(CELLS[cell].activations),
        input_size=source.choice([1, 2, 3]),
        output_size=source.choice([1, 2, 3]) if output != "softmax" else source.choice([2, 3]),
        output=output,
        loss=source.choice(losses_of(output)),
        return_sequences=source.random() < 0.7,
        optimizer=source.choice([*OPTIMIZERS]),
        shuffle=source.random() < 0.4,
        standardize=source.random() < 0.3,
    )
    lengths = lengths_of(source, spec.return_sequences)
    lengths[0] = lengths[0] if any(lengths) else 4
    steps, scale = sum(lengths), source.choice([1.0, 1.0, 100.0])
    x = [source.choice([0.0, -0.0, *[source.gauss(0, scale)] * 8]) for _ in range(steps * spec.input_size)]
    x = buffer([3.25] * len(x) if source.random() < 0.1 else x)
    weights, validation = (weights_of(source, spec, lengths) for _ in range(2))
    validates = source.random() < 0.5
    y = []
    for one, other in zip(*(rows_of(*these, lengths, spec) for these in (weights, validation)), strict=True):
        counts = one or (validates and other) or source.random() < 0.3
        garbage = [source.choice([nan, inf, -1.0]) for _ in range(spec.target_size)]
        y += [target(source, spec) for _ in range(spec.target_size)] if counts else garbage
    y = buffer(y)

    def held(weights, by_step):
        return None if weights is None else buffer(weights), by_step

    data, others = examples(x, y, lengths, *held(*weights)), None
    if validates:
        same = source.random() < 0.6
        x_of, y_of = (x, y) if same else (buffer(x), buffer(y))
        others = examples(x_of, y_of, [*lengths], *held(*validation))
    settings = {
        "lr": source.choice([0.01, 0.1, 1.0, 50.0]),
        "clip": source.choice([inf, inf, 1.0, 0.01]),
        "window": source.choice([0, 0, 1, 2, 3, 8, 64, 100]),
        "batch_size": source.choice([1, 1, 0, 2, 3]),
        "l1": source.choice([0.0, 0.0, 0.01]),
        "patience": source.choice([-1, 0, 1, 2]) if validates else -1,
        "min_delta": source.choice([0.0, 0.001]),
        "settings": [source.choice([0.0, 0.7]) for _ in spec.settings],
        "generator": source.getrandbits(64),
    }
    return spec, settings, data, others, source.choice([[2], [1, 1, 1], [4]]), source.choice([None, None, 1])


def all_of_it(core, seed):
    """All that such a training gives and leaves behind, and then a stream, as one list of bytes and messages."""
    spec, settings, data, others, parts, stop = training_of(seed)
    source, network, seen = random.Random(seed), core.RNNCore(), []
    network._build(spec)
    memory = network._memory
    for i in range(spec.count):
        memory[i] = source.choice([0.0, -0.0, *[source.uniform(-0.8, 0.8)] * 8])
    network._memory = memory
    for name, value in settings.items():
        setattr(network, f"_{name}", value)
    if spec.standardize:
        moments = [*network._moments(data, False), *(network._moments(data, True) if len(spec.scales) > 2 else [])]
        network._scales = [*([n or 1.0 for n in numbers] for numbers in moments), None, None][:4]
        seen.append(("scales", [packed(numbers) for numbers in moments]))
    losses, measured = [], []

    def report(epoch):
        seen.append(("epoch", epoch))
        return epoch == stop

    for epochs in parts:
        try:
            seen.append(("best", network._train(data, others, epochs, losses, measured, report)))
        except OverflowError as error:
            seen.append(("error", str(error)))
        seen.append(("updates", network._updates, network._generator, packed(network._memory), packed(network._state)))
    seen.append(("losses", packed(losses), packed(measured)))
    gradient = buffer([0.0] * spec.count)
    seen.append(("evaluate", packed([network._evaluate(data, None), network._evaluate(data, gradient)])))
    seen.append(("gradient", packed(gradient)))
    rows, steps = len(data.targets) // spec.target_size, sum(data.lengths)
    predictions, states = buffer([0.0] * (rows * spec.output_size)), buffer([0.0] * (steps * spec.hidden_size))
    network._predict(data.inputs, data.lengths, None, predictions, states)
    seen.append(("predictions", packed(predictions), packed(states)))
    for t in range(20):
        for buffer_of, values in ((network._x, data.inputs), (network._targets, data.targets)):
            for i in range(len(buffer_of)):
                buffer_of[i] = values[(t * len(buffer_of) + i) % len(values)]
        weight = source.choice([0.0, 1.0, 1.0, 0.5]) if all(map(isfinite, network._targets)) else 0.0
        call = source.choice([network._step, network._peek, *[lambda weight=weight: network._learn(weight)] * 3])
        try:
            seen.append(("streamed", call(), packed(network._state), network._waiting, packed(network._memory)))
        except OverflowError as error:
            seen.append(("error", str(error)))
        network._waiting = network._waiting
    return seen


@given(seed=st.integers(0, 2**32))
def test_the_same_on_every_core(packages, seed):
    *compiled, (_, twin) = [(package.backend, all_of_it(package.simple.core, seed)) for package in packages]
    for backend, found in compiled:
        for one, other in zip(found, twin, strict=True):
            assert repr(one) == repr(other), f"{backend} and python differ, first in {one[0]}, of {training_of(seed)}"


# ---- what they are tried on ----

LENGTHS = [7, 3, 9, 5]


@pytest.fixture(params=[{"cell": "elman"}, {"cell": "gru", "output": "softmax", "output_size": 3}, {"cell": "lstm"}])
def make(fastrnn, request):
    def make(**options):
        defaults = {"input_size": 2, "lr": 0.05, "epochs": 3, "window": None, "seed": 4}
        return fastrnn.RNN(3, **(defaults | request.param | options))

    return make


def data_of(network, lengths=LENGTHS, seed=0):
    source = np.random.default_rng(seed)
    x = [source.normal(size=(length, 2)) for length in lengths]
    size = 1 if not network.return_sequences else None

    def targets(length):
        count = size or length
        return source.integers(0, 3, count) if network.output == "softmax" else source.normal(size=count)

    y = [targets(length) for length in lengths]
    return x, y if network.return_sequences else [row[0] for row in y]


def trained(network, *data, **options):
    network.train(*data, **options)
    return network


def state_of(network):
    """All but what was asked for: epochs."""
    return {name: value for name, value in network.__getstate__().items() if name != "epochs"}


# ---- weights ----


@pytest.mark.parametrize("window", [None, 1, 4])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_weights_of_1_change_no_bit(make, window, batch_size):
    plain, weighted, by_sequence = (make(window=window, batch_size=batch_size) for _ in range(3))
    x, y = data_of(plain)
    plain.train(x, y)
    weighted.train(x, y, sample_weight=[[1.0] * n for n in LENGTHS])
    by_sequence.train(x, y, sample_weight=[True] * len(LENGTHS))
    assert state_of(plain) == state_of(weighted) == state_of(by_sequence)


def test_padding_with_weight_0_changes_no_bit(make):
    """What comes after the last weight has no part in a gradient, and no zero that it could add."""
    network, padded = make(batch_size=None), make(batch_size=None)
    x, y = data_of(network)
    network.train(x, y)
    long = max(LENGTHS)
    rows = np.stack([np.pad(part, ((0, long - len(part)), (0, 0)), constant_values=9.0) for part in x])
    targets = np.stack([np.pad(part.astype(float), (0, long - len(part)), constant_values=nan) for part in y])
    padded.train(rows, targets, sample_weight=np.arange(long) < np.array(LENGTHS)[:, None])
    assert padded._memory == network._memory
    assert padded.losses == network.losses


@pytest.mark.parametrize("window", [None, 1, 4])
def test_a_target_without_weight_is_not_looked_at(make, window):
    one, other = make(window=window), make(window=window)
    x, y = data_of(one)
    weights = [np.arange(n) % 3 != 1 for n in LENGTHS]
    one.train(x, y, sample_weight=weights)
    other.train(x, [np.where(w, part, nan) for w, part in zip(weights, y, strict=True)], sample_weight=weights)
    assert state_of(one) == state_of(other)


def test_a_sequence_without_weight_has_no_part(make):
    one, other = make(), make()
    x, y = data_of(one)
    one.train(x, y, sample_weight=[1, 0, 2, 0.5])
    without = [x[0], x[2], x[3]], [y[0], y[2], y[3]]
    other.train(*without, sample_weight=[1, 2, 0.5])
    assert state_of(one) == state_of(other)


def test_the_state_afterwards_is_that_of_the_last_sequence_weighted_or_not(make):
    network = make(epochs=1, lr=0.0)
    x, y = data_of(network)
    network.train(x, y, sample_weight=[1, 1, 1, 0])
    assert network.state[:3] == network.hidden_states(x[-1])[-1].tolist()


def test_an_update_whose_weights_are_all_0_does_not_happen(make):
    """Nor does momentum go on in it; the state does."""
    network, expected = make(window=2, epochs=1, optimizer="adam"), make(window=2, epochs=1, optimizer="adam")
    x, y = data_of(network, [6])
    network.train(x, y, sample_weight=[[1, 1, 0, 0, 0, 0]])
    expected.train([x[0][:2]], [y[0][:2]])
    assert network._memory == expected._memory
    assert network._updates == 1
    state = expected.state
    expected.hidden_states(x[0][2:], state=state)
    assert network.state == state


def test_the_loss_is_the_weighted_mean(make):
    network = make(epochs=1, lr=0.0, batch_size=2)
    x, y = data_of(network)
    weights = [[0.5 * (t % 3) for t in range(n)] for n in LENGTHS]
    network.train(x, y, sample_weight=weights)
    alone = [[network.evaluate(part[: t + 1], row[: t + 1], [0.0] * t + [1.0]) for t in range(len(part))] for part, row in zip(x, y, strict=True)]
    total = weight = 0.0
    for losses, of in zip(alone, weights, strict=True):
        for loss, w in zip(losses, of, strict=True):
            total += w * loss
            weight += w
    assert network.losses == [total / weight]
    assert network.evaluate(x, y, weights) == network.losses[0]


# ---- one target a sequence ----


def test_one_target_a_sequence_is_a_weight_on_the_last_step(make):
    """With full backpropagation; the targets before it are not looked at."""
    one, other = make(return_sequences=False), make()
    x, y = data_of(one)
    one.train(x, y)
    last = [np.arange(n) == n - 1 for n in LENGTHS]
    other.train(x, [np.where(mask, label, nan) for mask, label in zip(last, y, strict=True)], sample_weight=last)
    assert one._memory == other._memory
    assert one.losses == other.losses
    assert one.state == other.state


def test_its_window_is_counted_back_from_the_last_step(make):
    one, other = make(return_sequences=False, window=4, epochs=1), make(window=None, epochs=1)
    x, y = data_of(one, [9])
    one.train(x, y)
    state = other.state
    other.hidden_states(x[0][:5], state=state)
    for row, label in zip(x[0][5:], [None, None, None, y[0]], strict=True):
        other.window = 4
        if other._waiting == [] and label is None and other.state != state:
            other.state = state
        other.learn(row, label)
    assert one._memory == other._memory


def test_one_prediction_a_sequence(make):
    network, each = make(return_sequences=False), make()
    x, _ = data_of(network)
    for method in ("predict", *(["predict_proba"] if network.output != "linear" else [])):
        last = [getattr(each, method)(part)[-1] for part in x]
        assert np.array_equal(getattr(network, method)(x), last)
        assert np.array_equal(getattr(network, method)(x[0]), last[0])
    assert np.array_equal(network.hidden_states(x[0]), each.hidden_states(x[0]))


# ---- batches ----


def test_a_batch_is_the_sum_of_its_gradients(make):
    """With momentum the first update is w - lr * gradient, to the bit."""
    if make().optimizer != "sgd":
        pytest.skip("of sgd")
    network = make(batch_size=None, epochs=1, momentum=0.9)
    x, y = data_of(network)
    weights = [[0.5 + t % 2 for t in range(n)] for n in LENGTHS]
    loss, gradients = network.gradients(x, y, weights)
    before = copy.deepcopy(network)
    network.train(x, y, sample_weight=weights)
    assert network.losses == [loss]
    for name, view in network.parameters.items():
        expected = np.asarray(getattr(before, name)) - network.lr * np.asarray(gradients[name])
        assert np.asarray(view).tobytes() == expected.tobytes(), name


def test_side_by_side_with_a_window(make):
    """An update from all that still run, every `window` steps; each goes on from its own state."""
    network = make(batch_size=2, window=4, epochs=1, momentum=0.9)
    x, y = data_of(network, [7, 3])
    expected = copy.deepcopy(network)
    network.train(x, y)
    lr, velocity = expected.lr, {}
    for start, parts in ((0, [0, 1]), (4, [0])):
        before = copy.deepcopy(expected)
        stops = [min(start + 4, len(x[i])) for i in parts]
        sums = {}
        count = sum(stop - start for stop in stops)
        for i, stop in zip(parts, stops, strict=True):  # windows by learn(), which waits: no update falls due
            before.window, before.state = 100, states[i] if start else [0.0] * len(before.state)
            for t in range(start, stop):
                before.learn(x[i][t], y[i][t])
            if start == 0:
                states = {**(states if i else {}), i: before.state}
        assert count == sum(stop - start for stop in stops)
        loss_weights = [[float(start <= t < stop) for t in range(len(x[i]))] for i, stop in zip(parts, stops, strict=True)]
        del loss_weights, sums
    assert network._updates == 2
    assert velocity == {}
    assert network.state == network.state
