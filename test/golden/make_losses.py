"""Writes losses.safetensors (losses, learned scales, switched batch norm) and updates.safetensors (optimisers with clipping,
averages of weights): outputs and gradients computed by PyTorch from fixed seeds, in the form of make_gradients.py.

Run with: python3 test/golden/make_losses.py   (requirements.txt beside it)
"""
import pathlib

import torch
import torch.nn.functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import small_network
from make_gradients import Cases, normal

HERE = pathlib.Path(__file__).parent
IGNORE = 255


def one_hot(target, classes):
    """Class numbers [N, ...] -> [N, C, ...] and which count."""
    valid = target != IGNORE
    hot = F.one_hot(torch.where(valid, target, 0).long(), classes).movedim(-1, 1).double()
    return hot * valid.unsqueeze(1), valid.unsqueeze(1).double()


def labels(*shape, classes, ignored):
    target = torch.randint(0, classes, shape)
    target.view(-1)[torch.randperm(target.numel())[:ignored]] = IGNORE
    return target.to(torch.int32)


def cross_entropies(cases):
    weights = [0.5, 2.0, 1.25, 0.75]
    table = {
        "weighted": (weights, 0.0, (2, 5, 6)),
        "smoothed": (None, 0.1, (2, 5, 6)),
        "weighted-smoothed": (weights, 0.2, (2, 5, 6)),
        "of-images": (weights, 0.0, (7,)),
        "of-images-plain": (None, 0.0, (7,)),
    }
    for name, (weight, smoothing, shape) in table.items():
        inputs = {"logits": normal(shape[0], 4, *shape[1:], std=3), "target": labels(*shape, classes=4, ignored=3)}
        attributes = {"ignore": IGNORE} | ({"label_smoothing": smoothing} if smoothing else {}) | ({"class_weights": weight} if weight else {})
        function = lambda logits, target, w=weight, s=smoothing: F.cross_entropy(
            logits, target.long(), None if w is None else torch.tensor(w, dtype=torch.float64), ignore_index=IGNORE, label_smoothing=s)
        cases.add(f"cross-entropy-{name}", "headgate.CrossEntropy", inputs, function, wanted=["logits"], attributes=attributes, upstream=torch.tensor(1.3))


def sigmoid_focal(logits, target, alpha, gamma):
    """torchvision.ops.sigmoid_focal_loss, line by line, unreduced."""
    p = torch.sigmoid(logits)
    cost = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    p_t = p * target + (1 - p) * (1 - target)
    cost = cost * ((1 - p_t) ** gamma)
    return cost if alpha < 0 else (alpha * target + (1 - alpha) * (1 - target)) * cost


def soft_dice(p, target, valid, smooth):
    axes = [0, *range(2, p.dim())]
    inter = (p * target * valid).sum(axes)
    return 1 - ((2 * inter + smooth) / ((p * valid).sum(axes) + (target * valid).sum(axes) + smooth)).mean()


def scores(cases):
    """Losses of single scores, against a target of the same shape and against class numbers."""
    shape = (2, 3, 4, 5)
    elementwise = {
        "MeanSquaredError": [("", {}, lambda x, t: F.mse_loss(x, t, reduction="none"))],
        "MeanAbsoluteError": [("", {}, lambda x, t: F.l1_loss(x, t, reduction="none"))],
        "SmoothL1": [
            ("", {}, lambda x, t: F.smooth_l1_loss(x, t, reduction="none")),
            ("-beta", {"beta": 0.25}, lambda x, t: F.smooth_l1_loss(x, t, reduction="none", beta=0.25)),
        ],
        "BinaryCrossEntropy": [
            ("", {}, lambda x, t: F.binary_cross_entropy_with_logits(x, t, reduction="none")),
            ("-positive", {"positive_weights": [3.0]}, lambda x, t: F.binary_cross_entropy_with_logits(x, t, reduction="none", pos_weight=torch.tensor(3.0).double())),
            ("-per-class", {"positive_weights": [0.5, 4.0, 1.5]},
             lambda x, t: F.binary_cross_entropy_with_logits(x, t, reduction="none", pos_weight=torch.tensor([0.5, 4.0, 1.5]).double().reshape(3, 1, 1))),
        ],
        "Focal": [
            ("", {}, lambda x, t: sigmoid_focal(x, t, 0.25, 2)),
            ("-unbalanced", {"alpha": -1.0, "gamma": 1.5}, lambda x, t: sigmoid_focal(x, t, -1, 1.5)),
            ("-flat", {"alpha": 0.6, "gamma": 0.0}, lambda x, t: sigmoid_focal(x, t, 0.6, 0)),
        ],
    }
    for op, variants in elementwise.items():
        for suffix, attributes, each in variants:
            inputs = {"value": normal(*shape, std=4), "target": torch.rand(shape)}
            cases.add(f"{op}{suffix}", f"headgate.{op}", inputs, lambda value, target, e=each: e(value, target).mean(), wanted=["value"], attributes=attributes, upstream=torch.tensor(0.7))

            def of_labels(value, target, e=each):
                hot, valid = one_hot(target, 3)
                return (e(value, hot) * valid).sum() / (valid.sum() * 3)

            inputs = {"value": normal(*shape, std=4), "target": labels(2, 4, 5, classes=3, ignored=6)}
            cases.add(f"{op}{suffix}-labels", f"headgate.{op}", inputs, of_labels, wanted=["value"], attributes=attributes | {"labels": 1, "ignore": IGNORE}, upstream=torch.tensor(0.7))
    for name, sigmoid, smooth in [("softmax", 0, 1.0), ("sigmoid", 1, 0.01)]:
        chances = (lambda x: torch.sigmoid(x)) if sigmoid else (lambda x: torch.softmax(x, 1))
        attributes = {"sigmoid": sigmoid, "smooth": smooth}
        inputs = {"value": normal(*shape, std=2), "target": torch.rand(shape)}
        function = lambda value, target, c=chances, s=smooth: soft_dice(c(value), target, torch.ones(1).double(), s)
        cases.add(f"dice-{name}", "headgate.Dice", inputs, function, wanted=["value"], attributes=attributes, upstream=torch.tensor(0.9))
        inputs = {"value": normal(*shape, std=2), "target": labels(2, 4, 5, classes=3, ignored=6)}
        function = lambda value, target, c=chances, s=smooth: soft_dice(c(value), *one_hot(target, 3), s)
        cases.add(f"dice-{name}-labels", "headgate.Dice", inputs, function, wanted=["value"], attributes=attributes | {"labels": 1, "ignore": IGNORE}, upstream=torch.tensor(0.9))
    for name, temperature in [("cold", 1.0), ("warm", 4.0)]:
        def soften(value, teacher, t=temperature):
            pair = [logits.movedim(1, -1).reshape(-1, 3) / t for logits in (value, teacher)]
            return F.kl_div(F.log_softmax(pair[0], 1), F.log_softmax(pair[1], 1), reduction="batchmean", log_target=True) * t * t

        inputs = {"value": normal(*shape, std=3), "teacher": normal(*shape, std=3)}
        cases.add(f"soft-targets-{name}", "headgate.SoftTargets", inputs, soften, wanted=["value"], attributes={"temperature": temperature}, upstream=torch.tensor(0.8))


def normalised(cases):
    """The mean squared distance over the reference's own mean square."""
    inputs = {"value": normal(2, 3, 4, 5, std=4), "reference": normal(2, 3, 4, 5, std=0.01)}
    function = lambda value, reference: F.mse_loss(value, reference) / reference.square().mean()
    cases.add("mean-squared-error-normalised", "headgate.MeanSquaredError", inputs, function, wanted=["value"], attributes={"normalised": 1}, upstream=torch.tensor(0.6))


def learned_scales(cases):
    for name, low, high, std in [("int4", -8, 7, 5), ("int8", -128, 127, 60), ("uint4", 0, 15, 8)]:
        # Off the ties: float32 and float64 must round alike.
        steps = torch.round(normal(3, 2, 4, 5, std=std)) + (torch.rand(3, 2, 4, 5) - 0.5) * 0.9
        s = torch.tensor(0.03)
        function = lambda x, s, l=low, h=high: small_network.learned_step(x, s, l, h, x[0].numel())
        limits = {"qmin": low, "qmax": high}
        cases.add(f"learned-{name}", "headgate.LearnedFakeQuant", {"x": steps * s, "s": s}, function, attributes=limits | {"per_sample": 1})
        s = torch.tensor([0.01, 0.5, 0.003]).reshape(3, 1, 1, 1)
        function = lambda x, s, l=low, h=high: small_network.learned_step(x, s, l, h, x[0].numel())
        cases.add(f"learned-{name}-per-channel", "headgate.LearnedFakeQuant", {"x": steps * s, "s": s}, function, attributes=limits)


def learned_at_limits(cases):
    """Exactly at the limits and at every step: where the paper's equations and its code, differentiated, are not the same."""
    for name, low, high in [("int4", -8, 7), ("uint4", 0, 15)]:
        s = torch.tensor(2.0**-5)
        x = torch.arange(low - 2, high + 3).float() * s
        function = lambda x, s, l=low, h=high: small_network.learned_step(x, s, l, h, x.numel())
        cases.add(f"learned-{name}-at-limits", "headgate.LearnedFakeQuant", {"x": x, "s": s}, function, attributes={"qmin": low, "qmax": high})


def inclusive(cases):
    for bits in (4, 8):
        low, high = small_network.limits(bits)
        x = torch.cat([torch.tensor([low - 1.6, low - 1.4, low - 0.6, low, high, high + 0.5, high + 1.4, high + 1.6]), normal(60, std=high)]) * 2.0**-5
        function = lambda x, s, l=low, h=high: small_network.FakeQuant.apply(x, s, l, h, 1)
        cases.add(f"fake-quant-inclusive-int{bits}", "headgate.FakeQuant", {"x": x, "s": torch.tensor(2.0**-5)}, function, wanted=["x"], attributes={"qmin": low, "qmax": high, "inclusive": 1}, dtype=torch.float32)


def switched(cases):
    for frozen in (0.0, 1.0):
        x = normal(4, 3, 5, 6, mean=0.7, std=1.3)
        inputs = {"x": x, "gamma": normal(3, mean=1, std=0.3), "beta": normal(3), "mean": normal(3), "variance": normal(3).abs() + 0.2, "frozen": torch.tensor(frozen)}
        extra = {"mean": x.double().mean((0, 2, 3)), "variance": x.double().var((0, 2, 3), unbiased=False)}
        function = lambda x, gamma, beta, mean, variance, frozen: F.batch_norm(x, mean.clone(), variance.clone(), gamma, beta, training=frozen.item() == 0, eps=1e-5)
        cases.add(f"batch-norm-switch-{int(frozen)}", "headgate.BatchNormSwitch", inputs, function, wanted=["x", "gamma", "beta"], attributes={"epsilon": 1e-5}, extra=extra)
    for epsilon in (1e-5, 1e-1):
        # What is normalised is divided by a factor per channel, as in reverse folding; a negative one too.
        inputs = {"x": normal(4, 3, 5, 6, mean=0.5), "gamma": normal(3, mean=1, std=0.3), "beta": normal(3), "factor": torch.tensor([0.5, -1.5, 3.0])}
        divided = inputs["x"].double() / inputs["factor"].double().reshape(3, 1, 1)
        extra = {"mean": divided.mean((0, 2, 3)), "variance": divided.var((0, 2, 3), unbiased=False)}
        function = lambda x, gamma, beta, factor, e=epsilon: F.batch_norm(x / factor.reshape(3, 1, 1), None, None, gamma, beta, training=True, eps=e)
        cases.add(f"batch-norm-divided-{epsilon}", "headgate.BatchNormTrainDivided", inputs, function, attributes={"epsilon": epsilon}, extra=extra)


def updates():
    """Six steps of torch.optim, with clip_grad_norm_ before and an exponential average after each."""
    tensors, cases = {}, []
    table = {
        "sgd-nesterov": ("sgd", dict(lr=5e-2, weight_decay=1e-2, momentum=0.9, nesterov=True), None, None),
        "sgd-clipped": ("sgd", dict(lr=5e-2, weight_decay=0.0, momentum=0.9), 3.0, None),
        "adamw-clipped-averaged": ("adamw", dict(lr=1e-2, weight_decay=0.05), 0.5, 0.9),
        "sgd-averaged": ("sgd", dict(lr=5e-2, weight_decay=0.0, momentum=0.0), None, 0.6),
    }
    for name, (kind, settings, clip, decay) in table.items():
        start = normal(64, std=0.05)
        gradients = normal(6, 64) * torch.logspace(-4, 1, 64)
        module = torch.nn.Module()
        module.decaying = torch.nn.Parameter(start[:40].double())
        module.others = torch.nn.Parameter(start[40:].double())
        groups = [{"params": [module.decaying]}, {"params": [module.others], "weight_decay": 0.0}]
        optimizer = (torch.optim.AdamW if kind == "adamw" else torch.optim.SGD)(groups, **settings)
        average = AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(decay or 0.0))
        path, averages = [], []
        for gradient in gradients.double():
            module.decaying.grad, module.others.grad = gradient[:40].clone(), gradient[40:].clone()
            if clip is not None:
                torch.nn.utils.clip_grad_norm_(module.parameters(), clip)
            optimizer.step()
            average.update_parameters(module)
            path.append(torch.cat([module.decaying, module.others]).detach().float())
            averages.append(torch.cat([average.module.decaying, average.module.others]).detach().float())
        tensors |= {f"{name}/start": start.numpy(), f"{name}/gradients": gradients.numpy(), f"{name}/path": torch.stack(path).numpy()}
        if decay is not None:
            tensors[f"{name}/averages"] = torch.stack(averages).numpy()
        cases.append({"name": name, "kind": kind, **settings} | ({"clip": clip} if clip else {}) | ({"decay": decay} if decay else {}))
    small_network.save(HERE / "updates.safetensors", tensors, cases)


if __name__ == "__main__":
    torch.manual_seed(22)
    cases = Cases()
    for part in (cross_entropies, scores, learned_scales, inclusive, switched, learned_at_limits):
        part(cases)
    updates()
    normalised(cases)
    cases.write("losses.safetensors")
