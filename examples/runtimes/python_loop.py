#!/usr/bin/env python3
"""Times a network in the runtime's own Python package: ONNX Runtime for .onnx files, LiteRT for .tflite files.

    python_loop.py MODEL [--threads N] [--runs N] [--seconds S] [--cores LIST]

Loads the file, runs it once, warms up, and then times each of N runs, or runs for S seconds. Prints load time, first run, median and
mean in milliseconds, the number of runs, and the peak memory of the whole process. With --cores, this process is pinned to them before the
runtime is imported, and every thread that the runtime starts to one of them, and it asks for real-time priority, as edgezen does;
the descriptions of tools beside this file leave that out, because edgezen has pinned already. `--version PACKAGE` prints the version of a package and nothing else.
"""

import argparse
import importlib.metadata
import os
import statistics
import sys
import time

WARM_UP = 10


def threads_of_process():
    """Numbers of the threads of this process; none where the system does not list them."""
    try:
        return {int(name) for name in os.listdir("/proc/self/task")}
    except OSError:
        return set()


def spread(cores, earlier):
    """Pins the threads that were started since the list `earlier` to the cores behind the first, in turn, and this thread to the
    first."""
    if len(cores) < 2:
        return
    others = cores[1:]
    for place, thread in enumerate(sorted(threads_of_process() - earlier)):
        os.sched_setaffinity(thread, {others[place % len(others)]})
    os.sched_setaffinity(0, {cores[0]})


def ahead_of_others():
    """Asks for this thread to run before those of other programs, as edgezen does; only privileged users get that."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except (AttributeError, PermissionError):
        pass


def onnx(path, threads):
    """A function that runs the network once, on fixed inputs."""
    import numpy
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    types = {"tensor(float)": numpy.float32, "tensor(uint8)": numpy.uint8, "tensor(int8)": numpy.int8}
    drawn, feed = numpy.random.default_rng(0), {}
    for place in session.get_inputs():
        shape = [size if isinstance(size, int) else 1 for size in place.shape]
        feed[place.name] = drawn.standard_normal(shape).astype(types[place.type])
    return lambda: session.run(None, feed)


def tflite(path, threads):
    """A function that runs the network once, on fixed inputs."""
    import numpy
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=path, num_threads=threads)
    interpreter.allocate_tensors()
    drawn = numpy.random.default_rng(0)
    for place in interpreter.get_input_details():
        interpreter.set_tensor(place["index"], drawn.standard_normal(place["shape"]).astype(place["dtype"]))
    return interpreter.invoke


LOADERS = {".onnx": onnx, ".tflite": tflite}


def peak_megabytes():
    """The most memory that this process held, in units of 1024² bytes; None where the system does not say."""
    try:
        with open("/proc/self/status") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 1024
    except OSError:
        pass
    return None


def timed(run):
    start = time.perf_counter_ns()
    run()
    return (time.perf_counter_ns() - start) / 1e6


def measured(path, threads, runs=None, seconds=None, cores=None):
    """The times of a network, in milliseconds, by name."""
    loader = LOADERS.get(os.path.splitext(path)[1].lower())
    if loader is None:
        sys.exit(f"{path}: neither .onnx nor .tflite")
    if cores:
        os.sched_setaffinity(0, cores)
        ahead_of_others()
    # Importing takes longer than loading.
    __import__("onnxruntime" if loader is onnx else "ai_edge_litert.interpreter")
    earlier = threads_of_process()
    start = time.perf_counter_ns()
    run = loader(path, threads)
    load = (time.perf_counter_ns() - start) / 1e6
    spread(cores or [], earlier)
    first = timed(run)
    for _ in range(WARM_UP):
        run()
    times, until = [], time.perf_counter() + (seconds or 0)
    while len(times) < (runs or 1) or time.perf_counter() < until:
        times.append(timed(run))
    median, mean = statistics.median(times), statistics.fmean(times)
    return {"load": load, "first": first, "median": median, "mean": mean, "runs": len(times)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--cores", type=lambda text: [int(core) for core in text.split(",")])
    parser.add_argument("--version", metavar="PACKAGE")
    arguments = parser.parse_args()
    if arguments.version:
        print(f"version {importlib.metadata.version(arguments.version)}")
        return
    if arguments.model is None:
        parser.error("a model is needed")
    runs = arguments.runs if arguments.runs or arguments.seconds else 50
    found = measured(arguments.model, arguments.threads, runs, arguments.seconds, arguments.cores)
    for name in ["load", "first", "median", "mean"]:
        print(f"{name} {found[name]:.6f} ms")
    print(f"runs {found['runs']}")
    memory = peak_megabytes()
    if memory is not None:
        print(f"memory {memory:.3f} MB")


if __name__ == "__main__":
    main()
