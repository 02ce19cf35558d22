"""Sample by sample, in chunks and all at once: the same numbers, and predictions leave a network alone."""

import itertools

import pytest

SEQUENCE = [0.0, 1.0, 1.0, 0.25, -3.5, 2.0] * 9


@pytest.fixture
def network(fastrnn):
    return fastrnn.SimpleRNN(lr=0.7, epochs=1, seed=11)


def test_loop_of_learn_is_an_epoch(fastrnn, network):
    inputs, targets = SEQUENCE[:-1], SEQUENCE[1:]
    trained = fastrnn.SimpleRNN(lr=0.7, epochs=1, seed=11)
    trained.train(inputs, targets, verbose=False)
    loss = 0.0
    for x, target in zip(inputs, targets, strict=True):
        error = network.learn(x, target) - target
        loss += error * error
    assert network == trained
    assert [loss] == trained.losses


def test_loop_of_step_is_predict_proba(network):
    assert [network.step(x) for x in SEQUENCE] == network.predict_proba(SEQUENCE)


def test_learn_returns_the_probability_before_the_update(network):
    for x, target in itertools.pairwise(SEQUENCE):
        state = network.hidden_state
        expected = network.step(x)
        network.hidden_state = state
        assert network.learn(x, target) == expected


def test_stream_goes_on_where_training_ended(fastrnn, network):
    network.train(SEQUENCE[:-1], SEQUENCE[1:], verbose=False)
    replayed = fastrnn.SimpleRNN(seed=0)
    replayed.__setstate__(network.__reduce__()[2])
    assert network.hidden_state != 0.0
    assert network.step(1.0) == replayed.step(1.0)


def test_reset(network):
    first = [network.step(x) for x in SEQUENCE]
    weights = (network.w_input_hidden, network.w_hidden_hidden, network.w_hidden_output)
    network.reset()
    assert network.hidden_state == 0.0
    assert (network.w_input_hidden, network.w_hidden_hidden, network.w_hidden_output) == weights
    assert [network.step(x) for x in SEQUENCE] == first


@pytest.mark.parametrize("method", ["predict", "predict_proba", "hidden_states"])
def test_predictions_are_fresh_and_change_nothing(network, method):
    network.step(1.0)
    before = repr(network), network.hidden_state, network.losses
    first = getattr(network, method)(SEQUENCE)
    assert (repr(network), network.hidden_state, network.losses) == before
    assert getattr(network, method)(SEQUENCE) == first


def test_rounding_of_one_half(network):
    """Python's round(0.5) is 0."""
    network.w_hidden_output = network.b_output = 0.0
    assert network.predict_proba([1, 2]) == [0.5, 0.5]
    assert network.predict([1, 2]) == [0, 0]


def test_lines_appear_while_it_trains(fastrnn, monkeypatch):
    """Each line finds the weights of its own epoch."""
    seen = []
    network = fastrnn.SimpleRNN(epochs=31, seed=2)
    monkeypatch.setattr("builtins.print", lambda line, flush: seen.append((line, flush, network.b_output)))
    network.train([0, 1, 0], [1, 0, 1])
    assert [line.split(":")[0] for line, _, _ in seen] == ["Epoch 0", "Epoch 10", "Epoch 20", "Epoch 30"]
    assert all(flush for _, flush, _ in seen)
    assert len({b_output for _, _, b_output in seen}) == 4


def test_silent(network, capsys):
    network.train([0, 1], [1, 0], verbose=False)
    assert capsys.readouterr() == ("", "")


def test_no_epochs(network):
    before = repr(network)
    network.epochs = 0
    network.train([0, 1], [1, 0])
    assert repr(network) == before.replace("epochs=1", "epochs=0")
    assert network.losses == []


def test_an_error_while_printing_leaves_the_epoch_complete(fastrnn, monkeypatch):
    network, expected = (fastrnn.SimpleRNN(epochs=epochs, seed=2) for epochs in (31, 11))
    expected.train([0, 1, 0], [1, 0, 1], verbose=False)

    def broken(line, **_):
        if line.startswith("Epoch 10"):
            raise BrokenPipeError

    monkeypatch.setattr("builtins.print", broken)
    with pytest.raises(BrokenPipeError):
        network.train([0, 1, 0], [1, 0, 1])
    assert network.losses == expected.losses
    network.epochs = 11
    assert network == expected


def test_what_is_written_while_it_prints_counts_from_the_next_epoch_on(fastrnn, monkeypatch):
    network, expected = fastrnn.SimpleRNN(epochs=21, seed=2), fastrnn.SimpleRNN(epochs=11, seed=2)

    def write(of):
        of.b_output, of.lr = 2.5, 0.75

    monkeypatch.setattr("builtins.print", lambda line, **_: write(network) if line.startswith("Epoch 10") else None)
    network.train([0, 1, 0], [1, 0, 1])
    expected.train([0, 1, 0], [1, 0, 1], verbose=False)
    write(expected)
    expected.epochs = 10
    expected.train([0, 1, 0], [1, 0, 1], verbose=False)
    network.epochs = 10
    assert network == expected
    assert network.losses == expected.losses
