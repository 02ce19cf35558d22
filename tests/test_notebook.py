"""The notebook's run, line for line. The figures are those of the notebook's own pure-Python code."""

import random

import pytest

LOSSES = [
    *("9.7750", "9.0703", "7.5908", "5.2404", "3.2729", "2.1369", "1.5132", "1.1457", "0.9109", "0.7503"),
    *("0.6346", "0.5477", "0.4803", "0.4266", "0.3830", "0.3470", "0.3167", "0.2909", "0.2687", "0.2495"),
]


def test_golden_run(fastrnn, capsys):
    sequence = [0, 1] * 20
    random.seed(42)
    network = fastrnn.SimpleRNN(epochs=200)
    assert [network.w_input_hidden, network.w_hidden_hidden, network.w_hidden_output] == [
        0.2788535969157675,
        -0.9499784895546661,
        -0.4499413632617615,
    ]
    assert [network.b_hidden, network.b_output] == [-0.5535785237023545, 0.4729424283280248]
    network.train(sequence[:-1], sequence[1:])
    assert capsys.readouterr().out.splitlines() == [f"Epoch {10 * i}: Loss = {loss}" for i, loss in enumerate(LOSSES)]
    assert network.predict(sequence[:-1]) == sequence[1:]
    # The digits that every platform's exp gives; test_identity compares bits.
    weights = [network.w_input_hidden, network.w_hidden_hidden, network.w_hidden_output]
    assert weights == pytest.approx([3.843587287764985, -2.5122817053474598, -5.722609619131011], rel=1e-10)
    assert [network.b_hidden, network.b_output] == pytest.approx([-1.0992662609482824, 2.7546182651086], rel=1e-10)
