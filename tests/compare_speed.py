#!/usr/bin/env python3
"""How fast clipq infers beside ONNX Runtime and OpenVINO: the same models, batches and threads, in turn.

    compare_speed.py MODEL.onnx... [--clipq build/clipq] [--batch 1 8] [--threads 2] [--rounds 5] [--size 320]

Each round measures every program on every model for about --seconds; a program's figure is the least and the median of
its rounds' milliseconds per image. A peer that can run a batch only as images one after another does that. OpenVINO
gets the batch as single images in its throughput mode, which is what it is fastest with. Ratios are of least times, above
1 where clipq is faster. Exits 77 (skipped) where NumPy or ONNX Runtime is missing; OpenVINO's column is empty without it.
"""
import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time

try:
    import numpy as np
    import onnxruntime as ort
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)
try:
    import openvino
except ImportError:
    openvino = None

ORT_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


def timed(run, batch, seconds):
    """Least milliseconds per image of calls during `seconds`, after two that warm up."""
    run(), run()
    best, end = math.inf, time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - start)
    return best * 1e3 / batch


def concrete(shape, batch, size):
    return [d if isinstance(d, int) and d > 0 else (batch if axis == 0 else size) for axis, d in enumerate(shape)]


class OnnxRuntime:
    name = "ort"

    def __init__(self, model, args):
        options = ort.SessionOptions()
        options.intra_op_num_threads = args.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.size = args.size

    def measure(self, batch, seconds):
        rng, feeds, repeats = np.random.default_rng(7), {}, 1
        for arg in self.session.get_inputs():
            shape = concrete(arg.shape, batch, self.size)
            repeats = repeats if shape[0] == batch else batch
            feeds[arg.name] = rng.random(shape, np.float32).astype(ORT_TYPES[arg.type])
        return timed(lambda: [self.session.run(None, feeds) for _ in range(repeats)], batch, seconds)


class OpenVino:
    name = "openvino"

    def __init__(self, model, args):
        core, self.model = openvino.Core(), openvino.Core().read_model(model)
        self.shapes = [concrete([d.get_length() if d.is_static else -1 for d in i.partial_shape], 1, args.size)
                       for i in self.model.inputs]
        self.model.reshape({i: s for i, s in zip(self.model.inputs, self.shapes)})
        self.compiled = {hint: core.compile_model(self.model, "CPU", {
            "INFERENCE_NUM_THREADS": args.threads, "PERFORMANCE_HINT": hint, "INFERENCE_PRECISION_HINT": "f32",
        }) for hint in ("LATENCY", "THROUGHPUT")}

    def measure(self, batch, seconds):
        rng = np.random.default_rng(7)
        feeds = [rng.random(s, np.float32) for s in self.shapes]
        queue = openvino.AsyncInferQueue(self.compiled["LATENCY" if batch == 1 else "THROUGHPUT"])

        def run():
            for _ in range(batch):
                queue.start_async(feeds)
            queue.wait_all()
        return timed(run, batch, seconds)


class Clipq:
    name = "clipq"

    def __init__(self, model, args):
        self.command = [args.clipq, "bench", "infer", model, "--json", "-q", "--threads", str(args.threads), "--runs", "3",
                        "--size", f"{args.size}x{args.size}"]

    def measure(self, batch, seconds):
        out = subprocess.run([*self.command, "--batch", str(batch), "--seconds", str(seconds)], check=True,
                             capture_output=True, text=True).stdout
        return json.loads(out)["ms_per_image_min"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--clipq", default="build/clipq")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--size", type=int, default=320, help="height and width where the model leaves them open")
    args = parser.parse_args()
    kinds = [Clipq, OnnxRuntime] + ([OpenVino] if openvino else [])
    for batch in args.batch:
        ratios = {kind.name: [] for kind in kinds[1:]}
        print(f"batch {batch}, {args.threads} threads: ms per image, least (median) of {args.rounds} rounds")
        for model in args.models:
            peers = [kind(model, args) for kind in kinds]
            times = {p.name: [] for p in peers}
            for _ in range(args.rounds):
                for p in peers:
                    times[p.name].append(p.measure(batch, args.seconds))
            line = f"{os.path.basename(model):32}"
            for name, ms in times.items():
                line += f"  {name} {min(ms):7.2f} ({statistics.median(ms):.2f})"
            for name in ratios:
                ratios[name].append(min(times[name]) / min(times["clipq"]))
                line += f"  {name}/clipq {ratios[name][-1]:.2f}"
            print(line, flush=True)
        for name, values in ratios.items():
            print(f"geometric mean {name}/clipq {math.exp(sum(map(math.log, values)) / len(values)):.2f}")


if __name__ == "__main__":
    main()
