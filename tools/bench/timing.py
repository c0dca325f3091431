"""Times a function, for the runners of other programs."""
import statistics
import time


def report(step, iterations, warmup=2, wait=None):
    """Prints the median and the mean time of a call in ms; `wait` waits for an accelerator."""
    times = []
    for i in range(iterations + warmup):
        begin = time.perf_counter()
        step()
        if wait:
            wait()
        times.append((time.perf_counter() - begin) * 1e3)
    times = times[warmup:]
    print(f'ms_per_iter={statistics.median(times):.4f} mean_ms={statistics.mean(times):.4f}')
