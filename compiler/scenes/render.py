"""Rendering of a scene to pixels: colours, and what lies at each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .palette import Place
from .solids import Floats, Solid, blocks, meet
from .surfaces import body_colours, ground_colours, sky_colours, wall_colours
from .world import Light, Weather

CAMERA = np.array([0.0, 1.9, -6.2], np.float32)
_LOOKS_DOWN = 0.15  # radians
_FIELD = 0.34  # half the shorter side of the picture, over the distance
_WALL = 2.6  # z of the wall
_SAMPLES = 2  # rays for a pixel, each way


@dataclass(frozen=True)
class Frame:
    """A drawn scene, all of [height, width].

    `colours` are uint8 RGB; `depth` is the distance from the camera's plane, inf for the sky;
    `normals` are unit vectors in the world, zero for the sky; `owners` are the numbers of things
    from 1, 0 for the ground and -1 for what is behind it.
    """

    colours: NDArray[np.uint8]
    depth: Floats
    normals: Floats
    owners: NDArray[np.int8]


@dataclass
class _Buffers:
    """The things that rays [h, w, 3] from the camera have found so far."""

    rays: Floats
    depth: Floats
    albedo: Floats
    normals: Floats
    owners: NDArray[np.int8]
    bodies: NDArray[np.int16]


def render(
    solids: Sequence[Solid],
    place: Place,
    light: Light,
    weather: Weather,
    size: tuple[int, int],
    seed: int = 0,
) -> Frame:
    """Draw bodies in a place; `size` is (width, height) in px, `seed` moves the drops of rain."""
    buffers = _start(size)
    _draw_place(buffers, place)
    for number, solid in enumerate(solids):
        _draw_solid(buffers, solid, number)
    towards = _direction(light, weather)
    shadow = _shadows(buffers, solids, towards)
    colours = _lit(buffers, shadow, towards, weather)
    colours = cv2.resize(colours, size, interpolation=cv2.INTER_AREA)
    depth = np.ascontiguousarray(buffers.depth[::_SAMPLES, ::_SAMPLES])
    if weather == "rain":
        colours = _rained_on(colours, depth, seed)
    return Frame(
        (np.clip(colours, 0, 1) * 255).round().astype(np.uint8),
        depth,
        np.ascontiguousarray(buffers.normals[::_SAMPLES, ::_SAMPLES]),
        np.ascontiguousarray(buffers.owners[::_SAMPLES, ::_SAMPLES]),
    )


def project(points: Floats, size: tuple[int, int]) -> Floats:
    """Where points [N, 3] of the world are seen in a picture of `size`: x and y in px, [N, 2]."""
    return _seen_at(points, size)[0].astype(np.float32)


def _seen_at(points: Floats, size: tuple[int, int]) -> tuple[NDArray[np.float64], Any]:
    """Where points [..., 3] are in a picture, [..., 2] px, and how far ahead of the camera."""
    width, height = size
    x, y, z = np.moveaxis(points - CAMERA, -1, 0)
    c, s = np.cos(_LOOKS_DOWN), np.sin(_LOOKS_DOWN)
    up, ahead = y * c + z * s, z * c - y * s
    scale = min(width, height) / (2 * _FIELD)
    places = np.stack([width / 2 + x / ahead * scale, height / 2 - up / ahead * scale], axis=-1)
    return places, ahead


def _start(size: tuple[int, int]) -> _Buffers:
    width, height = (side * _SAMPLES for side in size)
    unit = _FIELD / min(width, height)
    x = (2 * np.arange(width, dtype=np.float32) + 1 - width) * unit
    y = (height - 1 - 2 * np.arange(height, dtype=np.float32)) * unit
    c, s = np.float32(np.cos(_LOOKS_DOWN)), np.float32(np.sin(_LOOKS_DOWN))
    rays = np.empty((height, width, 3), np.float32)
    rays[..., 0] = x
    rays[..., 1] = (y * c - s)[:, None]
    rays[..., 2] = (y * s + c)[:, None]
    shape = (height, width)
    return _Buffers(
        rays,
        np.full(shape, np.inf, np.float32),
        np.zeros((*shape, 3), np.float32),
        np.zeros((*shape, 3), np.float32),
        np.full(shape, -1, np.int8),
        np.full(shape, -1, np.int16),
    )


def _draw_place(buffers: _Buffers, place: Place) -> None:
    rays = buffers.rays
    down = rays[..., 1] < -1e-4
    to_ground = np.full_like(rays[..., 1], np.inf)
    to_ground[down] = -CAMERA[1] / rays[..., 1][down]
    to_wall = np.full_like(to_ground, np.inf)
    if not place.is_outdoors:
        to_wall = (_WALL - CAMERA[2]) / rays[..., 2]
    ground = (to_ground < to_wall) & (to_ground < 1e3)
    points = CAMERA + to_ground[ground][:, None] * rays[ground]
    buffers.albedo[ground] = ground_colours(place.ground, points[:, 0], points[:, 2])
    buffers.normals[ground] = (0, 1, 0)
    buffers.depth[ground], buffers.owners[ground] = to_ground[ground], 0
    behind = ~ground
    if place.is_outdoors:
        buffers.albedo[behind] = sky_colours(place.backdrop, rays[behind])
        return
    points = CAMERA + to_wall[behind][:, None] * rays[behind]
    buffers.albedo[behind] = wall_colours(place.backdrop, points[:, 0], points[:, 1])
    buffers.normals[behind] = (0, 0, -1)
    buffers.depth[behind] = to_wall[behind]


def _draw_solid(buffers: _Buffers, solid: Solid, number: int) -> None:
    window = _window(buffers, solid)
    hits = meet(solid, CAMERA, buffers.rays[window])
    nearer = hits.distance < buffers.depth[window]
    normals = hits.normal[nearer]
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-9
    buffers.albedo[window][nearer] = body_colours(solid, hits.point[nearer])
    buffers.normals[window][nearer] = normals
    buffers.depth[window][nearer] = hits.distance[nearer]
    buffers.owners[window][nearer] = solid.owner
    buffers.bodies[window][nearer] = number


def _window(buffers: _Buffers, solid: Solid) -> tuple[slice, slice]:
    """The part of the picture in which a body can be seen."""
    height, width = buffers.depth.shape
    (middle_x, middle_y), ahead = _seen_at(np.asarray(solid.centre, np.float32), (width, height))
    scale = min(width, height) / (2 * _FIELD)
    reach = solid.reach / max(float(ahead) - solid.reach, 0.5) * scale + 2
    top, bottom = (int(np.clip(middle_y + sign * reach, 0, height)) for sign in (-1, 1))
    left, right = (int(np.clip(middle_x + sign * reach, 0, width)) for sign in (-1, 1))
    return slice(top, bottom), slice(left, right)


def _direction(light: Light, weather: Weather) -> Floats:
    elevation = 0.3 if weather == "dusk" else light.elevation
    flat = np.cos(elevation)
    across, ahead = np.sin(light.azimuth), -np.cos(light.azimuth)
    return np.asarray([flat * across, np.sin(elevation), flat * ahead], np.float32)


def _shadows(buffers: _Buffers, solids: Sequence[Solid], towards: Floats) -> Floats:
    """The share of the light that is blocked, in 0..1, at a ray for each pixel: soft at its rim."""
    depth = buffers.depth[::_SAMPLES, ::_SAMPLES]
    near = depth < 20
    rays, normals = (part[::_SAMPLES, ::_SAMPLES][near] for part in (buffers.rays, buffers.normals))
    points = CAMERA + depth[near][:, None] * rays + 0.01 * normals
    bodies = buffers.bodies[::_SAMPLES, ::_SAMPLES][near]
    blocked = np.zeros(len(points), bool)
    for number, solid in enumerate(solids):
        free = ~blocked & (bodies != number)
        blocked[free] = blocks(solid, points[free], towards)
    shadow = np.zeros(depth.shape, np.float32)
    shadow[near] = blocked
    shadow = cv2.GaussianBlur(shadow, (0, 0), min(depth.shape) / 110)
    fine: Floats = cv2.resize(shadow, buffers.depth.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return fine


#: the colour of the direct light, of the light from everywhere, and what the sky is tinted with
_LIGHTS = {
    "fair": ((0.72, 0.70, 0.66), (0.42, 0.44, 0.48), (1.0, 1.0, 1.0)),
    "dusk": ((0.80, 0.42, 0.20), (0.26, 0.22, 0.36), (0.95, 0.52, 0.50)),
    "rain": ((0.16, 0.16, 0.17), (0.46, 0.49, 0.54), (0.55, 0.58, 0.62)),
}


def _lit(buffers: _Buffers, shadow: Floats, towards: Floats, weather: Weather) -> Floats:
    direct, everywhere, sky = (np.asarray(colour, np.float32) for colour in _LIGHTS[weather])
    lambert = np.clip(buffers.normals @ towards, 0, 1) * (1 - 0.85 * shadow)
    above = 0.85 + 0.15 * buffers.normals[..., 1]
    light = lambert[..., None] * direct + above[..., None] * everywhere
    light[~np.isfinite(buffers.depth)] = sky
    colours: Floats = buffers.albedo * light
    on_things = buffers.owners > 0
    colours[on_things] += _gloss(buffers, on_things, towards, shadow)[:, None] * direct
    return colours


def _gloss(buffers: _Buffers, where: NDArray[np.bool_], towards: Floats, shadow: Floats) -> Floats:
    rays = buffers.rays[where]
    half = towards - rays / np.linalg.norm(rays, axis=1, keepdims=True)
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    shine = np.clip(np.einsum("ij,ij->i", buffers.normals[where], half), 0, 1) ** 40
    gloss: Floats = 0.35 * shine * (1 - shadow[where])
    return gloss


def _rained_on(colours: Floats, depth: Floats, seed: int) -> Floats:
    """Mist that thickens with distance, and slanted streaks of rain."""
    height, width = depth.shape
    mist = 1 - np.exp(-np.clip(depth - 4, 0, 12)[..., None] / 14)
    colours = colours + (np.asarray((0.55, 0.58, 0.62), np.float32) - colours) * mist
    drops = np.random.default_rng(seed).random((height, width), dtype=np.float32) > 0.990
    length = max(5, min(height, width) // 12)
    kernel = np.zeros((length, length), np.float32)
    cv2.line(kernel, (int(length * 0.65), 0), (int(length * 0.35), length - 1), 1.0)
    streaks = cv2.filter2D(drops.astype(np.float32), -1, kernel)
    wet: Floats = colours + 0.28 * np.clip(streaks, 0, 1)[..., None]
    return wet
