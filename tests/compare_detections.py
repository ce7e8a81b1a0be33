#!/usr/bin/env python3
"""Holds clipq's detections of a YOLOX model against an independent pipeline: OpenCV decodes and resizes, ONNX
Runtime infers, NumPy decodes the tensors and suppresses.

    compare_detections.py CLIPQ.db CLIP MODEL.onnx [--threshold 0.3] [--nms 0.45]

Counts the boxes over the threshold, on either side, that pair up with a box of the same class at IoU >= 0.9 and
a score within 0.02. A box whose score is within 0.02 of the threshold may be missing on the other side.

Two converters of colours round differently, and small or blurred things get another score and box from one level more
or less in some pixels. So the other pipeline is also held against itself, with noise of one level in its pictures: it
agrees with itself so far, and more than that cannot be asked of anybody.

Exits 0 when at least 99 % pair up, or at most five points less than in the other pipeline with itself; 1 when not; 77
(skipped) where OpenCV, NumPy or ONNX Runtime is missing, or OpenCV cannot decode the clip.
"""
import argparse
import os
import sqlite3
import sys

try:
    import cv2
    import numpy as np
    import onnxruntime as ort
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

SCORE_TOLERANCE = 0.02
IOU_TOLERANCE = 0.9
PAIRED = 0.99
MARGIN = 0.05


def frames(clip):
    """Every frame as OpenCV gives it: BGR, upright."""
    reader = cv2.VideoCapture(clip)
    while True:
        ok, frame = reader.read()
        if not ok:
            return
        yield frame


def fit(frame, side):
    """[side, side, 3], the picture top-left, padded with 114; and display pixels per input pixel, x and y."""
    height, width = frame.shape[:2]
    scale = min(side / width, side / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    canvas = np.full((side, side, 3), 114, np.uint8)
    canvas[:size[1], :size[0]] = cv2.resize(frame, size)
    return canvas, (width / size[0], height / size[1])


def decode(output, side):
    """[1, N, 5 + classes] without grid and stride -> boxes [N, 4] in input pixels, scores [N, classes]."""
    grids, strides = [], []
    for stride in (8, 16, 32):
        cells = side // stride
        y, x = np.mgrid[:cells, :cells]
        grids.append(np.stack([x.ravel(), y.ravel()], 1))
        strides.append(np.full((cells * cells, 1), stride))
    grid, stride = np.concatenate(grids), np.concatenate(strides)
    raw = output[0]
    centre, size = (raw[:, :2] + grid) * stride, np.exp(raw[:, 2:4]) * stride
    return np.concatenate([centre - size / 2, centre + size / 2], 1), raw[:, 4:5] * raw[:, 5:]


def iou(box, boxes):
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    common = np.clip(high - low, 0, None).prod(1)
    return common / ((box[2:] - box[:2]).prod() + (boxes[:, 2:] - boxes[:, :2]).prod(1) - common + 1e-9)


def suppress(boxes, scores, threshold, limit):
    """Rows (class, score, x0, y0, x1, y1) over the threshold after NMS per class."""
    rows = []
    best = scores.argmax(1)
    score = scores.max(1)
    for cls in np.unique(best[score >= threshold]):
        order = [i for i in np.argsort(-score) if best[i] == cls and score[i] >= threshold]
        while order:
            first, order = order[0], order[1:]
            rows.append([cls, score[first], *boxes[first]])
            if order:
                order = [i for i, o in zip(order, iou(boxes[first], boxes[order])) if o <= limit]
    return rows


def shake(image, rng):
    return np.clip(image + rng.integers(-1, 2, image.shape), 0, 255).astype(np.uint8)


def reference(clip, model, threshold, limit):
    """Rows of suppress() for every frame: for the picture as it is, and for the shaken one."""
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    spec = session.get_inputs()[0]
    side = spec.shape[2]
    rng = np.random.default_rng(1)
    for frame in frames(clip):
        image, back = fit(frame, side)
        corner = np.array([frame.shape[1], frame.shape[0]] * 2, float)
        looks = []
        for picture in (image, shake(image, rng)):
            tensor = picture.transpose(2, 0, 1)[None].astype(np.float32)
            boxes, scores = decode(session.run(None, {spec.name: tensor})[0], side)
            looks.append(suppress(np.clip(boxes * np.array(back * 2), 0, corner), scores, threshold, limit))
        yield looks


def stored(db, clip, model, threshold):
    """Rows per frame from v_detections, a list for every row of v_frames."""
    con = sqlite3.connect(f"file:{os.path.abspath(db)}?mode=ro", uri=True)
    where = "path = ? AND model = ?"
    key = (os.path.realpath(clip), os.path.basename(model))
    result = {frame: [] for (frame,) in con.execute(f"SELECT frame FROM v_frames WHERE {where}", key)}
    for frame, *row in con.execute(
            f"SELECT frame, class_id, score, x0, y0, x1, y1 FROM v_detections WHERE {where} AND score >= ?", key + (threshold,)):
        result[frame].append(row)
    return [result[frame] for frame in sorted(result)]


def match(ours, theirs, threshold):
    """(boxes that had to pair, boxes that did), counted from both sides."""
    must = did = 0
    for a, b in ((ours, theirs), (theirs, ours)):
        others = np.array(b, float).reshape(-1, 6)
        for row in a:
            same = others[others[:, 0] == row[0]]
            good = (iou(np.array(row[2:], float), same[:, 2:]) >= IOU_TOLERANCE) & (abs(same[:, 1] - row[1]) <= SCORE_TOLERANCE)
            if good.any():
                must, did = must + 1, did + 1
            elif row[1] >= threshold + SCORE_TOLERANCE:
                must += 1
    return must, did


def share(pairs):
    must, did = (sum(column) for column in zip(*pairs))
    return did / must if must else 1.0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("db")
    parser.add_argument("clip")
    parser.add_argument("model")
    parser.add_argument("--threshold", type=float, default=0.3)
    parser.add_argument("--nms", type=float, default=0.45)
    args = parser.parse_args()

    ours = stored(args.db, args.clip, args.model, args.threshold)
    theirs = list(reference(args.clip, args.model, args.threshold, args.nms))
    if not theirs:
        print("skipped: OpenCV cannot decode the clip")
        return 77
    if len(ours) != len(theirs):
        print(f"{len(ours)} frames in the database, {len(theirs)} decoded by OpenCV")
        return 1
    paired = share([match(a, b[0], args.threshold) for a, b in zip(ours, theirs)])
    itself = share([match(b[1], b[0], args.threshold) for b in theirs])
    print(f"{len(ours)} frames, {sum(map(len, ours))} boxes here, {sum(len(b[0]) for b in theirs)} there, "
          f"{100 * paired:.2f} % paired; the other pipeline with itself {100 * itself:.2f} %")
    return 0 if paired >= min(PAIRED, itself - MARGIN) else 1


if __name__ == "__main__":
    sys.exit(main())
