"""The same network in PyTorch, for the examples' --torch: trained as a good user would, a whole window at a time."""

import time

import torch

torch.set_num_threads(1)  # with networks this small more threads are slower
torch.set_default_dtype(torch.float64)

PATIENCE = 120.0  # seconds; a training that has taken longer ends with its epoch, and says so


class Network(torch.nn.Module):
    """One recurrent layer and one linear layer over it, of the shape of `like`, a fastrnn.RNN."""

    def __init__(self, like, seed):
        super().__init__()
        torch.manual_seed(seed)
        self.layer = getattr(torch.nn, like.cell.upper())(like.input_size, like.hidden_size)
        self.linear = torch.nn.Linear(like.hidden_size, like.output_size)

    def forward(self, inputs, state=None):
        outputs, state = self.layer(inputs, state)
        return self.linear(outputs), state


def rows(sequence):
    """T numbers or T rows as PyTorch wants them: T steps of a batch of one."""
    return torch.as_tensor(sequence).reshape(len(sequence), 1, -1)


def train(network, inputs, targets, rates, like):
    """Train on lists of sequences with `like`'s window, epochs and clip, once with each learning rate of `rates`.

    Returns the seconds it took, and a remark where it ran out of patience.
    """
    loss_of = torch.nn.functional.cross_entropy if like.output == "softmax" else half_squared_error
    optimizer = torch.optim.Adam(network.parameters(), fused=True)
    sequences = []
    for x, y in zip(inputs, targets, strict=True):
        x, y = rows(x), torch.as_tensor(y) if like.output == "softmax" else rows(y)
        sequences.append(list(zip(x.split(like.window), y.split(like.window), strict=True)))
    total = len(rates) * like.epochs
    start = time.perf_counter()
    for epoch in range(total):
        optimizer.param_groups[0]["lr"] = rates[epoch // like.epochs]
        for windows in sequences:
            state = None
            for x, y in windows:
                predictions, state = network(x, state)
                loss = loss_of(predictions.flatten(0, 1) if like.output == "softmax" else predictions, y)
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(network.parameters(), like.clip)
                optimizer.step()
                state = tuple(part.detach() for part in state) if isinstance(state, tuple) else state.detach()
        seconds = time.perf_counter() - start
        if seconds > PATIENCE and epoch + 1 < total:
            whole = seconds / (epoch + 1) * total
            return seconds, f"{epoch + 1} of {total} epochs; all would take about {whole:.0f} s"
    return seconds, ""


def half_squared_error(predictions, targets):
    return torch.nn.functional.mse_loss(predictions, targets) / 2
