/* The limit of SimpleRNN: a plain C loop of the same arithmetic, in the same order, and nothing else.

It checks no input, hears no Ctrl-C and notices no divergence. rows.py compiles it.
*/
#include <math.h>
#include <stddef.h>

typedef struct {
    double w_input_hidden, w_hidden_hidden, w_hidden_output, b_hidden, b_output;
} Weights;

static inline double sigmoid(double a) {
    return 1.0 / (1.0 + exp(-a));
}

void train(Weights *weights, double lr, const double *inputs, const double *targets, ptrdiff_t length,
           ptrdiff_t epochs, double *losses) {
    Weights w = *weights;
    for (ptrdiff_t epoch = 0; epoch < epochs; epoch++) {
        double hidden_state = 0.0, loss = 0.0;
        for (ptrdiff_t step = 0; step < length; step++) {
            double x = inputs[step];
            double hidden = sigmoid(w.w_input_hidden * x + w.w_hidden_hidden * hidden_state + w.b_hidden);
            double probability = sigmoid(w.w_hidden_output * hidden + w.b_output);
            double error = probability - targets[step];
            double d_output = error * (probability * (1.0 - probability));
            double d_hidden = d_output * w.w_hidden_output * (hidden * (1.0 - hidden));
            loss += error * error;
            w.w_hidden_output -= lr * d_output * hidden;
            w.b_output -= lr * d_output;
            w.w_input_hidden -= lr * d_hidden * x;
            w.w_hidden_hidden -= lr * d_hidden * hidden_state;
            w.b_hidden -= lr * d_hidden;
            hidden_state = hidden;
        }
        losses[epoch] = loss;
    }
    *weights = w;
}

void predict_proba(const Weights *weights, const double *inputs, ptrdiff_t length, double *probabilities) {
    Weights w = *weights;
    double hidden_state = 0.0;
    for (ptrdiff_t step = 0; step < length; step++) {
        hidden_state = sigmoid(w.w_input_hidden * inputs[step] + w.w_hidden_hidden * hidden_state + w.b_hidden);
        probabilities[step] = sigmoid(w.w_hidden_output * hidden_state + w.b_output);
    }
}
