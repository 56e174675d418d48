"""Cases of operators that move, copy and index values."""
import torch
import torch.nn.functional as F

from operator_cases import longs, normal, spaced


def add_all(cases):
    shapes(cases)
    parts(cases)
    pads(cases)
    indices(cases)


def shapes(cases):
    for x, y in [((2, 3, 4), (4, 6)), ((6,), (1, 6, 1)), ((2, 3), (0, -1)), ((1,), (1, 1, 1))]:
        cases.add("Reshape", [normal(*x), longs(*y)], lambda x, s: x.reshape([x.shape[i] if size == 0 else size for i, size in enumerate(y)]))
    for axis in (0, 1, 2, None, -1):
        def flatten(x):
            at = 1 if axis is None else axis % x.dim()
            rows = 1
            for size in x.shape[:at]:
                rows *= size
            return x.reshape(rows, -1)
        cases.add("Flatten", [normal(*cases.shape(3))], flatten, attributes={"axis": axis})
    cases.add("Squeeze", [normal(1, 3, 1, 2)], torch.squeeze)
    cases.add("Squeeze", [normal(1, 3, 1, 2), longs(-2)], lambda x, a: x.squeeze(2))
    cases.add("Unsqueeze", [normal(3, 2), longs(0, 3)], lambda x, a: x[None, :, :, None])
    cases.add("Unsqueeze", [normal(3, 2), longs(-1)], lambda x, a: x[..., None])
    for rank in (2, 3, 4, 4):
        perm = cases.random.sample(range(rank), rank)
        cases.add("Transpose", [normal(*cases.shape(rank))], lambda x: x.permute(perm), attributes={"perm": perm})
    cases.add("Transpose", [normal(2, 3, 4)], lambda x: x.permute(2, 1, 0))
    for x, y in [((3, 1), (3, 4)), ((1,), (2, 3)), ((2, 1, 3), (2, 4, 1)), ((2, 3), (2, 3)), ((), (2, 2))]:
        cases.add("Expand", [normal(*x), longs(*y)], lambda x, s: x * torch.ones(y, dtype=x.dtype))
    for x, repeats in [((2, 3), (2, 1)), ((3,), (4,)), ((2, 1, 3), (1, 3, 2)), ((2, 2), (1, 1))]:
        cases.add("Tile", [normal(*x), longs(*repeats)], lambda x, r: x.tile(repeats))
    for size in (2, 3):
        channels = size * size * cases.size(1, 2)
        x = normal(cases.size(1, 2), channels, cases.size(1, 3), cases.size(1, 3))
        cases.add("DepthToSpace", [x], lambda x: F.pixel_shuffle(x, size), attributes={"blocksize": size, "mode": "CRD"})
        deep = lambda x: blocks(x, size).permute(0, 3, 4, 1, 5, 2).reshape(x.shape[0], channels // size**2, x.shape[2] * size, -1)
        cases.add("DepthToSpace", [x], deep, attributes={"blocksize": size})
        x = normal(2, cases.size(1, 2), size * cases.size(1, 2), size * 2)
        def to_depth(x):
            n, c, h, w = x.shape
            return x.reshape(n, c, h // size, size, w // size, size).permute(0, 3, 5, 1, 2, 4).reshape(n, -1, h // size, w // size)
        cases.add("SpaceToDepth", [x], to_depth, attributes={"blocksize": size})
    cases.add("Cast", [normal(3, 2)], torch.clone, attributes={"to": 1})
    cases.add("Dropout", [normal(3, 2)], torch.clone)
    cases.add("Dropout", [normal(3, 2), torch.tensor(0.3), torch.tensor(False)], lambda x, r, t: x.clone(), wanted=[0])


def blocks(x, size):
    """[N, C, H, W] as [N, size, size, C', H, W] with the block first, in the order [0, 1, 2, 4, 5, 3] of the caller."""
    n, c, h, w = x.shape
    return x.reshape(n, size, size, c // size**2, h, w)


def parts(cases):
    for axis in (0, 1, -1, 2):
        shape = list(cases.shape(3))
        values = []
        for _ in range(cases.size(1, 3)):
            shape[axis] = cases.size(1, 3)
            values.append(normal(*shape))
        cases.add("Concat", values, lambda *values: torch.cat(values, axis), attributes={"axis": axis})
    for axis, sizes in [(0, (2, 1, 3)), (1, (1, 4)), (-1, (2, 2))]:
        shape = list(cases.shape(3))
        shape[axis] = sum(sizes)
        cases.add("Split", [normal(*shape), longs(*sizes)], lambda x, s: torch.split(x, list(sizes), axis), attributes={"axis": axis})
    cases.add("Split", [normal(6, 2)], lambda x: torch.split(x, 2, 0), attributes={"num_outputs": 3})
    cases.add("Split", [normal(7, 2)], lambda x: (torch.split(x, 4, 0)[0], None), attributes={"num_outputs": 2})
    last = 2**63 - 1
    for starts, ends, axes, steps, taken in [
        ((1,), (3,), (0,), None, lambda x: x[1:3]),
        ((0, 1), (2, last), None, None, lambda x: x[0:2, 1:]),
        ((-3, 1), (-1, 6), (1, 2), (1, 2), lambda x: x[:, -3:-1, 1:6:2]),
        ((0,), (last,), (-1,), (3,), lambda x: x[:, :, ::3]),
        ((-1,), (-last,), (1,), (-1,), lambda x: x.flip(1)),
        ((4, 6), (0, 1), (1, 2), (-2, -3), lambda x: x[:, [4, 2]][:, :, [6, 3]]),
        ((20,), (-last,), (2,), (-4,), lambda x: x[:, :, [6, 2]]),
        ((1, -5), (100, -2), (0, 2), (2, 1), lambda x: x[1::2, :, -5:-2]),
    ]:
        inputs = [normal(4, 5, 7), longs(*starts), longs(*ends)] + ([] if axes is None else [longs(*axes)]) + ([] if steps is None else [longs(*steps)])
        cases.add("Slice", inputs, lambda x, *_: taken(x))


def pads(cases):
    for rank in (1, 2, 3, 4):
        shape = cases.shape(rank, low=2, high=5)
        amounts = [cases.size(0, 2) for _ in range(2 * rank)]
        torch_order = [value for axis in reversed(range(rank)) for value in (amounts[axis], amounts[axis + rank])]
        cases.add("Pad", [normal(*shape), longs(*amounts)], lambda x, p: F.pad(x, torch_order))
    cases.add("Pad", [normal(4, 5), longs(-1, 2, 1, -2), torch.tensor(0.5)], lambda x, p, v: F.pad(x, (2, -2, -1, 1), value=0.5), wanted=[0])
    cases.add("Pad", [normal(2, 3, 4, 5), longs(1, 2, 0, 1), None, longs(2, -1)], lambda x, p, v, a: F.pad(x, (2, 1, 1, 0)))
    for mode, name in [("reflect", "reflect"), ("edge", "replicate")]:
        for before, after in [((1, 2), (3, 0)), ((2, 0), (1, 3)), ((0, 0), (2, 1))]:
            amounts = (0, 0, *before, 0, 0, *after)
            cases.add("Pad", [normal(2, 2, 4, 5), longs(*amounts)], lambda x, p: F.pad(x, (before[1], after[1], before[0], after[0]), name), attributes={"mode": mode})
        cases.add("Pad", [normal(2, 1, 4), longs(3, 2), None, longs(2)], lambda x, p, v, a: F.pad(x, (3, 2), name), attributes={"mode": mode})


def indices(cases):
    for shape, axis, index in [((5, 3), None, [[0, 2], [2, -1]]), ((2, 4, 3), 1, [3, 0, 0]), ((2, 3, 4), -1, [1]), ((4,), 0, [[1, 1, 1]]), ((3, 4), 1, 2)]:
        index = torch.tensor(index)
        along = axis or 0
        def gather(x, i):
            picked = x.index_select(along, i.reshape(-1) % x.shape[along])
            return picked.reshape([*x.shape[: along % x.dim()], *i.shape, *x.shape[along % x.dim() + 1:]])
        cases.add("Gather", [normal(*shape), index], gather, attributes={"axis": axis})
    for shape, out, axis in [((4, 3), (2, 3), 0), ((2, 3, 5), (2, 3, 7), 2), ((3, 4), (3, 4), -1)]:
        index = torch.randint(-shape[axis], shape[axis], out)
        cases.add("GatherElements", [normal(*shape), index], lambda x, i: x.gather(axis, i % x.shape[axis]), attributes={"axis": axis})
    for shape, index in [((3, 4, 2), [[0, 1], [2, -1], [0, 1]]), ((3, 4), [[[0, 1]], [[2, 3]]]), ((5,), [[4], [4], [0]])]:
        index = torch.tensor(index)
        cases.add("GatherND", [normal(*shape), index], lambda x, i: x[tuple(i[..., k] for k in range(i.shape[-1]))])
    index = torch.tensor([[[0], [2]], [[1], [1]]])
    cases.add("GatherND", [normal(2, 3, 4), index], lambda x, i: torch.stack([x[n, i[n, :, 0]] for n in range(2)]), attributes={"batch_dims": 1})
    cases.add("GatherND", [normal(2, 2, 3), torch.tensor([[[0], [2]], [[1], [1]]])], lambda x, i: x.gather(2, i).squeeze(2), attributes={"batch_dims": 2})
    for reduction in (None, "none", "add"):
        def scatter(x, i, u):
            at = tuple(i[..., k] for k in range(i.shape[-1]))
            return x.index_put(at, u, accumulate=reduction == "add")
        for shape, index, update in [((4, 3), [[0], [2]], (2, 3)), ((3, 4), [[0, 1], [2, 3], [1, 0]], (3,)), ((2, 3, 2), [[[0, 1]], [[1, 2]]], (2, 1, 2))]:
            cases.add("ScatterND", [normal(*shape), torch.tensor(index), normal(*update)], scatter, attributes={"reduction": reduction})
        for shape, index, axis in [((4, 3), [[0, 1, 2], [1, 3, 0]], 0), ((2, 5), [[3, 1], [0, 4]], 1), ((2, 5), [[3, 1], [0, 4]], -1)]:
            index = torch.tensor(index)
            def elements(x, i, u):
                return x.scatter_add(axis, i, u) if reduction == "add" else x.scatter(axis, i, u)
            cases.add("ScatterElements", [normal(*shape), index, normal(*index.shape)], elements, attributes={"axis": axis, "reduction": reduction})
    cases.add("ScatterND", [normal(3), torch.tensor([[1], [1]]), normal(2)], lambda x, i, u: x.index_put((i[:, 0],), u, accumulate=True), attributes={"reduction": "add"})
    cases.add("ScatterElements", [normal(3), torch.tensor([1, 1]), normal(2)], lambda x, i, u: x.scatter_add(0, i, u), attributes={"reduction": "add"})
    for shape, k, axis, largest in [((3, 5), 2, None, None), ((4, 3), 3, 0, 0), ((2, 6), 1, 1, 1)]:
        cases.add("TopK", [spaced(*shape), longs(k)], lambda x, k_: (torch.topk(x, k, -1 if axis is None else axis, bool(1 if largest is None else largest))[0], None),
                  attributes={"axis": axis, "largest": largest})
