"""Cases of elementwise operators, activations, softmax and reductions."""
import math

import torch
import torch.nn.functional as F

from operator_cases import away_from, longs, normal, spaced


def add_all(cases):
    functions(cases)
    several_inputs(cases)
    activations(cases)
    softmax(cases)
    reductions(cases)


def functions(cases):
    positive = lambda *s: torch.rand(s) * 3 + 0.3
    inside = lambda *s: torch.rand(s) * 1.6 - 0.8
    apart = lambda *s: away_from(normal(*s), [0.0], 0.3)
    table = {
        "Neg": (normal, torch.neg), "Abs": (apart, torch.abs), "Exp": (normal, torch.exp), "Log": (positive, torch.log),
        "Sqrt": (positive, torch.sqrt), "Reciprocal": (apart, torch.reciprocal), "Sin": (normal, torch.sin), "Cos": (normal, torch.cos),
        "Tan": (inside, torch.tan), "Asin": (inside, torch.asin), "Acos": (inside, torch.acos), "Atan": (normal, torch.atan),
        "Sinh": (normal, torch.sinh), "Cosh": (normal, torch.cosh), "Tanh": (normal, torch.tanh), "Erf": (normal, torch.erf),
        "Identity": (normal, torch.clone),
    }
    for rule, (draw, function) in table.items():
        for _ in range(3):
            cases.add(rule, [draw(*cases.shape(high=5))], function)


def several_inputs(cases):
    def stretched(shape):
        """A shape that broadcasts to `shape`."""
        kept = [size if cases.random.random() < 0.6 else 1 for size in shape]
        return tuple(kept[cases.random.randint(0, len(kept)):])

    apart = lambda *s: away_from(normal(*s), [0.0], 0.4)
    for _ in range(4):
        shape = cases.shape(cases.size(2, 4))
        for rule, function in {"Add": torch.add, "Sub": torch.sub, "Mul": torch.mul}.items():
            cases.add(rule, [normal(*shape), normal(*stretched(shape))], function)
        cases.add("Div", [normal(*stretched(shape)), apart(*shape)], torch.div)
        inputs = [normal(*shape)] + [normal(*stretched(shape)) for _ in range(cases.size(0, 2))]
        cases.add("Sum", inputs, lambda *values: sum(values[1:], values[0]))
        cases.add("Mean", inputs, lambda *values: sum(values[1:], values[0]) / len(values))
        for rule, function in {"Max": torch.maximum, "Min": torch.minimum}.items():
            other = stretched(shape)
            grid = spaced(*shape, step=0.2)
            cases.add(rule, [grid, spaced(*other, step=0.2) + 0.1], function)
        condition = torch.rand(stretched(shape)) < 0.5
        cases.add("Where", [condition, normal(*shape), normal(*stretched(shape))], torch.where)
    ties = torch.tensor([1.0, 2.0, 2.0, -1.0])
    for rule, function in {"Max": torch.maximum, "Min": torch.minimum}.items():
        cases.add(rule, [ties, torch.tensor([1.0, 1.0, 3.0, -1.0])], function, differences=False)
        cases.add(rule, [ties], torch.clone)
    # Powers: trained exponents, whole and broken constants, 0 where the base is 0, integer exponents.
    base = lambda *s: torch.rand(s) * 2 + 0.3
    for shape, other in [((3, 4), (4,)), ((2, 3), ()), ((5,), (5,))]:
        cases.add("Pow", [base(*shape), normal(*other)], torch.pow)
    for exponent in [2.0, 3.0, 0.5, -1.0]:
        cases.add("Pow", [base(2, 5), torch.tensor(exponent)], torch.pow, wanted=[0])
    cases.add("Pow", [normal(7), torch.tensor(2.0)], torch.pow, wanted=[0])
    cases.add("Pow", [torch.tensor([0.0, 2.0, -1.0]), torch.tensor([0.0, 0.0, 2.0])], torch.pow, wanted=[0], differences=False)
    cases.add("Pow", [normal(2, 3), longs(3)], torch.pow)
    for low, high in [(-0.5, 0.7), (None, 0.3), (0.0, None), (None, None)]:
        limits = [None if limit is None else torch.tensor(limit) for limit in (low, high)]
        x = away_from(normal(3, 7), [limit for limit in (low, high) if limit is not None])
        clamp = lambda x, low=None, high=None: x.clone() if low is None and high is None else torch.clamp(x, low, high)
        cases.add("Clip", [x, *limits], clamp, wanted=[0])
    cases.add("Clip", [away_from(normal(23), [-0.4, 0.6]), torch.tensor(-0.4), torch.tensor(0.6)], torch.clamp)
    cases.add("Clip", [torch.tensor([-1.0, 0.0, 0.5, 1.0, 2.0]), torch.tensor(0.0), torch.tensor(1.0)], torch.clamp, wanted=[0], differences=False)


def activations(cases):
    apart = lambda *s: away_from(normal(*s, std=2), [0.0])
    shape = lambda: cases.shape(high=5)
    for _ in range(3):
        cases.add("Relu", [apart(*shape())], F.relu)
        alpha = cases.pick(0.01, 0.2, 1.5)
        cases.add("LeakyRelu", [apart(*shape())], lambda x: F.leaky_relu(x, alpha), attributes={"alpha": alpha})
        cases.add("Elu", [apart(*shape())], lambda x: F.elu(x, alpha), attributes={"alpha": alpha})
        cases.add("Celu", [apart(*shape())], lambda x: F.celu(x, alpha), attributes={"alpha": alpha})
        level = cases.pick(0.5, 1.0)
        cases.add("ThresholdedRelu", [away_from(normal(*shape(), std=2), [level])], lambda x: F.threshold(x, level, 0.0), attributes={"alpha": level})
        cases.add("Selu", [apart(*shape())], F.selu)
        cases.add("Sigmoid", [normal(*shape(), std=3)], torch.sigmoid)
        cases.add("HardSigmoid", [away_from(normal(*shape(), std=3), [-3.0, 3.0])], F.hardsigmoid, attributes={"alpha": 1 / 6, "beta": 0.5})
        cases.add("HardSigmoid", [away_from(normal(*shape(), std=3), [-2.5, 2.5])], lambda x: (0.2 * x + 0.5).clamp(0, 1))
        cases.add("HardSwish", [away_from(normal(*shape(), std=3), [-3.0, 3.0])], F.hardswish)
        cases.add("Softplus", [normal(*shape(), std=3)], F.softplus)
        cases.add("Softsign", [normal(*shape(), std=2)], F.softsign)
        cases.add("Mish", [normal(*shape(), std=2)], F.mish)
        for approximate in ("none", "tanh"):
            cases.add("Gelu", [normal(*shape(), std=2)], lambda x: F.gelu(x, approximate=approximate), attributes={"approximate": approximate})
    kinks = torch.tensor([0.0, -0.0, 1e-30, -1e-30, -3.0, 3.0])
    for rule, function in {"Relu": F.relu, "LeakyRelu": F.leaky_relu, "Elu": F.elu, "Selu": F.selu, "Celu": F.celu, "HardSwish": F.hardswish}.items():
        cases.add(rule, [kinks], function, differences=False)
    cases.add("Abs", [kinks], torch.abs, differences=False)
    for x, slope in [((2, 3, 4), (3, 1)), ((2, 3, 2, 2), (3, 1, 1)), ((4, 5), (1,)), ((3, 4), (3, 4)), ((2, 5), (5,))]:
        cases.add("PRelu", [apart(*x), normal(*slope, std=0.3)], lambda x, w: torch.where(x > 0, x, x * w))


def softmax(cases):
    for rule, function in {"Softmax": torch.softmax, "LogSoftmax": torch.log_softmax}.items():
        for axis in (-1, 0, 1, None):
            x = normal(*cases.shape(cases.size(2, 4), low=2), std=2)
            cases.add(rule, [x], lambda x: function(x, -1 if axis is None else axis), attributes={"axis": axis})
        cases.add(rule, [normal(3, 6, std=40)], lambda x: function(x, -1), differences=False)


def reductions(cases):
    positive = lambda *s: torch.rand(s) * 2 + 0.5
    apart = lambda *s: away_from(normal(*s), [0.0], 0.3)
    table = {
        "ReduceSum": (normal, lambda x, a, k: x.sum(a, k)),
        "ReduceMean": (normal, lambda x, a, k: x.mean(a, k)),
        "ReduceMax": (spaced, lambda x, a, k: x.amax(a, k)),
        "ReduceMin": (spaced, lambda x, a, k: x.amin(a, k)),
        "ReduceProd": (apart, lambda x, a, k: product(x, a, k)),
        "ReduceL1": (apart, lambda x, a, k: x.abs().sum(a, k)),
        "ReduceL2": (normal, lambda x, a, k: x.square().sum(a, k).sqrt()),
        "ReduceLogSum": (positive, lambda x, a, k: x.sum(a, k).log()),
        "ReduceLogSumExp": (normal, lambda x, a, k: torch.logsumexp(x, a, k)),
        "ReduceSumSquare": (normal, lambda x, a, k: x.square().sum(a, k)),
    }
    for rule, (draw, function) in table.items():
        for keep in (1, 0, None, 1):
            shape = cases.shape(cases.size(2, 4))
            axes = sorted(cases.random.sample(range(len(shape)), cases.size(1, len(shape))))
            written = [axis - len(shape) if cases.random.random() < 0.4 else axis for axis in axes]
            cases.add(rule, [draw(*shape), longs(*written)], lambda x, a: function(x, axes, keep != 0), attributes={"keepdims": keep})
        shape = cases.shape(3)
        cases.add(rule, [draw(*shape)], lambda x: function(x, [0, 1, 2], True))
        cases.add(rule, [draw(*shape)], lambda x: function(x, [0, 1, 2], False), attributes={"keepdims": 0})
    cases.add("ReduceSum", [normal(2, 3)], torch.clone, attributes={"noop_with_empty_axes": 1})
    cases.add("ReduceMax", [torch.tensor([[1.0, 2.0, 2.0], [3.0, 3.0, 3.0]]), longs(1)], lambda x, a: x.amax(1, True), differences=False)
    zeros = torch.tensor([[2.0, 3.0, 4.0], [0.0, 3.0, 4.0], [0.0, 0.0, 4.0]])
    cases.add("ReduceProd", [zeros, longs(1)], lambda x, a: x.prod(1, True))
    cases.add("ReduceL2", [torch.tensor([[3.0, 4.0], [0.0, 0.0]]), longs(1)], lambda x, a: torch.linalg.vector_norm(x, dim=1, keepdim=True), differences=False)
    for exclusive in (0, 1):
        for reverse in (0, 1):
            shape = cases.shape(cases.size(1, 3), low=2)
            axis = cases.size(0, len(shape) - 1)
            def running(x, a, axis=axis):
                turned = x.flip(axis) if reverse else x
                total = turned.cumsum(axis) - (turned if exclusive else 0)
                return total.flip(axis) if reverse else total
            cases.add("CumSum", [normal(*shape), torch.tensor(axis)], running, attributes={"exclusive": exclusive, "reverse": reverse})


def product(x, axes, keep):
    for axis in sorted(axes, reverse=True):
        x = x.prod(axis, keepdim=keep)
    return x
