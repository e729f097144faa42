"""The implicit shapes against literal copies and closed forms."""

from itertools import pairwise

import numpy as np
import pytest

from voxsiam_data.phantom.lattice import Field, Lattice, between, smooth_noise
from voxsiam_data.phantom.shape import GROWTH_MM, ellipsoid, grown_to, smooth_cut, spline, tube
from voxsiam_data.phantom.space import Pose, Space


def grid(size=24, step=2.0):
    axis = (np.arange(size, dtype=np.float32) - size / 2) * step
    d, h, w = np.meshgrid(axis, axis, axis, indexing="ij")
    return d, h, w


def test_a_ball_is_measured_exactly():
    points = grid()
    distance = np.sqrt(sum(p**2 for p in points))
    assert np.allclose(ellipsoid(points, (0, 0, 0), (10, 10, 10)), 10 - distance, atol=0.02)


def test_a_tube_equals_the_loop_over_its_pieces():
    points = grid(14, 3.0)
    knots = spline([(-12, 0, 0, 4), (0, 6, 2, 6), (10, -4, 8, 3)])
    fast = tube(points, knots)
    for index in np.ndindex(6, 6, 6):
        at = tuple(2 * i for i in index)
        p = np.array([float(axis[at]) for axis in points])
        slow = -99.0
        for a, b in pairwise(knots):
            step = b - a
            t = min(1.0, max(0.0, float((p - a[:3]) @ step[:3] / (step[:3] @ step[:3]))))
            radius = a[3] + t * step[3]
            slow = max(slow, radius - float(np.linalg.norm(p - a[:3] - t * step[:3])))
        if slow > -10:
            assert fast[at] == pytest.approx(slow, abs=1e-3)
        else:
            assert fast[at] <= -9.9


def test_a_spline_passes_through_its_knots():
    path = [(0, 0, 0, 4), (10, 5, 0, 6), (20, 0, 3, 2)]
    fine = spline(path, per_span=4)
    assert np.allclose(fine[::4], path)


def test_an_organ_grows_to_its_volume_inside_its_room():
    depth = ellipsoid(grid(), (0, 0, 0), (12, 12, 12))
    room = np.where(grid()[2] > 0, np.float32(50), np.float32(-50))
    grown = grown_to(depth, room, volume_ml=6.0, step_mm=2.0)
    assert (grown > 0).sum() * 8 / 1000 == pytest.approx(6.0, rel=0.03)
    assert not (grown > 0)[room < 0].any()


def test_an_organ_grows_no_further_than_the_limit():
    depth = ellipsoid(grid(40), (0, 0, 0), (6, 6, 6))
    grown = grown_to(depth, np.full_like(depth, 50), volume_ml=1000.0, step_mm=2.0)
    assert np.allclose(grown, np.minimum(depth + GROWTH_MM, 50))


def test_a_cut_keeps_only_what_is_in_both():
    a, b = (ellipsoid(grid(), (0, 0, x), (12, 12, 12)) for x in (-5, 5))
    kept = smooth_cut(a, b, 3.0) > 0
    assert kept.any()
    assert not kept[(a < 0) | (b < 0)].any()


def test_interpolation_is_linear_and_holds_the_ends():
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    got = between(values, 2, np.array([-1.0, 0.5, 2.25, 9.0]))
    assert np.allclose(got[0, 0], [0, 0.5, 2.25, 3])
    assert between(values[:1], 0, np.array([0.0, 0.0])).shape == (2, 3, 4)


def test_fields_are_read_on_other_crops():
    field = Field((2, 2, 2), np.ones((3, 3, 3), dtype=np.float32))
    seen = field.on((0, 3, 4), (4, 4, 4))
    assert (seen == 1).sum() == 2 * 2 * 1
    assert seen[2, 0, 0] == 1
    assert seen[0, 0, 0] == -99


def test_trimming_keeps_every_positive_node():
    values = np.full((9, 9, 9), -5, dtype=np.float32)
    values[3:5, 4, 6:8] = 1
    trimmed = Field((10, 20, 30), values).trimmed()
    assert trimmed is not None
    assert (trimmed.start, trimmed.depth_mm.shape) == ((12, 23, 35), (4, 3, 4))
    assert Field((0, 0, 0), values * 0 - 1).trimmed() is None


def test_noise_is_smooth_and_of_unit_size():
    lattice = Lattice((0, 0, 0), 2.0, (40, 40, 40))
    noise = smooth_noise(np.random.default_rng(0), lattice, 10.0)
    assert noise.std() == pytest.approx(1, abs=1e-3)
    assert np.abs(np.diff(noise, axis=1)).mean() < 0.35


def test_a_pose_is_undone_by_the_space():
    pose = Pose((7.0, -4.0, 3.0), (1.1, 0.9, 1.05), (12.0, -8.0, 5.0), 0.0)
    lattice = Lattice.covering((-30, -30, -30), (30, 30, 30), 5.0)
    points = Space(lattice, pose, np.random.default_rng(0)).whole.points_mm
    body = np.array([p[3, 7, 5] for p in points])
    scanner = np.array([lattice.axis_mm(i)[n] for i, n in enumerate((3, 7, 5))])
    assert np.allclose(pose.matrix @ body + pose.shift_mm, scanner, atol=1e-3)
    low, high = pose.box((-5, -5, -5), (5, 5, 5))
    corner = pose.matrix @ np.array([5, -5, 5]) + pose.shift_mm
    assert (np.array(low) <= corner + 1e-9).all()
    assert (corner <= np.array(high) + 1e-9).all()
