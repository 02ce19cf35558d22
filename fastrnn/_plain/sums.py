"""Sums, in the order of their terms. The twin: _compiled/sums.pxi."""

from __future__ import annotations

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


def sum_of_products(rows: list[Vector], columns: list[Vector]) -> Matrix:
    """rows[0][i] * columns[0][j] + rows[1][i] * columns[1][j] + ..., for every i and j: a gradient over a window."""
    result = [[r * c for c in columns[0]] for r in rows[0]]
    for row, column in zip(rows[1:], columns[1:], strict=True):
        for total, r in zip(result, row, strict=True):
            for j, c in enumerate(column):
                total[j] += r * c
    return result
