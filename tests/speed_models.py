#!/usr/bin/env python3
"""Writes YOLOv8n, ResNet-50 and MobileNetV2 as ONNX files for measurements of speed.

    speed_models.py DIRECTORY [NAME...] [--check build/tests/infer_npy]

Shapes are those of the papers and their published code, batch norm folded as exporters do; weights are random, each
layer's scaled so that activations keep their size to the last. The batch is free. NAME is one of yolov8n, resnet50 and
mobilenet_v2. --check holds the engine's answers to noise against ONNX Runtime's, at batches 1 and 4, and exits 1 where
one differs by more than 1e-3 of the largest. Exits 77 (skipped) where NumPy or onnx is missing.

YOLOv8: Jocher, Chaurasia, Qiu, Ultralytics YOLOv8, 2023. ResNet-50: He et al., Deep Residual Learning, 2015, with
strides in the 3x3 layers. MobileNetV2: Sandler et al., Inverted Residuals and Linear Bottlenecks, 2018.
"""
import argparse
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
    from onnx import TensorProto, checker, helper, numpy_helper, save
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

SEED, LIMIT = 20261129, 1e-3

# What a weight's deviation must be, times the root of the number of terms, so that a sum of so activated terms has
# variance 1.
GAIN = {"": 1.0, "relu": 2 ** 0.5, "relu6": 2 ** 0.5, "silu": 1.68}


class Net:
    """A graph under construction. Tensors are names; channels and the activation behind them are kept by name."""

    def __init__(self, height, width):
        self.rng = np.random.default_rng(SEED)
        self.nodes, self.weights, self.params = [], [], 0
        self.shape, self.act = {"x": (3, height, width)}, {"x": ""}

    def constant(self, value, dtype=np.float32):
        name = f"c{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def node(self, kind, inputs, shape=None, act="", **attributes):
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        self.shape[name], self.act[name] = shape, act
        return name

    def split(self, x, parts):
        names = [f"split_{len(self.nodes)}_{i}" for i in range(len(parts))]
        self.nodes.append(helper.make_node("Split", [x, self.constant(parts, np.int64)], names, name=names[0], axis=1))
        for name, part in zip(names, parts):
            self.shape[name], self.act[name] = (part, *self.shape[x][1:]), self.act[x]
        return names

    def conv(self, x, m, k=1, stride=1, act="", group=1, scale=1.0):
        """A convolution as wide as its padding lets it, with bias and activation."""
        c, h, w = self.shape[x]
        deviation = scale * GAIN[self.act[x]] / (c // group * k * k) ** 0.5
        weight = self.constant(self.rng.normal(0, deviation, (m, c // group, k, k)))
        bias = self.constant(self.rng.normal(0, 0.1, m))
        self.params += m * (c // group * k * k + 1)
        pad, out = k // 2, (m, (h + stride - 1) // stride, (w + stride - 1) // stride)
        y = self.node("Conv", [x, weight, bias], out, kernel_shape=[k, k], strides=[stride] * 2, pads=[pad] * 4,
                      dilations=[1, 1], group=group)
        if act == "relu":
            return self.node("Relu", [y], out, act)
        if act == "relu6":
            return self.node("Clip", [y, self.constant(0), self.constant(6)], out, act)
        if act == "silu":
            return self.node("Mul", [y, self.node("Sigmoid", [y], out)], out, act)
        return y

    def add(self, a, b):
        return self.node("Add", [a, b], self.shape[a], self.act[a])

    def concat(self, parts, axis=1):
        channels = sum(self.shape[p][0] for p in parts) if axis == 1 else self.shape[parts[0]][0]
        return self.node("Concat", parts, (channels, *self.shape[parts[0]][1:]), self.act[parts[0]], axis=axis)

    def reshape(self, x, shape):
        return self.node("Reshape", [x, self.constant(shape, np.int64)])

    def max_pool(self, x, k, stride):
        c, h, w = self.shape[x]
        return self.node("MaxPool", [x], (c, -(-h // stride), -(-w // stride)), self.act[x], kernel_shape=[k, k],
                         strides=[stride] * 2, pads=[k // 2] * 4)

    def classify(self, x, classes=1000):
        c = self.shape[x][0]
        flat = self.node("Flatten", [self.node("GlobalAveragePool", [x])], axis=1)
        weight = self.constant(self.rng.normal(0, 3 / c ** 0.5, (classes, c)))
        self.params += classes * (c + 1)
        return self.node("Gemm", [flat, weight, self.constant(self.rng.normal(0, 0.1, classes))], transB=1)

    def save(self, output, shape, path):
        self.nodes.append(helper.make_node("Identity", [output], ["y"], name="y"))
        graph = helper.make_graph(
            self.nodes, os.path.splitext(os.path.basename(path))[0],
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *self.shape["x"]])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", *shape])], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        checker.check_model(model)
        save(model, path)


def resnet50(path):
    net = Net(224, 224)
    x = net.max_pool(net.conv("x", 64, 7, 2, "relu"), 3, 2)
    for blocks, width, stride in (3, 64, 1), (4, 128, 2), (6, 256, 2), (3, 512, 2):
        for i in range(blocks):
            s = stride if i == 0 else 1
            y = net.conv(net.conv(x, width, 1, 1, "relu"), width, 3, s, "relu")
            y = net.conv(y, 4 * width, 1, scale=0.3)
            x = net.conv(x, 4 * width, 1, s) if i == 0 else x
            x = net.node("Relu", [net.add(y, x)], net.shape[y], "relu")
    net.save(net.classify(x), [1000], path)
    return net.params


def mobilenet_v2(path):
    net = Net(224, 224)
    x = net.conv("x", 32, 3, 2, "relu6")
    for expand, width, blocks, stride in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
                                          (6, 160, 3, 2), (6, 320, 1, 1)):
        for i in range(blocks):
            c, s = net.shape[x][0], stride if i == 0 else 1
            y = net.conv(x, expand * c, 1, 1, "relu6") if expand > 1 else x
            y = net.conv(y, expand * c, 3, s, "relu6", group=expand * c)
            y = net.conv(y, width, scale=0.5 if i else 1)
            x = net.add(x, y) if i else y
    net.save(net.classify(net.conv(x, 1280, 1, 1, "relu6")), [1000], path)
    return net.params


def c2f(net, x, width, blocks, shortcut):
    """Half of the channels go through `blocks` bottlenecks; every step's result is kept for the last layer."""
    parts = net.split(net.conv(x, width, 1, 1, "silu"), [width // 2] * 2)
    for _ in range(blocks):
        y = net.conv(net.conv(parts[-1], width // 2, 3, 1, "silu"), width // 2, 3, 1, "silu")
        parts.append(net.add(parts[-1], y) if shortcut else y)
    return net.conv(net.concat(parts), width, 1, 1, "silu")


def sppf(net, x, width):
    parts = [net.conv(x, width // 2, 1, 1, "silu")]
    for _ in range(3):
        parts.append(net.max_pool(parts[-1], 5, 1))
    return net.conv(net.concat(parts), width, 1, 1, "silu")


def detect(net, levels, size, classes=80, bins=16):
    """Boxes as distances, each the mean of a distribution over bins, from the centres of three grids of cells."""
    scores, centres, strides = [], [], []
    for x in levels:
        c, h, w = net.shape[x]
        box, kind = x, x
        for _ in range(2):
            box = net.conv(box, 64, 3, 1, "silu")
            kind = net.conv(kind, max(64, classes), 3, 1, "silu")
        both = net.concat([net.conv(box, 4 * bins), net.conv(kind, classes)])
        scores.append(net.reshape(both, [0, 4 * bins + classes, -1]))
        centres.append(np.stack(np.meshgrid(np.arange(w) + 0.5, np.arange(h) + 0.5)).reshape(2, -1))
        strides.append(np.full((1, h * w), size / h))
    centres, strides = np.concatenate(centres, 1), np.concatenate(strides, 1)
    net.shape[scores[0]] = (4 * bins + classes, strides.size)
    box, kind = net.split(net.concat(scores, 2), [4 * bins, classes])
    box = net.node("Transpose", [net.reshape(box, [0, 4, bins, strides.size])], perm=[0, 2, 1, 3])
    box = net.node("Softmax", [box], axis=1)
    mean = net.constant(np.arange(bins).reshape(1, bins, 1, 1))
    net.params += bins
    box = net.reshape(net.node("Conv", [box, mean], kernel_shape=[1, 1]), [0, 4, strides.size])
    net.shape[box], net.act[box] = (4, strides.size), ""
    near, far = net.split(box, [2, 2])
    low = net.node("Sub", [net.constant(centres[None]), near])
    high = net.node("Add", [net.constant(centres[None]), far])
    middle = net.node("Div", [net.node("Add", [low, high]), net.constant(2)])
    box = net.node("Concat", [middle, net.node("Sub", [high, low])], axis=1)
    box = net.node("Mul", [box, net.constant(strides[None])])
    return net.node("Concat", [box, net.node("Sigmoid", [kind])], axis=1)


def yolov8n(path, size=640):
    net = Net(size, size)

    def up(x, beside):
        c, h, w = net.shape[x]
        x = net.node("Resize", [x, "", net.constant([1, 1, 2, 2])], (c, 2 * h, 2 * w), "silu", mode="nearest",
                     coordinate_transformation_mode="asymmetric", nearest_mode="floor")
        return net.concat([x, beside])
    x = net.conv(net.conv("x", 16, 3, 2, "silu"), 32, 3, 2, "silu")
    x = net.conv(c2f(net, x, 32, 1, True), 64, 3, 2, "silu")
    fine = c2f(net, x, 64, 2, True)
    middle = c2f(net, net.conv(fine, 128, 3, 2, "silu"), 128, 2, True)
    coarse = sppf(net, c2f(net, net.conv(middle, 256, 3, 2, "silu"), 256, 1, True), 256)
    middle = c2f(net, up(coarse, middle), 128, 1, False)
    fine = c2f(net, up(middle, fine), 64, 1, False)
    middle = c2f(net, net.concat([net.conv(fine, 64, 3, 2, "silu"), middle]), 128, 1, False)
    coarse = c2f(net, net.concat([net.conv(middle, 128, 3, 2, "silu"), coarse]), 256, 1, False)
    net.save(detect(net, [fine, middle, coarse], size), [84, size * size * 21 // 1024], path)
    return net.params


# name -> (how to write it, its published number of parameters without those of batch norm, with biases instead)
MODELS = {"yolov8n": (yolov8n, 3151904), "resnet50": (resnet50, 25530472), "mobilenet_v2": (mobilenet_v2, 3487816)}


def check(model, engine):
    """The largest difference between the two programs' answers, relative to the largest number."""
    import onnxruntime
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    worst = 0.0
    for batch in 1, 4:
        shape = [batch, *session.get_inputs()[0].shape[1:]]
        x = np.random.default_rng(SEED).random(shape, np.float32)
        want, = session.run(None, {"x": x})
        with tempfile.TemporaryDirectory() as work:
            np.save(f"{work}/x.npy", x)
            subprocess.run([engine, model, "--batch", str(batch), f"{work}/x.npy", "--out", f"{work}/y"], check=True,
                           stdout=subprocess.DEVNULL)
            have = np.load(f"{work}/y.0.npy")
        rows = (0, 2) if want.ndim == 3 else None      # boxes and scores each by their own size
        worst = max(worst, np.max(np.max(np.abs(have - want), rows) / np.max(np.abs(want), rows)))
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--check", metavar="ENGINE")
    args = parser.parse_args()
    for name in args.names or MODELS:
        write, published = MODELS[name]
        path = os.path.join(args.directory, f"{name}.onnx")
        params = write(path)
        if params != published:
            sys.exit(f"{name} has {params} parameters and should have {published}")
        error = check(path, args.check) if args.check else 0
        print(path, f"differs by {error:.1e}" if args.check else "")
        if not error <= LIMIT:
            sys.exit(1)


if __name__ == "__main__":
    main()
