"""The four networks written a second time in NumPy, step by step from their layer tables.

Slow and plain on purpose; evaluation only. `w` maps a state dict's names to arrays; one case at a
time, arrays are c d h w.
"""

import itertools

import numpy as np


def convolve(x, weight, bias=None, stride=1):
    """Zero padding of one voxel for kernel 3, none for kernels 1 and 2."""
    kernel = weight.shape[2]
    pad = 1 if kernel == 3 else 0
    padded = np.pad(x, [(0, 0)] + [(pad, pad)] * 3)
    size = [(n - kernel) // stride + 1 for n in padded.shape[1:]]
    y = np.zeros((weight.shape[0], *size))
    for k in itertools.product(range(kernel), repeat=3):
        ends = (o + stride * (n - 1) + 1 for o, n in zip(k, size, strict=True))
        window = tuple(slice(o, end, stride) for o, end in zip(k, ends, strict=True))
        y += np.einsum("oi,idhw->odhw", weight[:, :, *k], padded[:, *window])
    return y if bias is None else y + bias[:, None, None, None]


def convolve_up(x, weight, bias, padding):
    """Transposed convolution of stride 2 to twice the size: every voxel paints its kernel."""
    kernel = weight.shape[2]
    y = np.zeros((weight.shape[1], *(2 * n + kernel for n in x.shape[1:])))
    for d, h, w in np.ndindex(x.shape[1:]):
        painted = np.einsum("i,iodhw->odhw", x[:, d, h, w], weight)
        y[:, 2 * d : 2 * d + kernel, 2 * h : 2 * h + kernel, 2 * w : 2 * w + kernel] += painted
    cut = tuple(slice(padding, padding + 2 * n) for n in x.shape[1:])
    return y[:, *cut] + bias[:, None, None, None]


def group_norm(x, w, name):
    """Eight groups; fewer where eight do not divide the channels, one below eight channels."""
    channels = len(x)
    groups = next(n for n in (8, 4, 2, 1) if channels % n == 0) if channels >= 8 else 1
    y = np.empty_like(x)
    for g in np.split(np.arange(channels), groups):
        y[g] = (x[g] - x[g].mean()) / np.sqrt(x[g].var() + 1e-5)
    return affine(y, w[f"{name}.weight"], w[f"{name}.bias"])


def batch_norm(x, w, name):
    mean, variance = w[f"{name}.running_mean"], w[f"{name}.running_variance"]
    y = (x - mean[:, None, None, None]) / np.sqrt(variance + 1e-5)[:, None, None, None]
    return affine(y, w[f"{name}.scale"], w[f"{name}.shift"])


def affine(x, scale, shift):
    return x * scale[:, None, None, None] + shift[:, None, None, None]


def relu(x):
    return np.maximum(x, 0)


def max_pool(x):
    d, h, w = (n // 2 for n in x.shape[1:])
    return x[:, : 2 * d, : 2 * h, : 2 * w].reshape(-1, d, 2, h, 2, w, 2).max((2, 4, 6))


def nearest(x, size):
    """Voxel i of n comes from voxel floor(i * m / n) of m."""
    picks = [np.arange(n) * m // n for n, m in zip(size, x.shape[1:], strict=True)]
    return x[:, picks[0]][:, :, picks[1]][:, :, :, picks[2]]


def trilinear(x, size):
    """Voxel centres lie at (i + 1/2) / n; beyond the outermost centres the edge holds."""
    for axis, n in enumerate(size, start=1):
        m = x.shape[axis]
        at = np.clip((np.arange(n) + 0.5) * m / n - 0.5, 0, None)
        low = np.minimum(np.floor(at).astype(int), m - 1)
        high = np.minimum(low + 1, m - 1)
        share = (at - low).reshape([-1 if a == axis else 1 for a in range(4)])
        x = np.take(x, low, axis) * (1 - share) + np.take(x, high, axis) * share
    return x


def repeat_edge(x, size):
    return np.pad(
        x, [(0, 0), *((0, n - m) for n, m in zip(size, x.shape[1:], strict=True))], "edge"
    )


def unit(x, w, name, form, active=True):
    kernel = w[f"{name}.conv.weight"]
    if form == "group_before_convolution":
        y = convolve(group_norm(x, w, f"{name}.norm"), kernel)
    else:
        y = batch_norm(convolve(x, kernel), w, f"{name}.norm")
    return relu(y) if active else y


def attention_gate(x, g, w, name):
    theta = convolve(x, w[f"{name}.theta.weight"], stride=2)
    phi = convolve(g, w[f"{name}.phi.weight"], w[f"{name}.phi.bias"])
    psi = convolve(relu(theta + phi), w[f"{name}.psi.weight"], w[f"{name}.psi.bias"])
    alpha = trilinear(1 / (1 + np.exp(-psi)), x.shape[1:])
    out = convolve(alpha * x, w[f"{name}.out.weight"], w[f"{name}.out.bias"])
    return batch_norm(out, w, f"{name}.norm")


def residual_block(x, w, name, form):
    a = unit(x, w, f"{name}.first", form)
    b = unit(a, w, f"{name}.second", form)
    return relu(unit(b, w, f"{name}.third", form, active=False) + a)


def u_net(image, w, form, gated=False):
    skips, x = [], image
    for level in range(4):
        x = max_pool(x) if level else x
        x = unit(unit(x, w, f"encoder.{level}.0", form), w, f"encoder.{level}.1", form)
        skips.append(x)
    for step, level in enumerate((2, 1, 0)):
        skip = attention_gate(skips[level], x, w, f"gates.{step}") if gated else skips[level]
        x = np.concatenate([skip, nearest(x, skip.shape[1:])])
        for i in range(2):
            x = unit(x, w, f"decoder.{step}.units.{i}", form)
    return output(x, w), skips[::-1]


def residual_u_net(image, w, form):
    skips, x = [], image
    for level in range(5):
        x = residual_block(max_pool(x) if level else x, w, f"encoder.{level}", form)
        skips.append(x)
    for step, level in enumerate((3, 2, 1, 0)):
        name = f"decoder.{step}.up"
        x = convolve_up(x, w[f"{name}.weight"], w[f"{name}.bias"], padding=1)
        x = repeat_edge(x, skips[level].shape[1:]) + skips[level]
        x = residual_block(x, w, f"decoder.{step}.block", form)
    return output(x, w), skips[::-1]


def vnet(image, w):
    def normalised(y, name):
        return relu(batch_norm(y, w, f"{name}.1"))

    def convolution(x, name, stride=1):
        y = convolve(x, w[f"{name}.0.weight"], w[f"{name}.0.bias"], stride)
        return normalised(y, name)

    skips, x = [], image
    for level, count in enumerate((1, 2, 3, 3, 3)):
        x = convolution(x, f"down.{level - 1}", stride=2) if level else x
        for i in range(count):
            x = convolution(x, f"encoder.{level}.{i}")
        skips.append(x)
    for step, (level, count) in enumerate(((3, 3), (2, 3), (1, 2), (0, 1))):
        name = f"up.{step}"
        y = convolve_up(x, w[f"{name}.0.weight"], w[f"{name}.0.bias"], padding=0)
        x = repeat_edge(normalised(y, name), skips[level].shape[1:]) + skips[level]
        for i in range(count):
            x = convolution(x, f"decoder.{step}.{i}")
    return output(x, w), skips[::-1]


def output(x, w):
    return convolve(x, w["output.weight"], w["output.bias"])


def run(name, form, w, image):
    """Logits and features, deepest first, of one case."""
    if name == "vnet":
        return vnet(image, w)
    if name == "residual_unet3d":
        return residual_u_net(image, w, form)
    return u_net(image, w, form, gated=name == "attention_unet3d")
