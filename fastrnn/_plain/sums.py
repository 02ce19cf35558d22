"""Sums, in the order of their terms. The twin: _compiled/sums.pxi."""

from __future__ import annotations

# ---- sums ----

Vector = list[float]
Matrix = list[Vector]  # its rows


def add_products(start: Vector, weights: Matrix, vector: Vector) -> Vector:
    """start[i] + weights[i][0] * vector[0] + weights[i][1] * vector[1] + ..., for every row i."""
    result = []
    for total, row in zip(start, weights, strict=True):
        for weight, value in zip(row, vector, strict=True):
            total += weight * value
        result.append(total)
    return result


def add_transposed_products(start: Vector, weights: Matrix, vector: Vector) -> Vector:
    """start[j] + weights[0][j] * vector[0] + weights[1][j] * vector[1] + ..., for every column j."""
    result = list(start)
    for row, value in zip(weights, vector, strict=True):
        for j, weight in enumerate(row):
            result[j] += weight * value
    return result


def sum_of_products(rows: list[Vector], columns: list[Vector], result: Matrix) -> None:
    """result[k][i] += rows[0][k] * columns[0][i], then rows[1][k] * columns[1][i], and so on: a gradient."""
    for row, column in zip(rows, columns, strict=True):
        for total, r in zip(result, row, strict=True):
            for i, c in enumerate(column):
                total[i] += r * c
