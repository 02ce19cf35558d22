"""Two networks in two threads: training leaves the GIL to others, so on two cores they take the time of one."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from bench.rows import INPUTS, STEPS, TARGETS, Fastrnn, trained


@pytest.mark.parametrize("networks", [1, 2])
def test_threads(networks, measure):
    row = Fastrnn()
    with ThreadPoolExecutor(networks) as pool:

        def run():
            jobs = [pool.submit(row.train, INPUTS, TARGETS, 1) for _ in range(networks)]
            return [job.result() for job in jobs]

        measure(
            "as many threads as networks, 1,000,000 steps each",
            f"{networks} network{'s' * (networks > 1)}",
            run,
            unit="ns a step",
            per=STEPS,
            numbers=run(),
            expected=[trained(STEPS)] * networks,
        )
