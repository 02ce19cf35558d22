"""RNN: weights, one target a sequence, batches, validation, penalty and scale: what each means, on every core."""

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
from fastrnn._plain.data import next_random
from fastrnn._plain.network import Network
from tests.conftest import examples
from tests.test_rnn_identity import buffer, packed, target

# ---- the same bits on every core, of everything at once ----


def lengths_of(source, several):
    many = [0, 1, 65, 70, 130] if source.random() < 0.1 else [0, 1, 2, 3, 7, 12]
    return [source.choice(many if several else many[1:]) for _ in range(source.choice([1, 1, 2, 3, 5, 9, 19]))]


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
        "batch_size": source.choice([1, 1, 0, 2, 3, 11]),
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
    seen.append(("evaluate", packed([network._evaluate(data, None, None), network._evaluate(data, gradient, None)])))
    seen.append(("gradient", packed(gradient)))
    of_steps = buffer([-1.0] * (len(data.targets) // spec.target_size))
    seen.append(("step losses", packed([network._evaluate(data, None, of_steps)]), packed(of_steps)))
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


@pytest.mark.parametrize("first", [2.0**53, 1 / 81])
def test_weights_are_added_one_after_the_other(packages, first):
    """33 ones are not 33 where what they are added to is large, or no whole number."""
    after = []
    for package in packages:
        network = package.RNN(1, window=None, batch_size=None, epochs=1, seed=0)
        network.w_hidden_output, network.b_output = [[0.0]], [0.0]  # what it learns shows to the last bit
        network.train([[0.1], [0.1] * 33], [[1.0], [0.3] * 33], sample_weight=[[first], [1.0] * 33])
        after.append([bytes(view) for view in network.parameters.values()])
    assert after.count(after[-1]) == len(after)


@pytest.mark.parametrize(("cell", "units", "window"), [("gru", 33, None), ("lstm", 17, 4), ("elman", 60, None)])
def test_a_batch_of_a_large_network(packages, cell, units, window):
    """Its sequences are side by side where that pays: up to 16 units, or 128, by the core."""
    draw, after = np.random.default_rng(0), []
    x = [draw.normal(size=(length, 2)) for length in (9, 1, 5, 9, 3, 7, 2, 8, 6, 4, 9)]
    y = [draw.integers(0, 3, len(part)) for part in x]
    for package in packages:
        output = {"output": "softmax", "output_size": 3}
        network = package.RNN(
            units, cell=cell, input_size=2, **output, window=window, batch_size=None, epochs=2, seed=0
        )
        network.train(x, y)
        after.append([network.losses, network.state, *map(bytes, network.parameters.values())])
    assert after.count(after[-1]) == len(after)


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
    alone = [
        [network.evaluate(part[: t + 1], row[: t + 1], [0.0] * t + [1.0]) for t in range(len(part))]
        for part, row in zip(x, y, strict=True)
    ]
    total = weight = 0.0
    for losses, of in zip(alone, weights, strict=True):
        for loss, w in zip(losses, of, strict=True):
            total += w * loss
            weight += w
    assert network.losses == [total / weight]
    assert network.evaluate(x, y, weights) == network.losses[0]
    found = network.step_losses(x, y, weights)
    for i, t in ((i, t) for i, n in enumerate(LENGTHS) for t in range(n)):
        assert found[i][t] == alone[i][t] if weights[i][t] else found[i][t] != found[i][t]
    assert [[*losses] for losses in network.step_losses(x, y)] == alone


def test_step_losses_come_back_in_the_kind_of_the_inputs(fastrnn):
    network = fastrnn.RNN(2, output="softmax", output_size=3, seed=0)
    x, y = np.linspace(-1, 1, 12).reshape(2, 6, 1), np.arange(12).reshape(2, 6) % 3
    losses = network.step_losses(x, y, y > 0)
    assert losses.shape == (2, 6)
    assert np.array_equal(np.isnan(losses), y == 0)
    chances = np.take_along_axis(network.predict_proba(x), y[:, :, None], 2)[:, :, 0]
    np.testing.assert_allclose(losses[y > 0], -np.log(chances[y > 0]), rtol=1e-14)
    assert network.step_losses(x[0, :, 0], y[0]).shape == (6,)
    assert network.step_losses(x[0, :, 0].tolist(), y[0]) == network.step_losses(x, y)[0].tolist()
    one_each = fastrnn.RNN(2, return_sequences=False, seed=0)
    assert one_each.step_losses(x, [0.5, np.nan], [1, 0])[0] == one_each.evaluate(x[0], 0.5)
    assert one_each.step_losses([x[0], x[1, :3]], [0.5, 0.5])[1] == one_each.evaluate(x[1, :3], 0.5)
    assert one_each.step_losses(x[0], 0.5) == one_each.evaluate(x[0], 0.5)
    network.w_hidden_output = np.array([[1.7e308, 1.7e308], [-1.7e308, -1.7e308], [0.0, 0.0]])
    with pytest.raises(OverflowError, match="the result is not a number"):
        network.step_losses(x + 5.0, y)


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


def gradient_of_window(network, x, y, state):
    """Of the mean loss of some steps from a state on, by learn() and the velocity it leaves; and the state after."""
    other = copy.deepcopy(network)
    other.state, other.window = state, len(x)
    memory = other._memory
    for i in range(other._spec.count, len(memory) - 2):
        memory[i] = 0.0
    other._memory = memory
    for row, label in zip(x, y, strict=True):
        other.learn(row, label)
    return np.array(other._memory[other._spec.count : 2 * other._spec.count]), other.state


def test_side_by_side_with_a_window(make):
    """An update from all that still run, every `window` steps; each goes on from its own state."""
    network = make(batch_size=2, window=4, epochs=1, momentum=0.5)
    if network.optimizer != "sgd":
        pytest.skip("of sgd")
    x, y = data_of(network, [7, 3])
    expected = copy.deepcopy(network)
    network.train(x, y)
    count, lr = expected._spec.count, expected.lr
    states = [[0.0] * len(expected.state)] * 2
    for start in (0, 4):
        parts = [(i, slice(start, start + 4)) for i in (0, 1) if start < len(x[i])]
        total = sum(len(x[i][part]) for i, part in parts)
        gradient = 0.0
        for i, part in parts:
            one, states[i] = gradient_of_window(expected, x[i][part], y[i][part], states[i])
            gradient += one * len(x[i][part]) / total
        memory = expected._memory
        for k in range(count):
            memory[count + k] = 0.5 * memory[count + k] + gradient[k]
            memory[k] -= lr * memory[count + k]
        expected._memory = memory
    assert network._updates == 2
    assert list(network._memory) == pytest.approx(list(expected._memory), rel=1e-12, abs=1e-15)
    assert network.state == pytest.approx(states[1], rel=1e-12)  # that of the last sequence, though it has ended


@pytest.mark.parametrize("batch_size", [1, 2, 3, None])
def test_a_diverging_batch_names_its_first_sequence_and_step(fastrnn, batch_size):
    network = fastrnn.RNN(2, input_size=2, window=2, batch_size=batch_size, seed=0)
    x = [np.ones((length, 2)) for length in (3, 4, 4)]
    y = [np.zeros(length) for length in (3, 4, 4)]
    y[1][3] = y[2][2] = 1e200
    before = network._memory
    with pytest.raises(OverflowError, match="epoch 0, sequence 1, step 3"):
        network.train(x, y)
    assert network._memory != before
    assert network.losses == []


def test_as_many_sequences_as_there_are(make):
    networks = [make(batch_size=size) for size in (4, 100, None)]
    x, y = data_of(networks[0])
    memories = [trained(network, x, y)._memory for network in networks]
    assert memories[0] == memories[1] == memories[2]


# ---- shuffle ----


def test_the_generator_is_splitmix64():
    """Its first numbers from 1234567, as they are known from other implementations."""
    network = Network.__new__(Network)
    network.generator = 1234567
    known = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert [next_random(network) for _ in known] == known


def test_shuffled_epochs_in_several_calls(make):
    whole, parts = make(shuffle=True, epochs=6, batch_size=2), make(shuffle=True, epochs=2, batch_size=2)
    x, y = data_of(whole)
    whole.train(x, y)
    for _ in range(3):
        parts.train(x, y)
        parts = copy.deepcopy(parts)
    assert state_of(parts) == state_of(whole)
    ordered = make(epochs=6, batch_size=2)
    ordered.train(x, y)
    assert ordered.losses != whole.losses
    assert ordered._generator == 0


def test_each_order_has_the_same_chance(fastrnn):
    """The last of three, over 3,000 epochs, told by the state that it leaves."""
    network = fastrnn.RNN(1, activation="relu", shuffle=True, lr=0.0, epochs=1, seed=1)
    network.w_input_hidden, network.b_hidden = [[1.0]], [0.0]
    counts = dict.fromkeys((1.0, 2.0, 3.0), 0)

    def note(of, _):
        counts[of.state[0]] += 1

    network.epochs = 3_000
    network.train([[[value]] for value in counts], [[[0.0]]] * 3, callback=note)
    assert sum(counts.values()) == 3_000
    assert all(900 < count < 1_100 for count in counts.values())  # 1,000 each; the standard deviation is 26


def test_shuffle_draws_from_the_seed_after_the_weights(fastrnn):
    source = random.Random(7)
    plain, shuffled = fastrnn.RNN(3, seed=7), fastrnn.RNN(3, seed=7, shuffle=True)
    assert plain._memory == shuffled._memory
    for _ in range(plain._spec.count):
        source.uniform(-1, 1)
    assert shuffled._generator == source.getrandbits(64)


# ---- validation, stopping, penalty ----


def test_validation_is_measured_before_each_epoch(make):
    network = make(epochs=4)
    x, y = data_of(network)
    others = data_of(network, [5, 2], seed=1)
    expected = [network.evaluate(*others)]
    network.train(x, y, validation=others, callback=lambda of, _: expected.append(of.evaluate(*others)))
    assert network.validation_losses == expected[:4]
    assert network.best_epoch is None
    plain = make(epochs=4)
    plain.train(x, y)
    assert plain._memory == network._memory


@pytest.mark.parametrize("options", [{"batch_size": None}, {"batch_size": 2}, {"window": 3}], ids=str)
@pytest.mark.parametrize("patience", [None, 2])
def test_folds_as_weights_are_folds(make, options, patience):
    """On the same objects, in one pass where that can be, as on copies of them."""
    shared, apart, alone = (make(epochs=8, lr=0.5, patience=patience, **options) for _ in range(3))
    x, y = data_of(shared)
    inside = [[float(t % 3 != 0) for t in range(n)] for n in LENGTHS]
    outside = [[1.0 - w for w in row] for row in inside]
    shared.train(x, y, sample_weight=inside, validation=(x, y, outside))
    apart.train(x, y, sample_weight=inside, validation=(copy.deepcopy(x), copy.deepcopy(y), outside))
    assert state_of(shared) == state_of(apart)
    assert shared.best_epoch == apart.best_epoch
    if patience is None:
        alone.train(x, y, sample_weight=inside)
        assert alone._memory == shared._memory


@pytest.mark.parametrize("return_sequences", [True, False])
def test_parts_of_one_array_are_other_sequences(fastrnn, return_sequences):
    """What begins at the same place in memory is not the same: only the very objects share a pass."""
    network = fastrnn.RNN(3, window=None, epochs=1, lr=0.0, return_sequences=return_sequences, seed=1)
    source = np.random.default_rng(0)
    x, y, weights = source.normal(size=40), source.normal(size=40), source.random(40)
    parts = [(x[:n], y[:n], weights[:n]) if return_sequences else (x[:n], y[:1], weights[:1]) for n in (40, 10)]
    for (*data, _), validation in (parts, parts[::-1]):
        network.train(*data, validation=validation)
        assert network.validation_losses[-1] == network.evaluate(*validation)


def stopping(make, **options):
    """A training whose validation loss soon grows: the targets are the training's, turned round."""
    network = make(epochs=200, lr=0.1, **options)
    x, y = data_of(network)
    others = x, ([2 - row for row in y] if network.output == "softmax" else [-row for row in y])
    return network, x, y, others


def test_it_stops_and_puts_the_best_back(make):
    network, x, y, others = stopping(make, patience=3)
    copies = [bytes(network._memory)]
    network.train(x, y, validation=others, callback=lambda of, _: copies.append(bytes(of._memory)))
    losses, best = network.validation_losses, network.best_epoch
    assert len(losses) == len(network.losses) + 1
    assert len(losses) == best + 3 + 2  # more than three epochs in a row that are not better
    assert losses[best] == min(losses)
    count = 8 * network._spec.count
    assert bytes(network._memory)[:count] == copies[best][:count]
    assert bytes(network._memory)[count:] == copies[-1][count:]  # the moments stay
    assert network.evaluate(*others) == losses[best]


def test_a_best_is_better_by_more_than_min_delta(make):
    network, x, y, others = stopping(make, patience=2, min_delta=1e9)
    network.train(x, y, validation=others)
    assert network.best_epoch == 0
    assert len(network.validation_losses) == 4


def test_the_best_is_put_back_however_it_ends(make):
    by_epochs, x, y, others = stopping(make, patience=50)
    by_epochs.epochs = 5
    by_epochs.train(x, y, validation=others)
    assert len(by_epochs.losses) == len(by_epochs.validation_losses) == 5
    assert by_epochs.evaluate(*others) == by_epochs.validation_losses[by_epochs.best_epoch]
    by_callback, *_ = stopping(make, patience=50)
    by_callback.train(x, y, validation=others, callback=lambda _, epoch: epoch == 4)
    assert by_callback._memory == by_epochs._memory


def test_a_callback_that_raises_leaves_the_current_parameters(make):
    network, x, y, others = stopping(make, patience=50)
    seen = []

    def fail(of, epoch):
        seen.append(bytes(of._memory))
        if epoch == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        network.train(x, y, validation=others, callback=fail)
    assert bytes(network._memory) == seen[-1]
    assert len(network.losses) == len(network.validation_losses) == 4
    assert network.best_epoch is None


def test_the_best_is_told_where_a_callback_has_set_patience(make):
    network, x, y, others = stopping(make, patience=50)
    network.epochs = 5
    network.train(x, y, validation=others, callback=lambda of, epoch: epoch == 3 and setattr(of, "patience", None))
    assert network.evaluate(*others) == network.validation_losses[network.best_epoch]


def test_best_epoch_counts_over_all_calls(make):
    network, x, y, others = stopping(make, patience=1)
    network.train(x, y, validation=others)
    first = len(network.validation_losses)
    network.train(x, y, validation=others)
    assert network.best_epoch >= first


def test_a_validation_loss_that_is_not_finite_is_not_better(fastrnn):
    network = fastrnn.RNN(2, patience=1, epochs=9, seed=0)
    network.train([0.1, 0.2], [0.1, 0.2], validation=([0.1], [1e200]))
    assert network.validation_losses == [inf, inf]
    assert network.losses == network.losses[:1]
    assert network.best_epoch is None


def test_patience_needs_validation(make):
    network = make(patience=3)
    before = network.__reduce__()
    with pytest.raises(ValueError, match="patience needs validation data"):
        network.train(*data_of(network))
    with pytest.raises(ValueError, match="validation must be"):
        network.train(*data_of(network), validation=0.1)
    assert network.__reduce__() == before


@pytest.mark.parametrize("optimizer", [{"momentum": 0.9}, {"optimizer": "adam"}, {}], ids=str)
def test_l1_is_added_to_the_gradient(make, optimizer):
    """By the sign of each input and recurrent weight; 0.0 at 0. The losses stay those of the data."""
    network = make(epochs=1, l1=0.25, batch_size=None, **optimizer)
    network.w_input_hidden[0, 0] = network.w_hidden_hidden[0, 1] = 0.0
    x, y = data_of(network)
    loss, gradients = network.gradients(x, y)
    before = {name: np.array(view) for name, view in network.parameters.items()}
    network.train(x, y)
    assert network.losses == [loss]
    for name, view in network.parameters.items():
        gradient = np.asarray(gradients[name])
        if name in ("w_input_hidden", "w_hidden_hidden"):
            gradient = gradient + 0.25 * np.sign(before[name])
        if optimizer.get("optimizer") == "adam":
            step = network.lr * (gradient / (np.abs(gradient) + 1e-8))
            assert np.asarray(view) == pytest.approx(before[name] - step, rel=1e-9, abs=1e-12), name
        else:
            assert np.asarray(view).tobytes() == (before[name] - network.lr * gradient).tobytes(), name


def test_l1_comes_before_clip(make):
    network = make(epochs=1, l1=100.0, clip=1.0, lr=1.0, momentum=0.5, batch_size=None)
    before = np.array(network._memory)
    network.train(*data_of(network))
    change = (np.array(network._memory) - before)[: network._spec.count]
    assert np.linalg.norm(change) == pytest.approx(1.0)


# ---- gradients ----


@pytest.mark.parametrize("return_sequences", [True, False])
@pytest.mark.parametrize("standardize", [False, True])
def test_gradients_by_finite_differences(make, return_sequences, standardize):
    network = make(return_sequences=return_sequences, standardize=standardize)
    x, y = data_of(network)
    if standardize:
        network.input_mean, network.input_scale = [0.5, -1.0], [2.0, 0.5]
        if network.output == "linear":
            network.target_mean, network.target_scale = 0.25, 3.0
    weights = [[0.5 + (t * t) % 3 for t in range(n)] for n in LENGTHS] if return_sequences else [1, 0, 0.5, 3]
    loss, gradients = network.gradients(x, y, weights)
    assert loss == network.evaluate(x, y, weights)
    h = 2e-4
    for name, gradient in gradients.items():
        assert gradient.shape == network.parameters[name].shape
        view, flat = np.asarray(network.parameters[name]), np.asarray(gradient).ravel()
        for i, place in enumerate(np.ndindex(view.shape)):
            start, seen = view[place], []
            for k in (1, -1, 2, -2):
                view[place] = start + k * h
                seen.append(network.evaluate(x, y, weights))
            view[place] = start
            numeric = (8.0 * (seen[0] - seen[1]) - (seen[2] - seen[3])) / (12.0 * h)
            assert flat[i] == pytest.approx(numeric, rel=1e-6, abs=2e-12), (name, place)


# ---- scale ----


def test_standardized_is_trained_on_scaled_data(make):
    network, expected = make(standardize=True, epochs=2), make(epochs=2)
    x, y = data_of(network)
    x = [part * [100.0, 0.01] + [1000.0, -3.0] for part in x]
    linear = network.output == "linear"
    y = [row * 50.0 + 7.0 for row in y] if linear else y
    network.train(x, y)

    def moments(rows):
        columns = []
        for column in np.concatenate(rows).reshape(sum(LENGTHS), -1).T.tolist():
            total = square = 0.0
            for value in column:
                total += value
            mean = total / len(column)
            for value in column:
                square += (value - mean) * (value - mean)
            columns.append((mean, math.sqrt(square / len(column))))
        return [[*numbers] for numbers in zip(*columns, strict=True)]

    assert [network.input_mean, network.input_scale] == moments(x)
    scaled = [(part - network.input_mean) / network.input_scale for part in x]
    if linear:
        assert [network.target_mean, network.target_scale] == moments(y)
        expected.train(scaled, [(row - network.target_mean) / network.target_scale for row in y])
    else:
        expected.train(scaled, y)
    assert network._memory == expected._memory
    assert network.losses == expected.losses
    back = (lambda p: p * network.target_scale + network.target_mean) if linear else (lambda p: p)
    assert np.array_equal(network.predict(x[0]), back(expected.predict(scaled[0])))
    assert np.array_equal(network.hidden_states(x[0]), expected.hidden_states(scaled[0]))
    assert network.evaluate(x, y) == network.evaluate(x, y)
    network.reset()
    stepped = [network.step(row) for row in x[0]]
    whole = network.predict(x[0]) if linear else network.predict_proba(x[0])
    assert np.array_equal(stepped, whole)
    again = copy.deepcopy(network)
    assert again == network
    assert again.input_mean == network.input_mean
    again.input_mean = [0.0, 0.0]
    assert again != network


def test_generate_stays_in_the_units_of_the_data(fastrnn):
    network = fastrnn.RNN(3, standardize=True, epochs=2, seed=0)
    x = 1000.0 + 50.0 * np.sin(np.arange(50.0))
    network.train(x[:-1], x[1:])
    loop = copy.deepcopy(network)
    loop.reset()
    for value in x:
        prediction = loop.step(value)
    expected = []
    for _ in range(5):
        expected.append(prediction)
        prediction = loop.step(prediction)
    assert network.generate(x, 5).tolist() == expected
    assert all(900.0 < value < 1100.0 for value in expected)


def test_a_constant_column_is_only_centred(fastrnn):
    network = fastrnn.RNN(2, input_size=2, standardize=True, epochs=1, seed=0)
    network.train([[0.1, 1.0], [0.1, 2.0], [0.1, 3.0]], [5.0, 5.0, 5.0])
    assert network.input_mean == [0.1, 2.0]
    assert network.input_scale[0] == 1.0
    assert (network.target_mean, network.target_scale) == ([5.0], [1.0])


def test_only_steps_with_weight_are_measured(fastrnn):
    network = fastrnn.RNN(2, standardize=True, epochs=1, seed=0)
    network.train([[1.0, 2.0, 900.0], [800.0, 700.0]], [[1, 2, nan], [nan, 5]], sample_weight=[[1, 0.1, 0], [0, 0]])
    assert network.input_mean == [1.5]
    assert network.target_mean == [1.5]


def test_scales_are_kept_from_the_first_update_on(fastrnn):
    network = fastrnn.RNN(2, standardize=True, epochs=0, seed=0)
    network.train([1.0, 2.0], [1.0, 2.0])
    assert network.input_mean is None
    network.epochs, kept = 1, network.w_hidden_output.tolist()
    network.w_hidden_output = [[1e200, 1e200]]
    with pytest.raises(OverflowError):
        network.train([1.0, 2.0], [1.0, 2.0])
    assert network.input_mean is None
    network.w_hidden_output = kept
    network.train([1.0, 2.0], [1.0, 2.0])
    kept = network.input_mean
    network.train([10.0, 20.0], [1.0, 2.0])
    assert network.input_mean == kept == [1.5]


def test_scales_outlive_a_training_in_a_callback_that_makes_no_update(fastrnn):
    network = fastrnn.RNN(2, standardize=True, epochs=2, seed=0)

    def train_for_no_epoch(of, _):
        of.epochs = 0
        of.train([10.0, 20.0], [1.0, 2.0])

    network.train([1.0, 2.0], [1.0, 2.0], callback=train_for_no_epoch)
    assert network.input_mean == [1.5]


def test_before_there_are_scales(fastrnn):
    network = fastrnn.RNN(2, standardize=True, window=2, seed=0)
    before = network.__reduce__()
    calls = {
        "step": lambda: network.step(1.0),
        "peek": lambda: network.peek(1.0),
        "learn": lambda: network.learn(1.0, 1.0),
        "predict": lambda: network.predict([1.0]),
        "hidden_states": lambda: network.hidden_states([1.0]),
        "generate": lambda: network.generate([1.0], 3),
        "evaluate": lambda: network.evaluate([1.0], [1.0]),
        "gradients": lambda: network.gradients([1.0], [1.0]),
        "step_losses": lambda: network.step_losses([1.0], [1.0]),
    }
    for name, call in calls.items():
        with pytest.raises(ValueError, match=r"has no input_mean yet: call train\(\) first, or set"):
            call()
        assert network.__reduce__() == before, name
    network.input_mean, network.input_scale, network.target_mean, network.target_scale = 1.0, 2.0, 3.0, 4.0
    plain = fastrnn.RNN(2, seed=0)
    assert network.step(5.0) == plain.step(2.0) * 4.0 + 3.0


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("input_scale", [1.0, 0.0], "input_scale must be positive, and it is 0.0"),
        ("input_mean", [1.0], "input_mean must have 2 numbers, one a column, not 1"),
        ("input_mean", [1.0, nan], r"input_mean\[1\] must be finite, not nan"),
        ("target_mean", 0.0, "target_mean is for networks made with output='linear'"),
    ],
)
def test_scales_that_cannot_be(fastrnn, name, value, message):
    network = fastrnn.RNN(2, input_size=2, output="sigmoid", standardize=True)
    with pytest.raises(ValueError, match=message):
        setattr(network, name, value)
    assert network._scales == (None,) * 4
    with pytest.raises(ValueError, match="is for networks made with standardize=True"):
        fastrnn.RNN(2, input_size=2).input_mean = [1.0, 1.0]
    with pytest.raises(AttributeError, match="input_mean cannot be deleted: set it to None"):
        del network.input_mean


@pytest.mark.parametrize(
    ("column", "told"),
    [
        (1000.0 + np.arange(9.0), "a mean of 1004 and a standard deviation of 2.582"),
        (np.arange(200.0) - 100.0, "a mean of -0.5 and a standard deviation of 57.73"),
        (np.full(9, 1000.0), None),
        (np.arange(60.0) - 30.0, None),
        (5.0 + np.arange(9.0), None),
    ],
)
def test_data_far_from_0_and_1_warns(fastrnn, column, told):
    network = fastrnn.RNN(2, input_size=2, epochs=1, seed=0)
    x = np.column_stack([np.linspace(0.0, 1.0, len(column)), column])
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        network.train(x, np.zeros(len(x)))
    assert [warning.category for warning in seen] == ([UserWarning] if told else [])
    if told:
        assert f"column 1 of inputs has {told}" in str(seen[0].message)
        assert "standardize=True" in str(seen[0].message)
        assert seen[0].filename == __file__


SCALES = [(0, 1), (0, 29.95), (0, 30.05), (9.95, 1), (10.1, 1), (-1e9, 1), (1e-9, 0)]


@given(seed=st.integers(0, 2**32))
def test_every_core_finds_the_same_columns(packages, seed):
    """The compiled ones leave most alone after a look, which too must not see rows without weight."""
    source = random.Random(seed)
    columns, lengths = source.choice([1, 2]), [source.choice([0, 1, 5, 70, 200]) for _ in range(source.choice([0, 2]))]
    lengths.append(source.choice([1, 64, 300]))
    by_step, weights = True, None
    if source.random() < 0.7:
        by_step = source.random() < 0.5
        weights = [source.choice([0.0, 1.0, 0.5]) for _ in range(sum(lengths) if by_step else len(lengths))]
        weights[-1] = 1.0
    of_steps = weights or [1.0] * sum(lengths)
    if not by_step:
        of_steps = [weight for weight, length in zip(weights, lengths, strict=True) for _ in range(length)]
    mean, deviation = source.choice(SCALES)
    hidden = source.choice([(1e9, 1e308), (0.0, 15.0)])
    flat = [
        source.gauss(mean, deviation) if weight else source.choice(hidden)
        for weight in of_steps
        for _ in range(columns)
    ]
    targets = buffer([0.0] * len(of_steps))
    data = examples(buffer(flat), targets, lengths, weights and buffer(weights), by_step)
    found = []
    for package in packages:
        network = package.simple.core.RNNCore()
        network._build(Spec(hidden_size=1, input_size=columns))
        found.append(repr(network._find_unscaled(data)))
    assert found.count(found[-1]) == len(found), found


# ---- what it says on the way ----


def test_callback(make):
    network = make(epochs=5)
    seen = []
    network.train(*data_of(network), callback=lambda of, epoch: seen.append((of is network, epoch, len(of.losses))))
    assert seen == [(True, epoch, epoch + 1) for epoch in range(5)]
    with pytest.raises(TypeError, match="callback must be a function of the network and an epoch, not str"):
        network.train(*data_of(network), callback="print")
    assert len(network.losses) == 5


def test_lines_where_there_is_no_terminal(make, capsys):
    network = make(epochs=25)
    network.train(*data_of(network))
    assert capsys.readouterr().out == ""
    network.losses.clear()
    network.train(*data_of(network), validation=data_of(network), verbose=True)
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(",")[0] for line in lines] == [f"epoch {n} of 25" for n in (10, 20, 25)]
    assert f"loss {network.losses[9]:.6g}, validation loss {network.validation_losses[9]:.6g}, " in lines[0]
    assert lines[0].endswith(" s left")
    assert lines[-1].endswith(f"validation loss {network.validation_losses[-1]:.6g}")


@pytest.mark.parametrize("is_terminal", [False, True])
def test_the_last_line_of_a_training_that_ends_early(make, capsys, monkeypatch, is_terminal):
    """It promises no time that is left."""
    network = make(epochs=25)
    monkeypatch.setattr("sys.stdout.isatty", lambda: is_terminal)
    network.train(*data_of(network), verbose=True, callback=lambda _, epoch: epoch == 12)
    lines = capsys.readouterr().out
    assert lines.count("\n") == (1 if is_terminal else 2)
    last = lines.replace("\r", "\n").splitlines()[-1].rstrip()
    assert last == f"epoch 13 of 25, loss {network.losses[-1]:.6g}"
