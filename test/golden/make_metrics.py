"""Writes metrics.json: inputs and values of every metric from implementations that share no idea with ours.

Classification, regression, and precision, recall and F1 of class maps: scikit-learn. mIoU: confusion matrix by numpy.bincount. mAP: one global list of detections per class, matched in score order over the whole
set (ours matches per image), precision envelope by maximum.accumulate as in the PASCAL VOC development kit.
Inputs are multiples of 1/8 so that equal scores and plateaus occur and JSON holds them exactly.

Run with: python3 test/golden/make_metrics.py   (numpy, scikit-learn)
"""
import json
import pathlib

import numpy as np
import sklearn
from sklearn import metrics

rng = np.random.default_rng(7)


def coarse(shape, spread):
    return np.round(rng.normal(0, spread, shape) * 8) / 8


def mean_iou(logits, targets, classes, ignore):
    predicted = logits.argmax(1).ravel()
    target = targets.ravel()
    keep = target != ignore
    confusion = np.bincount(target[keep] * classes + predicted[keep], minlength=classes**2).reshape(classes, classes)
    both = np.diag(confusion)
    union = confusion.sum(0) + confusion.sum(1) - both
    present = union > 0
    iou = np.where(present, both / np.maximum(union, 1), np.nan)
    return iou, np.nanmean(iou), both.sum() / confusion.sum()


def peaks(logits, most):
    """All cells of one image that are a 3x3 maximum; among equal neighbours the first in row-major order."""
    classes, rows, columns = logits.shape
    found = []
    for c in range(classes):
        for y in range(rows):
            for x in range(columns):
                window = [(logits[c, v, u], -(v * columns + u)) for v in range(max(0, y - 1), min(rows, y + 2))
                          for u in range(max(0, x - 1), min(columns, x + 2))]
                if max(window) == (logits[c, y, x], -(y * columns + x)):
                    found.append((-logits[c, y, x], c, y * columns + x))
    return sorted(found)[:most]


def matched(logits, truths, stride, distance, most):
    """Of every class that occurs, its detections in score order as (score, right), and how many objects there are."""
    images, classes, _, columns = logits.shape
    detections = [(score, image, order, c, cell) for image in range(images)
                  for order, (score, c, cell) in enumerate(peaks(logits[image], most))]
    for c in range(classes):
        total = sum(t[0] == c for image in truths for t in image)
        free = {(image, index) for image, objects in enumerate(truths) for index, t in enumerate(objects) if t[0] == c}
        hits = []
        for score, image, order, label, cell in sorted(d for d in detections if d[3] == c):
            x, y = (cell % columns + 0.5) * stride, (cell // columns + 0.5) * stride
            near = sorted((np.hypot(truths[image][index][1] - x, truths[image][index][2] - y), index)
                          for i, index in free if i == image)
            hit = bool(near) and near[0][0] < distance
            if hit:
                free.remove((image, near[0][1]))
            hits.append((-score, hit))
        yield c, hits, total


def mean_ap(logits, truths, stride, distance, most):
    aps = {}
    for c, detections, total in matched(logits, truths, stride, distance, most):
        if total == 0:
            continue
        hits = [hit for _, hit in detections]
        cumulative = np.cumsum(hits)
        recall = np.concatenate([[0.0], cumulative / total, [1.0]])
        precision = np.concatenate([[0.0], cumulative / np.arange(1, len(hits) + 1), [0.0]])
        precision = np.maximum.accumulate(precision[::-1])[::-1]
        steps = np.where(recall[1:] != recall[:-1])[0]
        aps[c] = float(np.sum((recall[steps + 1] - recall[steps]) * precision[steps + 1]))
    return aps, float(np.mean(list(aps.values())))


def rates_from(logits, truths, stride, distance, most, score):
    """Precision, recall and F1 of detections from a score on, by class and their means."""
    rates = {}
    for c, detections, total in matched(logits, truths, stride, distance, most):
        found = [hit for logit, hit in detections if 1 / (1 + np.exp(-logit)) >= score]
        if total + len(found) == 0:
            continue
        right = sum(found)
        rates[c] = [right / len(found) if found else 0.0, right / total if total else 0.0, 2 * right / (len(found) + total)]
    return rates, np.mean(list(rates.values()), 0).tolist()


def class_rates(target, predicted, classes):
    """By class (null where it occurs nowhere) and macro means, by scikit-learn."""
    present = np.union1d(target, predicted).tolist()
    each = metrics.precision_recall_fscore_support(target, predicted, labels=present, zero_division=0)[:3]
    macro = metrics.precision_recall_fscore_support(target, predicted, average="macro", zero_division=0)[:3]
    return {name: {"value": float(mean), "perClass": [values[present.index(c)].item() if c in present else None for c in range(classes)]}
            for name, mean, values in zip(["precision", "recall", "f1"], macro, each)}


def iou_case():
    images, classes, rows, columns, ignore = 5, 4, 6, 7, 255
    targets = rng.integers(0, classes - 1, (images, rows, columns))  # the last class is never a target
    logits = coarse((images, classes, rows, columns), 0.5)
    for c in range(classes):
        logits[:, c] += 0.75 * (targets == c)
    targets[rng.random(targets.shape) < 0.1] = ignore
    iou, mean, accuracy = mean_iou(logits, targets, classes, ignore)
    keep = targets != ignore
    rates = class_rates(targets[keep], logits.argmax(1)[keep], classes)
    return {"rates": rates, "shape": logits.shape, "ignore": ignore, "logits": logits.ravel().tolist(), "targets": targets.ravel().tolist(),
            "perClass": [None if np.isnan(v) else v for v in iou.tolist()], "mIoU": mean, "pixelAccuracy": accuracy}


def centre_case():
    images, classes, rows, columns, stride, distance, most = 8, 3, 6, 6, 4, 5.7, 9
    truths = [[[int(rng.integers(0, classes - 1)), float(rng.integers(0, 48)) / 2, float(rng.integers(0, 48)) / 2]
               for _ in range(rng.integers(0, 5))] for _ in range(images)]  # the last class never occurs
    logits = coarse((images, classes, rows, columns), 0.6)
    for image, objects in enumerate(truths):
        for c, x, y in objects:
            logits[image, c, int(y // stride), int(x // stride)] += 1.25
    aps, mean = mean_ap(logits, truths, stride, distance, most)
    distances = [2.5, distance, 9.0]
    at = {str(d): mean_ap(logits, truths, stride, d, most)[1] for d in distances}
    rates, macro = rates_from(logits, truths, stride, distance, most, 0.6)
    return {"distances": distances, "at": at, "score": 0.6, "rates": rates, "macro": macro, "shape": logits.shape, "stride": stride, "distance": distance, "most": most,
            "logits": logits.ravel().tolist(), "truths": truths, "perClass": aps, "mAP": mean}


def classification_case(classes, images, top):
    """The last class is never a target, the one before never predicted; scores of one image all differ."""
    targets = rng.integers(0, classes - 1, images)
    scores = np.array([rng.permutation(classes) for _ in range(images)]) / 8
    scores[np.arange(images), targets] += rng.integers(0, 5, images) / 8 + 1 / 16
    scores[:, classes - 2] -= 100
    predicted = scores.argmax(1)
    tops = {str(k): metrics.top_k_accuracy_score(targets, scores, k=k, labels=np.arange(classes)) for k in top}
    # Per class: the share of its images, which scikit-learn calls the class's recall.
    return {"classes": classes, "images": images, "scores": scores.ravel().tolist(), "targets": targets.tolist(), "top": tops,
            "accuracy": metrics.accuracy_score(targets, predicted), "rates": class_rates(targets, predicted, classes)}


def regression_case(shape):
    targets, outputs = coarse(shape, 3), coarse(shape, 3)
    outputs += 1.5 * np.arange(shape[1]).reshape(1, -1, *[1] * (len(shape) - 2))
    flat = [np.moveaxis(values, 1, -1).reshape(-1, shape[1]) for values in (targets, outputs)]
    return {"shape": shape, "targets": targets.ravel().tolist(), "outputs": outputs.ravel().tolist(),
            "rmse": metrics.root_mean_squared_error(*flat), "rmsePerChannel": metrics.root_mean_squared_error(*flat, multioutput="raw_values").tolist(),
            "mae": metrics.mean_absolute_error(*flat), "maePerChannel": metrics.mean_absolute_error(*flat, multioutput="raw_values").tolist()}


golden = {
    "madeBy": {"numpy": np.__version__, "scikit-learn": sklearn.__version__},
    "iou": [iou_case() for _ in range(3)],
    "centres": [centre_case() for _ in range(4)],
    "classification": [classification_case(4, 40, [1, 2]), classification_case(12, 60, [3, 5])],
    "regression": [regression_case((7, 3)), regression_case((5, 2, 3, 4))],
}
path = pathlib.Path(__file__).with_name("metrics.json")
path.write_text(json.dumps(golden) + "\n")
