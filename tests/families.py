#!/usr/bin/env python3
"""Whole networks: the engine beside ONNX Runtime at batch 1 and 8.

    families.py [--only NAME,...] [--work DIR] [--engine build/tests/infer_npy] [--models DIR] [--repeat R]

Exports the architectures of families_models.py (random weights, several exporters and opsets, batch fixed at 1 or
free), adds the model files of CLIPQ_DATA/models, feeds both engines the same noise, and prints one line per file:
the largest relative error max|a-b|/max|b| of the worst output, whether a batch ran as one, milliseconds per image at
2 threads. A model with a fixed batch runs one by one in ONNX Runtime. Exported files stay in --work and are reused.

Exits 1 when a model is refused or an error is above 1e-3, 77 (skipped) where the yardsticks are not installed.
"""
import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

try:
    import numpy as np
    import onnx
    import onnxruntime as ort

    from families_models import FAMILIES, RANKED, SINGLE, VARIANTS
except ImportError as missing:
    print(f"skipped: {missing}; install torch torchvision timm ultralytics onnx onnxscript onnxruntime with pip")
    sys.exit(77)

BATCH, LIMIT, THREADS = 8, 1e-3, 2
FREE_SIZE = {1: 3, 2: 192, 3: 256}     # of a model that leaves them open


def arguments():
    here = Path(__file__).resolve().parent.parent
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--only", help="names, separated by commas; 'data' are the files of --models")
    p.add_argument("--variant", help="only exports whose name contains this, as in dynamo-20-N")
    p.add_argument("--work", type=Path, default=here / "build" / "families")
    p.add_argument("--engine", type=Path, default=here / "build" / "tests" / "infer_npy")
    p.add_argument("--models", type=Path, default=Path(os.environ.get("CLIPQ_DATA", here / ".." / "shared" / "data"))
                   / "models")
    p.add_argument("--repeat", type=int, default=3)
    return p.parse_args()


def export(name, variant, path):
    """In a process of its own: exporters talk, and keep memory. What one says stays beside the file when it fails."""
    said = path.with_suffix(".log")
    if said.exists():
        return False
    script = Path(__file__).with_name("families_models.py")
    with open(said, "w") as log:
        code = subprocess.run([sys.executable, script, name, *map(str, variant), path], stdout=log,
                              stderr=log).returncode
    if code == 0:
        said.unlink()
    return code == 0


def exported_files(args):
    """(label, path, or None when the exporter gave up)"""
    for name in FAMILIES:
        if args.only and name not in args.only.split(","):
            continue
        for variant in VARIANTS:
            label = f"{name}-{'-'.join(map(str, variant))}"
            path = args.work / f"{label}.onnx"
            if args.variant and args.variant not in label or variant[2] == "N" and name in SINGLE:
                continue
            yield label, path if path.exists() or export(name, variant, path) else None


def data_files(args):
    if not args.only or "data" in args.only.split(","):
        for path in sorted(args.models.glob("*.onnx")):
            yield path.stem, path


def noise(session, pixels):
    """BATCH images, and whether the model's batch is fixed. Trained networks get 0..255 as most of them expect: on
    less, YuNet's sigmoids come so close to 0 that ONNX Runtime's own rounding shows."""
    x = session.get_inputs()[0]
    shape = [d if isinstance(d, int) else FREE_SIZE.get(i, 1) for i, d in enumerate(x.shape)]
    rng = np.random.default_rng(7)
    values = rng.standard_normal([BATCH] + shape[1:]).astype(np.float32)
    return np.clip(128 + 60 * values, 0, 255) if pixels else values, isinstance(x.shape[0], int)


def best_time(call, repeat):
    call()
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times) * 1000


def run_peer(session, x, fixed, repeat):
    """A list of outputs per image when the batch is fixed, else one list; ms per image."""
    name = session.get_inputs()[0].name
    parts = [x[i:i + 1] for i in range(len(x))] if fixed else [x]
    results = [session.run(None, {name: p}) for p in parts]
    ms = best_time(lambda: [session.run(None, {name: p}) for p in parts], repeat)
    return results, ms / len(x)


def run_engine(args, path, x, folder):
    """A dictionary of what infer_npy printed; its outputs are `folder`/out.*.npy."""
    np.save(f"{folder}/in.npy", x)
    command = [args.engine, path, "--batch", len(x), "--repeat", args.repeat, f"{folder}/in.npy",
               "--out", f"{folder}/out"]
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env={"POCL_MAX_PTHREAD_COUNT": str(THREADS), **os.environ}, timeout=1200)
    said = {"why": "", "code": done.returncode}
    for line in done.stdout.splitlines():
        key, _, value = line.partition(" ")
        said[key] = said.get(key) or value
    if done.returncode and not said["why"]:
        said["why"] = f"exit {done.returncode} {done.stderr[-200:]}"
    return said


def pair_rows(a, b):
    """`a` with the rows of each list in the order of `b`: each row of b takes the nearest that is left."""
    out = np.empty_like(a)
    size = np.maximum(np.abs(b).max(axis=(0, 1)), 1e-6)
    for image in range(len(a)):
        left = list(range(a.shape[1]))
        for i, row in enumerate(b[image]):
            nearest = np.abs((a[image, left] - row) / size).max(axis=1).argmin()
            out[image, i] = a[image, left.pop(int(nearest))]
    return out


def relative_error(a, b):
    """Infinite where shapes differ or one is not a number where the other is."""
    if a.shape != b.shape or (np.isnan(a) != np.isnan(b)).any():
        return np.inf
    a, b = np.nan_to_num(a.astype(np.float64)), np.nan_to_num(b.astype(np.float64))
    return float(np.abs(a - b).max(initial=0) / max(np.abs(b).max(initial=0), 1e-6))


def compare(folder, peer, outputs, batch, ranked):
    """The worst output's error."""
    worst = 0.0
    for i in range(outputs):
        whole = Path(f"{folder}/out.{i}.npy")
        if whole.exists():
            parts = [r[i] for r in peer]
            want = np.concatenate(parts) if len(parts) > 1 and parts[0].ndim else parts[0]
            got = np.load(whole)
            if ranked and got.shape == want.shape:
                got = pair_rows(got, want)
            worst = max(worst, relative_error(got, want))
            continue
        for k in range(batch):
            part = np.load(f"{folder}/out.{i}.{k}.npy")
            worst = max(worst, relative_error(part, peer[k][i] if len(peer) > 1 else peer[0][i]))
    return worst


def smallest_spread(peer):
    """Standard deviation of the flattest float output, beside its size: zeros and constants show nothing."""
    floats = [o for o in peer[0] if o.dtype.kind == "f" and o.size > 1]
    return min((float(o.std() / max(np.abs(o).max(), 1e-9)) for o in floats), default=0.0)


def row(args, label, path, pixels):
    """One line of the table; False when it fails."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = THREADS
    options.log_severity_level = 4
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    x, fixed = noise(session, pixels)
    opset = max(o.version for o in onnx.load(path, load_external_data=False).opset_import if o.domain == "")
    cells, ok = [], True
    for batch in (1, BATCH):
        peer, peer_ms = run_peer(session, x[:batch], fixed, args.repeat)
        with tempfile.TemporaryDirectory() as folder:
            said = run_engine(args, path, x[:batch], folder)
            error = np.inf if said["code"] else compare(folder, peer, len(session.get_outputs()), batch,
                                                        label.split("-")[0] in RANKED)
        ok = ok and error <= LIMIT
        cells.append(f"{'refused':>9}" if said["code"] else f"{error:9.1e}")
        cells[-1] += f" {float(said.get('ms', 'nan')):7.1f} {peer_ms:7.1f}"
    together = "" if said["code"] else "yes" if said["batched"] == "1" else "no"
    why = "" if together == "yes" else said["why"]
    print(f"{label:36} {opset:3} {'1' if fixed else 'free':5} {smallest_spread(peer):6.3f} | {cells[0]} | {cells[1]}"
          f" | {together:4} {said.get('host_ops', ''):>4} {'' if ok else 'FAIL'} {why[:160]}", flush=True)
    return ok


def main():
    args = arguments()
    args.work.mkdir(parents=True, exist_ok=True)
    print(f"{'model':36} op- exp.  output | batch 1: error, ms, peer ms | batch {BATCH}: error, ms, peer ms | as   host\n"
          f"{'':36} set batch spread |                            |                            | one  ops")
    good = bad = 0
    for source, pixels in (data_files(args), True), (exported_files(args), False):
        for label, path in source:
            if not path:
                print(f"{label:36} the exporter cannot")
                continue
            if row(args, label, path, pixels):
                good += 1
            else:
                bad += 1
    print(f"{good} agree with ONNX Runtime within {LIMIT:g}, {bad} do not")
    return 1 if bad or not good else 0


if __name__ == "__main__":
    sys.exit(main())
