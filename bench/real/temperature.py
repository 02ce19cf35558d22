"""Hourly temperatures of Seattle, forecast 1 to 24 hours ahead: `pip install vega_datasets`.

The data are dated 2010, but day follows day too smoothly for weather: they are normals, averages of each hour over 30
years. So the temperature a day before is a forecast that is hard to beat, and the network learns only what is new: the
difference from that. Little in them is not linear: the autoregression is as good as any network we tried, or better.

Training ends on 9 October; the last 2,000 hours, to the end of the year, are the test. Cell, size, window, learning
rate and epochs were chosen on the 3,000 hours before it, each 1,000 forecast by networks that had learnt what came
before (Elman, GRU and LSTM with 8 to 32 units, windows of 24 to 96 hours); so was the autoregression's order (24, 48 or
72 hours).

    python bench/real/temperature.py [--torch] [--figure PATH]
"""

import argparse
import time

import numpy as np
from vega_datasets import data

import fastrnn

DAY, TEST = 24, 2_000
LR, SEED = 0.001, 0
LAGS = 72  # of the autoregression


def load():
    table = data.seattle_temps()
    temperatures = table.temp.to_numpy()
    gap = int(table.date.diff().argmax())  # 3 o'clock on 14 March, lost to summer time: fill it, so that days have 24
    return np.insert(temperatures, gap, temperatures[gap - 1 : gap + 1].mean())


def autoregression(temperatures, end, origins):
    """Least squares on the last LAGS hours, in closed loop from all origins."""
    windows = np.lib.stride_tricks.sliding_window_view(temperatures, LAGS)
    ones = np.ones((len(windows), 1))
    windows = np.hstack([windows, ones])
    weights = np.linalg.lstsq(windows[: end - LAGS], temperatures[LAGS:end])[0]
    known = windows[origins - LAGS + 1]
    forecasts = []
    for _ in range(DAY):
        forecasts.append(known @ weights)
        known = np.column_stack([known[:, 1:-1], forecasts[-1], known[:, -1]])
    return np.column_stack(forecasts)


def by_fastrnn(differences, end, origins):
    network = fastrnn.RNN(32, cell="gru", window=48, optimizer="adam", lr=LR, clip=1.0, epochs=60, seed=SEED)
    start = time.perf_counter()
    network.train(differences[: end - 1], differences[1:end])
    seconds = time.perf_counter() - start
    states = network.hidden_states(differences)
    forecasts = [network.generate(differences[o : o + 1], DAY, state=states[o - 1].copy()) for o in origins]
    return network, np.array(forecasts), seconds


def by_torch(differences, end, origins, like):
    import peer
    import torch

    network = peer.Network(like, SEED)
    seconds, remark = peer.train(network, [differences[: end - 1]], [differences[1:end]], [LR], like)
    forecasts = []
    with torch.no_grad():
        states, _ = network.layer(peer.rows(differences))
        state = states[origins - 1].reshape(1, len(origins), -1)
        x = peer.rows(differences)[origins].reshape(1, len(origins), 1)
        for _ in range(DAY):
            x, state = network(x, state)
            forecasts.append(x.flatten().numpy())
    return np.column_stack(forecasts), seconds, remark


def draw(path, temperatures, network, differences, scale, origin, days=3):
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    hours = days * DAY
    forecast = [*temperatures[origin + 1 - DAY : origin + 1]]
    for difference in network.generate(differences[: origin + 1 - DAY], hours) * scale:
        forecast.append(forecast[-DAY] + difference)
    shown = np.arange(-2 * DAY, hours + 1)
    figure, axes = pyplot.subplots(figsize=(8, 3.5), layout="constrained")
    axes.plot(shown, temperatures[origin + shown], color="black", label="truth")
    axes.plot(np.arange(1, hours + 1), forecast[DAY:], "--", color="tab:red", label="fastrnn, at hour 0")
    axes.axvline(0, color="grey", linewidth=0.8)
    axes.set(xlabel="hours", ylabel="°F", title="Seattle, 72 hours forecast in closed loop")
    figure.legend(loc="outside lower center", ncols=2)
    figure.savefig(path, dpi=120)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--torch", action="store_true")
    parser.add_argument("--figure", metavar="PATH")
    options = parser.parse_args()

    temperatures = load()
    test = len(temperatures) - TEST  # the first hour of the test
    origins = np.arange(test - 1, len(temperatures) - DAY)  # the last hour known to each forecast
    ahead = origins[:, None] + np.arange(1, DAY + 1)
    truth, day_before = temperatures[ahead], temperatures[ahead - DAY]

    differences = temperatures[DAY:] - temperatures[:-DAY]  # differences[i] is of hour DAY + i
    scale = differences[: test - DAY].std()
    differences = differences / scale

    def report(name, forecasts, remark=""):
        errors = np.sqrt(np.mean((forecasts - truth) ** 2, axis=0)), np.sqrt(np.mean((forecasts - truth) ** 2))
        print(f"{name:<42}{errors[0][0]:7.3f}{errors[1]:13.3f}   {remark}".rstrip())

    print(f"RMSE in °F over {len(origins)} forecasts      1 hour ahead  1 to 24 hours")
    report("last value", np.repeat(temperatures[origins, None], DAY, axis=1))
    report("a day before", day_before)
    change = temperatures[origins] - temperatures[origins - DAY]
    report("a day before, and the change since then", day_before + change[:, None])
    report(f"linear autoregression, {LAGS} hours", autoregression(temperatures, test, origins))
    network, forecasts, seconds = by_fastrnn(differences, test - DAY, origins - DAY)
    report("fastrnn, GRU of 32", day_before + forecasts * scale, f"trained in {seconds:.2f} s")
    if options.torch:
        forecasts, seconds, remark = by_torch(differences, test - DAY, origins - DAY, network)
        report("PyTorch, GRU of 32", day_before + forecasts * scale, f"trained in {seconds:.2f} s {remark}")
    if options.figure:
        draw(options.figure, temperatures, network, differences, scale, test + 1_000)


if __name__ == "__main__":
    main()
