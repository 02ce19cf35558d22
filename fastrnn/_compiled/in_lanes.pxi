# Part of _core.pyx: the kinds in lanes. It has no twin: the numbers are those of the kinds alone, whose functions each
# calls. Their C names begin with what vectors.pxi says of such functions, which a call could not bear: so they are
# declared once more.

cdef inline Py_ssize_t whole(Py_ssize_t length) noexcept nogil:
    return length // LANES * LANES


cdef void _tanh_padded_in_lanes "FASTRNN_IN_LANES tanh_padded_in_lanes"(
        double* values, Py_ssize_t length) noexcept nogil:
    tanh_all(values, whole(length))


cdef void _tanh_delta_in_lanes "FASTRNN_IN_LANES tanh_delta_in_lanes"(
        Py_ssize_t size, const double* by_h, const double* h, out_t delta) noexcept nogil:
    tanh_delta(whole(size), by_h, h, delta)


cdef void _sigmoid_all_in_lanes "FASTRNN_IN_LANES sigmoid_all_in_lanes"(
        double* values, Py_ssize_t length) noexcept nogil:
    sigmoid_all(values, whole(length))


cdef void _sigmoid_delta_in_lanes "FASTRNN_IN_LANES sigmoid_delta_in_lanes"(
        Py_ssize_t size, const double* by_h, const double* h, out_t delta) noexcept nogil:
    sigmoid_delta(whole(size), by_h, h, delta)


cdef void _relu_all_in_lanes "FASTRNN_IN_LANES relu_all_in_lanes"(double* values, Py_ssize_t length) noexcept nogil:
    relu_all(values, whole(length))


cdef void _relu_delta_in_lanes "FASTRNN_IN_LANES relu_delta_in_lanes"(
        Py_ssize_t size, const double* by_h, const double* h, out_t delta) noexcept nogil:
    relu_delta(whole(size), by_h, h, delta)


cdef void _elman_forward_in_lanes "FASTRNN_IN_LANES elman_forward_in_lanes"(
        const Network* net, double* rows, Py_ssize_t steps) noexcept nogil:
    if net.at.lanes == LANES:
        elman_forward(net, rows, steps)


cdef void _elman_backward_in_lanes "FASTRNN_IN_LANES elman_backward_in_lanes"(
        const Network* net, double* rows, Py_ssize_t steps, double* by_state, bint further) noexcept nogil:
    if net.at.lanes == LANES:
        elman_backward(net, rows, steps, by_state, further)


cdef void _gru_forward_in_lanes "FASTRNN_IN_LANES gru_forward_in_lanes"(
        const Network* net, double* rows, Py_ssize_t steps) noexcept nogil:
    if net.at.lanes == LANES:
        gru_forward(net, rows, steps)


cdef void _gru_backward_in_lanes "FASTRNN_IN_LANES gru_backward_in_lanes"(
        const Network* net, double* rows, Py_ssize_t steps, double* by_state, bint further) noexcept nogil:
    if net.at.lanes == LANES:
        gru_backward(net, rows, steps, by_state, further)


cdef void _lstm_forward_in_lanes "FASTRNN_IN_LANES lstm_forward_in_lanes"(
        const Network* net, double* rows, Py_ssize_t steps) noexcept nogil:
    if net.at.lanes == LANES:
        lstm_forward(net, rows, steps)


cdef void _lstm_backward_in_lanes "FASTRNN_IN_LANES lstm_backward_in_lanes"(
        const Network* net, double* rows, Py_ssize_t steps, double* by_state, bint further) noexcept nogil:
    if net.at.lanes == LANES:
        lstm_backward(net, rows, steps, by_state, further)


cdef void _predict_linear_in_lanes "FASTRNN_IN_LANES predict_linear_in_lanes"(
        const Network* net, const double* rows, Py_ssize_t steps, double* result, Py_ssize_t stride) noexcept nogil:
    if net.at.lanes == LANES:
        predict_linear(net, rows, steps, result, stride)


cdef void _predict_sigmoid_in_lanes "FASTRNN_IN_LANES predict_sigmoid_in_lanes"(
        const Network* net, const double* rows, Py_ssize_t steps, double* result, Py_ssize_t stride) noexcept nogil:
    if net.at.lanes == LANES:
        predict_sigmoid(net, rows, steps, result, stride)


cdef void _predict_softmax_in_lanes "FASTRNN_IN_LANES predict_softmax_in_lanes"(
        const Network* net, const double* rows, Py_ssize_t steps, double* result, Py_ssize_t stride) noexcept nogil:
    class_probabilities(net, rows, steps, result, stride, LANES)


cdef void _binary_cross_entropy_in_lanes "FASTRNN_IN_LANES binary_cross_entropy_in_lanes"(
        const Network* net, double* rows, Py_ssize_t steps, const double* targets) noexcept nogil:
    binary_numbers(net, rows, steps, targets, LANES)


cdef void _half_squared_error_in_lanes "FASTRNN_IN_LANES half_squared_error_in_lanes"(
        const Network* net, double* rows, Py_ssize_t steps, const double* targets) noexcept nogil:
    half_squared_numbers(net, rows, steps, targets, LANES)


cdef void _cross_entropy_in_lanes "FASTRNN_IN_LANES cross_entropy_in_lanes"(
        const Network* net, double* rows, Py_ssize_t steps, const double* targets) noexcept nogil:
    class_numbers(net, rows, steps, targets, LANES)


cdef extern from *: 
    void tanh_padded_in_lanes(double* values, Py_ssize_t length) noexcept nogil
    void tanh_delta_in_lanes(Py_ssize_t size, const double* by_h, const double* h, out_t delta) noexcept nogil
    void sigmoid_all_in_lanes(double* values, Py_ssize_t length) noexcept nogil
    void sigmoid_delta_in_lanes(Py_ssize_t size, const double* by_h, const double* h, out_t delta) noexcept nogil
    void relu_all_in_lanes(double* values, Py_ssize_t length) noexcept nogil
    void relu_delta_in_lanes(Py_ssize_t size, const double* by_h, const double* h, out_t delta) noexcept nogil
    void elman_forward_in_lanes(const Network* net, double* rows, Py_ssize_t steps) noexcept nogil
    void elman_backward_in_lanes(const Network* net, double* rows, Py_ssize_t steps, double* by_state,
                                 bint further) noexcept nogil
    void gru_forward_in_lanes(const Network* net, double* rows, Py_ssize_t steps) noexcept nogil
    void gru_backward_in_lanes(const Network* net, double* rows, Py_ssize_t steps, double* by_state,
                               bint further) noexcept nogil
    void lstm_forward_in_lanes(const Network* net, double* rows, Py_ssize_t steps) noexcept nogil
    void lstm_backward_in_lanes(const Network* net, double* rows, Py_ssize_t steps, double* by_state,
                                bint further) noexcept nogil
    void predict_linear_in_lanes(const Network* net, const double* rows, Py_ssize_t steps, double* result,
                                 Py_ssize_t stride) noexcept nogil
    void predict_sigmoid_in_lanes(const Network* net, const double* rows, Py_ssize_t steps, double* result,
                                  Py_ssize_t stride) noexcept nogil
    void predict_softmax_in_lanes(const Network* net, const double* rows, Py_ssize_t steps, double* result,
                                  Py_ssize_t stride) noexcept nogil
    void binary_cross_entropy_in_lanes(const Network* net, double* rows, Py_ssize_t steps,
                                       const double* targets) noexcept nogil
    void half_squared_error_in_lanes(const Network* net, double* rows, Py_ssize_t steps,
                                     const double* targets) noexcept nogil
    void cross_entropy_in_lanes(const Network* net, double* rows, Py_ssize_t steps,
                                const double* targets) noexcept nogil


# ---- the rows ----

cdef Activation[3] ACTIVATIONS_IN_LANES
ACTIVATIONS_IN_LANES[:] = [
    Activation(b"tanh", tanh_padded_in_lanes, tanh_delta_in_lanes, True),
    Activation(b"sigmoid", sigmoid_all_in_lanes, sigmoid_delta_in_lanes, True),
    Activation(b"relu", relu_all_in_lanes, relu_delta_in_lanes, False),
]

cdef Cell[3] CELLS_IN_LANES
CELLS_IN_LANES[:] = [
    Cell(b"elman", elman_forward_in_lanes, elman_backward_in_lanes),
    Cell(b"gru", gru_forward_in_lanes, gru_backward_in_lanes),
    Cell(b"lstm", lstm_forward_in_lanes, lstm_backward_in_lanes),
]

cdef Output[3] OUTPUTS_IN_LANES
OUTPUTS_IN_LANES[:] = [
    Output(b"linear", predict_linear_in_lanes, NULL, decide_values),
    Output(b"sigmoid", predict_sigmoid_in_lanes, sigmoid_slope, decide_ones),
    Output(b"softmax", predict_softmax_in_lanes, NULL, decide_class),
]

cdef Loss[3] LOSSES_IN_LANES
LOSSES_IN_LANES[:] = [
    Loss(b"binary_cross_entropy", binary_cross_entropy_in_lanes),
    Loss(b"half_squared_error", half_squared_error_in_lanes),
    Loss(b"cross_entropy", cross_entropy_in_lanes),
]
