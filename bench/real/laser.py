"""The intensity of a chaotic laser, one step ahead and in closed loop: `pip install reservoirpy`.

Data set A of the Santa Fe competition (Weigend and Gershenfeld 1994) and its continuation: 10,093 integers from 0 to
255. The last 2,000 are the test. On the 1,000 before them was chosen, with networks that had learnt what comes before
those: cell, size, window, learning rates and epochs (of Elman, GRU and LSTM with 16 and 32 units). The order of the
linear autoregression is chosen there too, by the script. Then all learn from everything before the test.

    python bench/real/laser.py [--torch] [--figure PATH]
"""

import argparse
import time

import numpy as np
from reservoirpy.datasets import santafe_laser

import fastrnn

TEST, VALIDATION = 2_000, 1_000
ORDERS = (16, 32, 48, 64)
RATES, SEED = (0.01, 0.003, 0.001), 0  # of learning, 100 epochs each


def nrmse(predictions, truth):
    return np.sqrt(np.mean((predictions - truth) ** 2)) / truth.std()


def autoregression(series, lags, end, stop):
    """Least squares on the `lags` values before each step, fitted up to `end`; predictions of the steps end to stop."""
    windows = np.lib.stride_tricks.sliding_window_view(series, lags)
    windows = np.hstack([windows, np.ones((len(windows), 1))])  # row i belongs to step lags + i
    weights = np.linalg.lstsq(windows[: end - lags], series[lags:end])[0]
    return windows[end - lags : stop - lags] @ weights


def by_fastrnn(series, test):
    network = fastrnn.RNN(16, cell="lstm", window=64, optimizer="adam", clip=1.0, epochs=100, seed=SEED)
    start = time.perf_counter()
    for network.lr in RATES:
        network.train(series[: test - 1], series[1:test])
    seconds = time.perf_counter() - start
    return network, network.predict(series[:-1])[test - 1 :], seconds


def by_torch(series, test, like):
    import peer
    import torch

    network = peer.Network(like, SEED)
    seconds, remark = peer.train(network, [series[: test - 1]], [series[1:test]], RATES, like)
    with torch.no_grad():
        predictions, _ = network(peer.rows(series[:-1]))
    return predictions.flatten().numpy()[test - 1 :], seconds, remark


def closed_loop(network, series, test, steps, every=100):
    """`steps` predictions from many origins in the test, and what came; the state goes on from origin to origin."""
    state = [0.0] * len(network.state)
    network.predict(series[: test - 1], state=state)
    origins = range(test - 1, len(series) - steps, every)  # the last step known
    forecasts = []
    for origin in origins:
        forecasts.append(network.generate(series[origin : origin + 1], steps, state=state.copy()))
        network.predict(series[origin : origin + every], state=state)
    return np.array(forecasts), np.array([series[origin + 1 : origin + 1 + steps] for origin in origins])


def draw(path, forecast, truth, scale, mean):
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 3.5), layout="constrained")
    steps = np.arange(1, len(truth) + 1)
    axes.plot(steps, truth * scale + mean, color="black", label="truth")
    axes.plot(steps, forecast * scale + mean, "--", color="tab:red", label="fastrnn, at step 0")
    axes.set(xlabel="steps", ylabel="intensity", title=f"The laser, {len(truth)} steps forecast in closed loop")
    figure.legend(loc="outside lower center", ncols=2)
    figure.savefig(path, dpi=120)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--torch", action="store_true")
    parser.add_argument("--figure", metavar="PATH")
    options = parser.parse_args()

    intensity = santafe_laser().ravel().astype(float)
    test = len(intensity) - TEST
    mean, scale = intensity[:test].mean(), intensity[:test].std()
    series = (intensity - mean) / scale
    truth = series[test:]

    def report(name, predictions, remark=""):
        print(f"{name:<36}{nrmse(predictions, truth):6.3f}   {remark}".rstrip())

    print("one step ahead, 2,000 steps          NRMSE")
    report("last value", series[test - 1 : -1])
    before = test - VALIDATION
    scores = {n: nrmse(autoregression(series, n, before, test), series[before:test]) for n in ORDERS}
    lags = min(ORDERS, key=scores.get)
    report(f"linear autoregression, {lags} lags", autoregression(series, lags, test, len(series)))
    network, predictions, seconds = by_fastrnn(series, test)
    report("fastrnn, LSTM of 16", predictions, f"trained in {seconds:.2f} s")
    if options.torch:
        predictions, seconds, remark = by_torch(series, test, network)
        report("PyTorch, LSTM of 16", predictions, f"trained in {seconds:.2f} s {remark}")

    forecasts, came = closed_loop(network, series, test, steps=100)
    print(f"\nfastrnn in closed loop, {len(came)} origins   NRMSE")
    for first, last in ((1, 10), (11, 20), (21, 50), (51, 100)):
        part = slice(first - 1, last)
        print(f"steps {first:>2} to {last:<3}{nrmse(forecasts[:, part], came[:, part]):28.3f}")
    if options.figure:
        draw(options.figure, forecasts[0], came[0], scale, mean)


if __name__ == "__main__":
    main()
