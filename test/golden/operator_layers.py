"""Cases of convolutions, matrix products, pools, normalisations and resampling."""
import torch
import torch.nn.functional as F

from operator_cases import away_from, longs, normal, spaced


def add_all(cases):
    convolutions(cases)
    transposed_convolutions(cases)
    matrices(cases)
    einsums(cases)
    pools(cases)
    normalisations(cases)
    resizes(cases)
    grid_samples(cases)


def padded(x, pads):
    """`pads` as ONNX writes them: all begins, then all ends."""
    half = len(pads) // 2
    return F.pad(x, [value for axis in reversed(range(half)) for value in (pads[axis], pads[axis + half])])


def same_pads(sizes, kernel, stride, dilation, upper):
    begins, ends = [], []
    for size, k, s, d in zip(sizes, kernel, stride, dilation):
        total = max(0, (-(-size // s) - 1) * s + (k - 1) * d + 1 - size)
        begins.append(total // 2 if upper else total - total // 2)
        ends.append(total - begins[-1])
    return begins + ends


def convolutions(cases):
    for index in range(14):
        rank = 1 if index % 3 == 0 else 2
        group = cases.pick(1, 1, 2, 3)
        depthwise = cases.random.random() < 0.3
        i, o = (1, 1) if depthwise else (cases.size(1, 3), cases.size(1, 3))
        kernel, stride, dilation = ([cases.size(1, high) for _ in range(rank)] for high in (3, 3, 2))
        sizes = [(k - 1) * d + cases.size(1, 6) for k, d in zip(kernel, dilation)]
        auto = cases.pick(None, None, "SAME_UPPER", "SAME_LOWER", "VALID")
        if auto in ("SAME_UPPER", "SAME_LOWER"):
            dilation = [1] * rank  # the runtime refuses others
        pads = [cases.size(0, 2) for _ in range(2 * rank)] if auto is None else None
        used = pads or ([0] * 2 * rank if auto == "VALID" else same_pads(sizes, kernel, stride, dilation, auto == "SAME_UPPER"))
        function = (F.conv1d, F.conv2d)[rank - 1]
        inputs = [normal(cases.size(1, 2), i * group, *sizes), normal(o * group, i, *kernel)] + ([normal(o * group)] if cases.random.random() < 0.5 else [])
        cases.add("Conv", inputs, lambda x, w, b=None: function(padded(x, used), w, b, stride, 0, dilation, group),
                  attributes={"strides": stride, "dilations": dilation, "group": group, "pads": pads, "auto_pad": auto})


def transposed_convolutions(cases):
    for index in range(12):
        rank = 1 if index % 4 == 0 else 2
        group = cases.pick(1, 1, 2, 3)
        i, o = cases.size(1, 3), cases.size(1, 3)
        kernel, stride, dilation = ([cases.size(1, high) for _ in range(rank)] for high in (3, 3, 2))
        sizes = [cases.size(1, 5) for _ in range(rank)]
        extra = [cases.size(0, s - 1) if index % 2 else 0 for s in stride]
        pad = [cases.size(0, min(1, ((k - 1) * d + e) // 2)) for k, d, e in zip(kernel, dilation, extra)]
        function = (F.conv_transpose1d, F.conv_transpose2d)[rank - 1]
        inputs = [normal(cases.size(1, 2), i * group, *sizes), normal(i * group, o, *kernel)] + ([normal(o * group)] if cases.random.random() < 0.5 else [])
        cases.add("ConvTranspose", inputs, lambda x, w, b=None: function(x, w, b, stride, pad, extra, group, dilation),
                  attributes={"strides": stride, "dilations": dilation, "group": group, "pads": pad + pad, "output_padding": extra})
    for auto in ("SAME_UPPER", "SAME_LOWER"):
        # Size · stride, so that the odd row is cut at the end (upper) or at the start.
        cut = (lambda y: y[..., :6, :8]) if auto == "SAME_UPPER" else (lambda y: y[..., 1:, 1:])
        cases.add("ConvTranspose", [normal(2, 3, 3, 4), normal(3, 2, 3, 3)], lambda x, w: cut(F.conv_transpose2d(x, w, stride=2)),
                  attributes={"strides": [2, 2], "auto_pad": auto})
    cases.add("ConvTranspose", [normal(1, 2, 3, 3), normal(2, 2, 3, 3)], lambda x, w: F.conv_transpose2d(x, w, stride=2)[..., 1:6, 1:6],
              attributes={"strides": [2, 2], "output_shape": [5, 5]})


def matrices(cases):
    table = [((3, 4), (4, 2)), ((2, 3, 4), (4, 5)), ((2, 3, 4), (2, 4, 5)), ((2, 1, 3, 4), (1, 5, 4, 2)), ((3, 4), (2, 4, 3)), ((1, 3, 4), (2, 4, 3)),
             ((4,), (4,)), ((4,), (4, 3)), ((3, 4), (4,)), ((4,), (2, 4, 3)), ((2, 3, 4), (4,)), ((5, 2, 3, 4), (2, 4, 1)), ((1, 1), (1, 1)), ((2, 2, 3, 4), (4, 3))]
    for left, right in table:
        cases.add("MatMul", [normal(*left), normal(*right)], torch.matmul)
    for turn_a in (0, 1):
        for turn_b in (0, 1):
            for alpha, beta, c in [(None, None, None), (0.5, 2.0, "row"), (1.5, None, cases.pick("full", "column", "scalar"))]:
                m, k, n = cases.size(), cases.size(), cases.size()
                shapes = {"row": (n,), "full": (m, n), "column": (m, 1), "scalar": (1,)}
                inputs = [normal(*((k, m) if turn_a else (m, k))), normal(*((n, k) if turn_b else (k, n)))] + ([] if c is None else [normal(*shapes[c])])
                def gemm(a, w, bias=None):
                    y = (alpha or 1.0) * (a.T if turn_a else a) @ (w.T if turn_b else w)
                    return y if bias is None else y + (beta or 1.0) * bias
                cases.add("Gemm", inputs, gemm, attributes={"transA": turn_a, "transB": turn_b, "alpha": alpha, "beta": beta})


def einsums(cases):
    sizes = dict(zip("bhqkdnmij", (2, 3, 4, 5, 3, 2, 3, 4, 2)))
    for equation in ["bhqd,bhkd->bhqk", "bhqk,bhkd->bhqd", "bqhd,bkhd->bhqk", "ij,jk->ik", "ij->ji", "ij->i", "ij,ij->", "i,j->ij", "bij,bjk,bk->bi", "ij,jk", "bij->bj"]:
        shapes = [[sizes[letter] for letter in term] for term in equation.split("->")[0].split(",")]
        cases.add("Einsum", [normal(*shape) for shape in shapes], lambda *values: torch.einsum(equation, *values), attributes={"equation": equation})
    for equation, left, right in [("...ij,...jk->...ik", (2, 3, 4), (2, 4, 2)), ("...ij,jk->...ik", (2, 2, 3, 4), (4, 3)), ("...i,...i->...", (2, 3, 4), (2, 3, 4)), ("b...d,d->b...", (2, 3, 4), (4,))]:
        cases.add("Einsum", [normal(*left), normal(*right)], lambda a, b: torch.einsum(equation, a, b), attributes={"equation": equation})


def pools(cases):
    for index in range(9):
        rank = (2, 1, 2)[index % 3] if index < 8 else 3
        kernel, stride = ([cases.size(1, 3) for _ in range(rank)] for _ in range(2))
        dilation = [cases.size(1, 2) for _ in range(rank)]
        ceil = index % 2
        pad = [cases.size(0, k // 2) for k in kernel]
        sizes = [(k - 1) * d + cases.size(1, 5) for k, d in zip(kernel, dilation)]
        # The runtime keeps a last window that starts in the pads; PyTorch drops it.
        reach = lambda k, d: [-(-(n + 2 * p - (k_ - 1) * d_ - 1) // s) * s - p < n for n, p, k_, d_, s in zip(sizes, pad, k, d, stride)]
        ceil = ceil and all(reach(kernel, dilation) + reach(kernel, [1] * rank))
        function = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[rank - 1]
        x = spaced(cases.size(1, 2), cases.size(1, 3), *sizes)
        cases.add("MaxPool", [x], lambda x: function(x, kernel, stride, pad, dilation, ceil_mode=bool(ceil)),
                  attributes={"kernel_shape": kernel, "strides": stride, "pads": pad + pad, "dilations": dilation, "ceil_mode": ceil})
        include = cases.pick(0, 1)
        function = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[rank - 1]
        x = normal(*x.shape)
        cases.add("AveragePool", [x], lambda x: function(x, kernel, stride, pad, ceil_mode=bool(ceil), count_include_pad=bool(include)),
                  attributes={"kernel_shape": kernel, "strides": stride, "pads": pad + pad, "ceil_mode": ceil, "count_include_pad": include})
    cases.add("AveragePool", [normal(2, 3, 6, 4)], lambda x: F.avg_pool2d(x, (3, 2), (3, 2)), attributes={"kernel_shape": [3, 2], "strides": [3, 2]})
    # One more row at the end only, and SAME pads on an odd size.
    ones = torch.ones(1, 1, 3, 3, dtype=torch.float64)
    def same_average(x):
        total = lambda v: F.conv2d(F.pad(v, (1, 1, 1, 1)).reshape(-1, 1, 7, 9), ones, stride=2)
        return (total(x) / total(torch.ones_like(x))).reshape(2, 2, 3, 4)
    cases.add("AveragePool", [normal(2, 2, 5, 7)], same_average, attributes={"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"})
    cases.add("MaxPool", [spaced(2, 2, 5, 7)], lambda x: F.max_pool2d(x, 3, 2, 1), attributes={"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"})
    cases.add("MaxPool", [spaced(2, 2, 4, 4)], lambda x: (F.max_pool2d(x, 2, 1), None), attributes={"kernel_shape": [2, 2], "storage_order": 1})
    cases.add("MaxPool", [torch.zeros(1, 1, 4, 4)], lambda x: F.max_pool2d(x, 3, 1), attributes={"kernel_shape": [3, 3]}, differences=False)
    for rank in (1, 2, 2, 3):
        shape = cases.shape(rank + 2)
        axes = list(range(2, rank + 2))
        cases.add("GlobalAveragePool", [normal(*shape)], lambda x: x.mean(axes, True))
        cases.add("GlobalMaxPool", [spaced(*shape)], lambda x: x.amax(axes, True))


def normalisations(cases):
    for index in range(5):
        shape = cases.shape(cases.size(2, 4), low=2, high=5)
        axis = cases.size(1, len(shape) - 1)
        over = shape[axis:]
        bias = [normal(*over)] if index % 2 else []
        epsilon = cases.pick(1e-5, 1e-3)
        cases.add("LayerNormalization", [normal(*shape, mean=index, std=2), normal(*over, mean=1, std=0.3)] + bias,
                  lambda x, w, b=None: F.layer_norm(x, over, w, b, epsilon), attributes={"axis": axis - len(shape) if index == 0 else axis, "epsilon": epsilon})
    for shape in [(2, 3, 4, 5), (3, 2, 7), (1, 4, 3, 3), (2, 2, 3, 2, 2)]:
        inputs = [normal(*shape, mean=1, std=2), normal(shape[1], mean=1, std=0.3), normal(shape[1])]
        cases.add("InstanceNormalization", inputs, lambda x, w, b: F.instance_norm(x, None, None, w, b, eps=1e-3), attributes={"epsilon": 1e-3})
    for shape, groups in [((2, 6, 3, 4), 3), ((2, 4, 5), 2), ((1, 6, 2, 3), 1), ((3, 4, 2, 2), 4)]:
        inputs = [normal(*shape, std=2), normal(shape[1], mean=1, std=0.3), normal(shape[1])]
        cases.add("GroupNormalization", inputs, lambda x, w, b: F.group_norm(x, groups, w, b, 1e-4), attributes={"num_groups": groups, "epsilon": 1e-4})
    cases.add("GroupNormalization", [normal(2, 6, 3), normal(3), normal(3)],
              lambda x, w, b: F.group_norm(x, 3, w.repeat_interleave(2), b.repeat_interleave(2)), attributes={"num_groups": 3})
    for shape in [(3, 4), (2, 3, 5), (4, 2, 3, 2, 2)]:
        c = shape[1]
        inputs = [normal(*shape), normal(c, mean=1, std=0.3), normal(c), normal(c), normal(c).abs() + 0.2]
        cases.add("BatchNormalization", inputs, lambda x, w, b, m, v: F.batch_norm(x, m, v, w, b, False, eps=1e-3), attributes={"epsilon": 1e-3}, wanted=[0, 1, 2])
    for p in (1, 2, None):
        cases.add("LpNormalization", [away_from(normal(3, 4, 5), [0.0], 0.2)], lambda x: x / torch.linalg.vector_norm(x, p or 2, 1 if p else -1, True),
                  attributes={"p": p, "axis": 1 if p else None})
    for channels, size in [(5, 3), (7, 5), (4, 1)]:
        cases.add("LRN", [normal(2, channels, 3, 2)], lambda x: F.local_response_norm(x, size, 0.4, 0.75, 1.5),
                  attributes={"size": size, "alpha": 0.4, "beta": 0.75, "bias": 1.5})


def resizes(cases):
    def add(x, scales, sizes, function, **attributes):
        cases.add("Resize", [x, None, None if scales is None else torch.tensor(scales), None if sizes is None else longs(*sizes)][: 3 if sizes is None else 4],
                  lambda x, *_: function(x), attributes=attributes, wanted=[0])

    for size, out in [((3, 4), (6, 8)), ((5, 3), (7, 9)), ((6, 7), (3, 4)), ((4, 5), (2, 3)), ((1, 1), (3, 2))]:
        n, c = cases.size(1, 2), cases.size(1, 3)
        x = normal(n, c, *size)
        for name, aligned in [("pytorch_half_pixel", False), ("align_corners", True)]:
            add(x, None, (n, c, *out), lambda x: F.interpolate(x, out, mode="bilinear", align_corners=aligned), mode="linear", coordinate_transformation_mode=name)
        add(x, None, (n, c, *out), lambda x: F.interpolate(x, out, mode="nearest"), mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
        add(x, None, (n, c, *out), lambda x: F.interpolate(x, out, mode="bicubic", align_corners=False), mode="cubic", coordinate_transformation_mode="pytorch_half_pixel")
    x = normal(2, 2, 3, 4)
    add(x, None, (2, 2, 1, 3), lambda x: F.interpolate(x, (1, 3), mode="bilinear", align_corners=True), mode="linear", coordinate_transformation_mode="align_corners")
    add(x, [1.0, 1.0, 2.0, 2.0], None, lambda x: F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False), mode="linear")
    add(x, [1.0, 1.0, 2.0, 3.0], None, lambda x: F.interpolate(x, scale_factor=(2, 3), mode="nearest"), mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    add(x, [1.0, 1.0, 2.5, 1.5], None, lambda x: F.interpolate(x, scale_factor=(2.5, 1.5), mode="bilinear", align_corners=False, recompute_scale_factor=False), mode="linear")
    add(x, [1.0, 1.0, 2.0, 2.0], None, lambda x: F.interpolate(x, scale_factor=2, mode="nearest-exact"), mode="nearest")
    add(normal(2, 3, 5), None, (2, 3, 8), lambda x: F.interpolate(x, 8, mode="linear", align_corners=False), mode="linear")
    # Two times, asymmetric: every second value is the mean of its neighbours, the last one its own.
    asymmetric = lambda x: torch.stack([x, (x + torch.cat([x[..., 1:], x[..., -1:]], -1)) / 2], -1).flatten(-2)
    add(normal(1, 2, 5), [1.0, 1.0, 2.0], None, asymmetric, mode="linear", coordinate_transformation_mode="asymmetric")
    add(normal(1, 2, 3, 4), None, (6, 8), lambda x: F.interpolate(x, (6, 8), mode="bilinear", align_corners=False), mode="linear", axes=[2, 3])


def grid_samples(cases):
    for mode in ("bilinear", "nearest"):
        for padding in ("zeros", "border"):
            for aligned in (0, 1):
                n, h, w = cases.size(1, 2), cases.size(2, 5), cases.size(2, 5)
                out = (cases.size(1, 4), cases.size(1, 4))
                grid = clear_grid(torch.rand(n, *out, 2) * 2.6 - 1.3, (w, h), aligned)
                cases.add("GridSample", [normal(n, cases.size(1, 3), h, w), grid],
                          lambda x, g: F.grid_sample(x, g, mode, padding, bool(aligned)),
                          attributes={"mode": mode, "padding_mode": padding, "align_corners": aligned}, differences=mode == "bilinear")


def clear_grid(grid, sizes, aligned):
    """Samples moved away from pixel centres and edges between pixels, where the gradient jumps."""
    per_unit = torch.tensor([((size - 1) if aligned else size) / 2 for size in sizes])
    at = (grid + 1) * per_unit - (0 if aligned else 0.5)
    part = (at * 2) - torch.floor(at * 2)
    at = (torch.floor(at * 2) + 0.25 + part * 0.5) / 2
    return (at + (0 if aligned else 0.5)) / per_unit - 1
