"""Train and run a small recurrent network on a CPU, fast, with numbers anyone can check against plain Python."""

from fastrnn._backend import backend
from fastrnn._network import load
from fastrnn.many import Training, predict_all, train_all
from fastrnn.rnn import RNN
from fastrnn.simple import SimpleRNN

__all__ = ["RNN", "SimpleRNN", "Training", "backend", "load", "predict_all", "train_all"]
__version__ = "0.1.0"
