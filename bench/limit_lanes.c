/* The limit of networks in lanes: a group of tiny networks in lockstep, and nothing else.

Forward, backward and gradient of one sequence of each, full backpropagation through time, softmax and cross-entropy:
fastrnn's arithmetic, with its own exp, sigmoid and tanh, every sum in the same order and no fused multiply-add. So the
gradients are RNN.gradients()'s, to the bit. There is no loss, no optimizer and no check, and the inputs lie in place.
lane_rows.py compiles it, for x86-64-v3 and for x86-64-v4.

A number of the group is LANES doubles side by side: VECTORS vectors of the CPU. Sizes count such numbers.
*/
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#define WIDTH 8
#elif defined(__AVX__)
#define WIDTH 4
#else
#define WIDTH 2
#endif
#define VECTORS 2 /* two sums for each pair of operands that is loaded */
#define LANES (VECTORS * WIDTH)
#define STEPS 16     /* of which the deltas wait for the gradient, in the first-level cache */
#define MOST_UNITS 32
#define MOST_CLASSES 8
#define INLINE static inline __attribute__((always_inline))
#define EACH_VECTOR for (int q = 0; q < VECTORS; q++)

typedef double Vector __attribute__((vector_size(WIDTH * 8), aligned(8), may_alias));
typedef struct { Vector of[VECTORS]; } Number;

/* A row of the tape: what goes in, the state before, what the cell keeps for backward, the probabilities. */
typedef struct { Number *in, *h, *c, *gates, *kept, *p; } Row;
/* gates: gates units x [1, x]; hidden: gates units x units; own: a GRU's bias inside the reset. */
typedef struct { Number *gates, *hidden, *own, *outputs, *b_output; } Parameters;

enum { ELMAN, GRU, LSTM };
typedef struct { int cell, units, inputs, classes; } Sizes;

int lanes(void) { return LANES; }

static int gates_of(const Sizes *of) { return of->cell == ELMAN ? 1 : of->cell == GRU ? 3 : 4; }

int row_size(const Sizes *of) { return 1 + of->inputs + (3 + gates_of(of)) * of->units + of->classes; }

static Row row_at(const Sizes *of, double *tape, ptrdiff_t t) {
    Row row = {(Number *)tape + t * row_size(of)};
    row.h = row.in + 1 + of->inputs;
    row.c = row.h + of->units;
    row.gates = row.c + of->units;
    row.kept = row.gates + gates_of(of) * of->units;
    row.p = row.kept + of->units;
    return row;
}

static Parameters parameters_at(const Sizes *of, double *memory) {
    int size = gates_of(of) * of->units;
    Parameters p = {(Number *)memory};
    p.hidden = p.gates + size * (1 + of->inputs);
    p.own = p.hidden + size * of->units;
    p.outputs = p.own + (of->cell == GRU ? of->units : 0);
    p.b_output = p.outputs + of->classes * of->units;
    return p;
}

/* ---- functions: those of fastrnn/_compiled/functions.pxi, which says why ---- */

#define LOG2_E 1.4426950408889634
#define HALF_LN2_HIGH 3.46573590184561908245e-01
#define HALF_LN2_LOW 9.54107464635293850010e-11
#define ROUND 6755399441055744.0

INLINE double power_of_two(double rounded) {
    uint64_t bits;
    memcpy(&bits, &rounded, 8);
    bits = (bits + 1023) << 52;
    memcpy(&rounded, &bits, 8);
    return rounded;
}

INLINE double split(double half, double *b) {
    double rounded = half * (2.0 * LOG2_E) + ROUND, k = rounded - ROUND;
    *b = (half - k * HALF_LN2_HIGH) - k * HALF_LN2_LOW;
    return rounded;
}

INLINE double decrease(double power, double b) {
    double z = b * b, below = (power - 1.0) * b, above = power + 1.0;
    double top = (z + 9.8753882025018927) * (z + 50.124611797498107);
    double above_rest = ((above * (1.0 / 21.0)) * z) * ((z + 20.572670817890358) * (z + 168.42732918210965));
    return (above_rest + below * top) / (above_rest + (below + above) * top);
}

INLINE double split_power(double x, double *b) {
    double rounded = split(0.5 * x, b), half = 0.5 * (rounded - ROUND) + ROUND;
    return power_of_two(half) * power_of_two(rounded - half + ROUND);
}

INLINE double exp_of(double x) {
    x = x < -746.0 ? -746.0 : x;
    x = x > 710.0 ? 710.0 : x;
    double b, rounded = split(0.5 * x, &b), half = 0.5 * (rounded - ROUND) + ROUND, c = 2.0 * b;
    return (1.0 + (c - c * decrease(0.0, b))) * power_of_two(half) * power_of_two(rounded - half + ROUND);
}

INLINE double sigmoid_of(double x) {
    x = x < -746.0 ? -746.0 : x;
    x = x > 40.0 ? 40.0 : x;
    double b, power = split_power(x, &b), s = power / (power + 1.0), c = (s * (1.0 - s)) * (2.0 * b);
    return s + (c - c * decrease(power, b));
}

INLINE double tanh_of(double x) {
    double t = fabs(x), b;
    t = t > 22.0 ? 22.0 : t;
    double power = power_of_two(split(t, &b)), a = (power - 1.0) / (power + 1.0), c = (1.0 - a * a) * b;
    return copysign(a + (c - c * decrease(power, b)), x);
}

#define ALL(name, function)                                                                                            \
    static void name(Number *numbers, int length) {                                                                    \
        double *values = (double *)numbers;                                                                            \
        for (int i = 0; i < length * LANES; i++) values[i] = function(values[i]);                                      \
    }
ALL(exp_all, exp_of)
ALL(sigmoid_all, sigmoid_of)
ALL(tanh_all, tanh_of)

/* ---- sums: in blocks of as many as registers hold, each in the order of its terms ---- */

/* result[i] = start[i] + the sum over j of matrix[i * down + j * right] * x[j], of `block` rows */
INLINE void block_of_products(const Number *start, const Number *matrix, int down, int right, const Number *x,
                              int length, Number *result, const int block) {
    Number sum[4];
    for (int i = 0; i < block; i++) sum[i] = start[i];
    for (int j = 0; j < length; j++)
        for (int i = 0; i < block; i++)
            EACH_VECTOR sum[i].of[q] += matrix[i * down + j * right].of[q] * x[j].of[q];
    for (int i = 0; i < block; i++) result[i] = sum[i];
}

INLINE void all_products(const Number *start, const Number *matrix, int down, int right, const Number *x, int length,
                         Number *result, int rows) {
    int i = 0;
    for (; i + 4 <= rows; i += 4)
        block_of_products(start + i, matrix + i * down, down, right, x, length, result + i, 4);
    for (; i + 2 <= rows; i += 2)
        block_of_products(start + i, matrix + i * down, down, right, x, length, result + i, 2);
    for (; i < rows; i++) block_of_products(start + i, matrix + i * down, down, right, x, length, result + i, 1);
}

/* start + matrix x, where rows of the matrix are `stride` apart */
static void products(const Number *start, const Number *matrix, int stride, const Number *x, int length,
                     Number *result, int rows) {
    all_products(start, matrix, stride, 1, x, length, result, rows);
}

/* start + transposed matrix x */
static void transposed_products(const Number *start, const Number *matrix, int columns, const Number *x, int length,
                                Number *result) {
    all_products(start, matrix, 1, columns, x, length, result, columns);
}

INLINE void block_of_gradients(Number *gradient, int columns, const Number *deltas, int stride, const Number *x,
                               int row, int steps, const int high, const int wide) {
    EACH_VECTOR {
        Vector sum[3][4];
        for (int i = 0; i < high; i++)
            for (int j = 0; j < wide; j++) sum[i][j] = gradient[i * columns + j].of[q];
        for (int t = steps - 1; t >= 0; t--)
            for (int i = 0; i < high; i++)
                for (int j = 0; j < wide; j++) sum[i][j] += deltas[t * stride + i].of[q] * x[t * row + j].of[q];
        for (int i = 0; i < high; i++)
            for (int j = 0; j < wide; j++) gradient[i * columns + j].of[q] = sum[i][j];
    }
}

INLINE void rows_of_gradients(Number *gradient, int columns, const Number *deltas, int stride, const Number *x,
                              int row, int steps, const int high) {
    int j = 0;
    for (; j + 4 <= columns; j += 4)
        block_of_gradients(gradient + j, columns, deltas, stride, x + j, row, steps, high, 4);
    for (; j + 2 <= columns; j += 2)
        block_of_gradients(gradient + j, columns, deltas, stride, x + j, row, steps, high, 2);
    for (; j < columns; j++) block_of_gradients(gradient + j, columns, deltas, stride, x + j, row, steps, high, 1);
}

/* gradient[i][j] += the sum over t, from the last step to the first, of deltas[t][i] * x[t][j] */
static void gradients(Number *gradient, int rows, int columns, const Number *deltas, int stride, const Number *x,
                      int row, int steps) {
    int i = 0;
    for (; i + 3 <= rows; i += 3)
        rows_of_gradients(gradient + i * columns, columns, deltas + i, stride, x, row, steps, 3);
    for (; i + 2 <= rows; i += 2)
        rows_of_gradients(gradient + i * columns, columns, deltas + i, stride, x, row, steps, 2);
    for (; i < rows; i++) rows_of_gradients(gradient + i * columns, columns, deltas + i, stride, x, row, steps, 1);
}

/* ---- forward: from the inputs and the state of a row to the state of the row after it, and the probabilities ---- */

static void softmax(Number *sums, int classes) {
    double *values = (double *)sums, largest[LANES];
    memcpy(largest, values, sizeof largest);
    for (int k = 1; k < classes; k++)
        for (int l = 0; l < LANES; l++)
            largest[l] = values[k * LANES + l] > largest[l] ? values[k * LANES + l] : largest[l];
    for (int k = 0; k < classes; k++)
        for (int l = 0; l < LANES; l++) values[k * LANES + l] -= largest[l];
    exp_all(sums, classes);
    Number total = sums[0];
    for (int k = 1; k < classes; k++) EACH_VECTOR total.of[q] += sums[k].of[q];
    for (int k = 0; k < classes; k++) EACH_VECTOR sums[k].of[q] /= total.of[q];
}

static void forward(const Sizes *of, double *memory, double *tape, ptrdiff_t steps) {
    const int H = of->units, columns = 1 + of->inputs;
    const Parameters p = parameters_at(of, memory);
    const Number nothing[4 * MOST_UNITS] = {0};
    for (ptrdiff_t t = 0; t < steps; t++) {
        Row row = row_at(of, tape, t), after = row_at(of, tape, t + 1);
        if (of->cell == ELMAN) {
            products(nothing, p.gates, columns, row.in, columns, after.h, H);
            products(after.h, p.hidden, H, row.h, H, after.h, H);
            tanh_all(after.h, H);
        } else if (of->cell == GRU) {
            Number *r = row.gates, *z = r + H, *n = z + H, *hidden = row.kept;
            products(nothing, p.gates, columns, row.in, columns, r, 3 * H);
            products(r, p.hidden, H, row.h, H, r, 2 * H);
            products(p.own, p.hidden + 2 * H * H, H, row.h, H, hidden, H);
            sigmoid_all(r, 2 * H);
            for (int i = 0; i < H; i++) EACH_VECTOR n[i].of[q] = n[i].of[q] + r[i].of[q] * hidden[i].of[q];
            tanh_all(n, H);
            for (int i = 0; i < H; i++)
                EACH_VECTOR after.h[i].of[q] = (1.0 - z[i].of[q]) * n[i].of[q] + z[i].of[q] * row.h[i].of[q];
        } else {
            Number *in = row.gates, *forget = in + H, *new = forget + H, *out = new + H, *tanh_c = row.kept;
            products(nothing, p.gates, columns, row.in, columns, in, 4 * H);
            products(in, p.hidden, H, row.h, H, in, 4 * H);
            sigmoid_all(in, 2 * H);
            tanh_all(new, H);
            sigmoid_all(out, H);
            for (int i = 0; i < H; i++)
                EACH_VECTOR tanh_c[i].of[q] = after.c[i].of[q] =
                    forget[i].of[q] * row.c[i].of[q] + in[i].of[q] * new[i].of[q];
            tanh_all(tanh_c, H);
            for (int i = 0; i < H; i++) EACH_VECTOR after.h[i].of[q] = out[i].of[q] * tanh_c[i].of[q];
        }
        products(p.b_output, p.outputs, H, after.h, H, row.p, of->classes);
        softmax(row.p, of->classes);
    }
}

/* ---- backward, after forward: the gradient of the mean cross-entropy; targets: a class for each step and lane ---- */

static void backward(const Sizes *of, double *memory, double *tape, ptrdiff_t all, const int *targets,
                     double *result) {
    const int H = of->units, columns = 1 + of->inputs, classes = of->classes, size = gates_of(of) * H;
    const int row_ = row_size(of), others = size + (of->cell == GRU ? H : 0), stride = others + classes;
    const Parameters p = parameters_at(of, memory), g = parameters_at(of, result);
    const double scale = 1.0 / all;
    static const Number nothing[MOST_UNITS];
    Number ones[1], by_h[MOST_UNITS], by_c[MOST_UNITS], deltas[STEPS * (4 * MOST_UNITS + MOST_CLASSES)]
        __attribute__((aligned(64)));
    for (int l = 0; l < LANES; l++) ((double *)ones)[l] = 1.0;
    memset(by_h, 0, sizeof by_h);
    memset(by_c, 0, sizeof by_c);
    memset(result, 0, (char *)(g.b_output + classes) - (char *)result);
    for (ptrdiff_t end = all; end > 0; end -= STEPS) {
        const ptrdiff_t first = end > STEPS ? end - STEPS : 0;
        const int steps = end - first;
        for (ptrdiff_t t = end - 1; t >= first; t--) {
            Row row = row_at(of, tape, t), after = row_at(of, tape, t + 1);
            Number *delta = deltas + (t - first) * stride, *by_output = delta + others;
            for (int l = 0; l < LANES; l++) ((double *)row.p)[targets[t * LANES + l] * LANES + l] -= 1.0;
            for (int k = 0; k < classes; k++) EACH_VECTOR by_output[k].of[q] = scale * row.p[k].of[q];
            transposed_products(by_h, p.outputs, H, by_output, classes, by_h);
            if (of->cell == ELMAN) {
                for (int i = 0; i < H; i++)
                    EACH_VECTOR delta[i].of[q] = by_h[i].of[q] * (1.0 - after.h[i].of[q] * after.h[i].of[q]);
                transposed_products(nothing, p.hidden, H, delta, H, by_h);
            } else if (of->cell == GRU) { /* delta: of r, z, the sums over h, and n */
                for (int i = 0; i < H; i++) EACH_VECTOR {
                    Vector r = row.gates[i].of[q], z = row.gates[H + i].of[q], n = row.gates[2 * H + i].of[q];
                    Vector by = by_h[i].of[q], new = by * (1.0 - z) * (1.0 - n * n);
                    delta[i].of[q] = new * row.kept[i].of[q] * (r * (1.0 - r));
                    delta[H + i].of[q] = by * (row.h[i].of[q] - n) * (z * (1.0 - z));
                    delta[2 * H + i].of[q] = new * r;
                    delta[3 * H + i].of[q] = new;
                    by_h[i].of[q] = by * z;
                }
                transposed_products(by_h, p.hidden, H, delta, size, by_h);
            } else {
                for (int i = 0; i < H; i++) EACH_VECTOR {
                    Vector in = row.gates[i].of[q], forget = row.gates[H + i].of[q], new = row.gates[2 * H + i].of[q];
                    Vector out = row.gates[3 * H + i].of[q], tanh_c = row.kept[i].of[q], by = by_h[i].of[q];
                    Vector d = by_c[i].of[q] + by * out * (1.0 - tanh_c * tanh_c);
                    delta[i].of[q] = d * new * (in * (1.0 - in));
                    delta[H + i].of[q] = d * row.c[i].of[q] * (forget * (1.0 - forget));
                    delta[2 * H + i].of[q] = d * in * (1.0 - new * new);
                    delta[3 * H + i].of[q] = by * tanh_c * (out * (1.0 - out));
                    by_c[i].of[q] = d * forget;
                }
                transposed_products(nothing, p.hidden, H, delta, size, by_h);
            }
        }
        Row row = row_at(of, tape, first), after = row_at(of, tape, first + 1);
        const int apart = of->cell == GRU ? 2 * H : size; /* gates whose deltas are the same over x and h */
        gradients(g.gates, apart, columns, deltas, stride, row.in, row_, steps);
        gradients(g.hidden, size, H, deltas, stride, row.h, row_, steps);
        if (of->cell == GRU) {
            gradients(g.gates + apart * columns, H, columns, deltas + 3 * H, stride, row.in, row_, steps);
            gradients(g.own, H, 1, deltas + apart, stride, ones, 0, steps);
        }
        gradients(g.outputs, classes, H, deltas + others, stride, after.h, row_, steps);
        gradients(g.b_output, classes, 1, deltas + others, stride, ones, 0, steps);
    }
}

/* As many passes over one group, each the same; forward alone where there is no room for a gradient. */
void passes(const Sizes *of, double *memory, double *tape, ptrdiff_t steps, const int *targets, double *result,
            int count) {
    for (; count > 0; count--) {
        forward(of, memory, tape, steps);
        if (result) backward(of, memory, tape, steps, targets, result);
    }
}
