"""SSIMULACRA 2, a score of how far an image differs from its original to the eye.

The metric is that of Jon Sneyers, https://github.com/cloudinary/ssimulacra2, of April 2023: its weights, its constants
and its order of operations, which are copyright (c) Jon Sneyers, Cloudinary, under the BSD 3-clause licence. Scores
below 90 agree with those of that program to 0.02, for images of 128 pixels a side or more; that program gives the
scales of smaller ones the weights of others.

The package `ssimulacra2` is not used: it requires Pillow, which would replace pillow-simd, it mirrors images at two of
their edges where the reference has zeros, which moves the scores of tiles by up to 3 points, and it is slower.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Planes = NDArray[np.float32]
"""float32[3, rows, columns]."""

SCALES = 6
"""Scales at which images are compared: 1:1 to 1:32."""

MIN_SIDE = 8
"""Pixels per side below which there is no smaller scale."""

C2 = np.float32(0.0009)
"""The constant of SSIM that keeps small variances from dominating."""

TO_LINEAR = np.where(
    (_levels := np.arange(256) / 255) <= 0.04045, _levels / 12.92, ((_levels + 0.055) / 1.055) ** 2.4
).astype(np.float32)
"""sRGB to linear light (IEC 61966-2-1), by 8-bit level."""

ABSORBANCE = np.array(
    (
        (0.30, 0.622, 0.078),
        (0.23, 0.692, 0.078),
        (0.24342268924547819, 0.20476744424496821, 0.5518098665095536),
    ),
    np.float32,
)
"""Linear RGB to the responses of long, medium and short cones: the matrix of JPEG XL's XYB (ISO/IEC 18181-1)."""

BIAS = np.float32(0.0037930732552754493)
ROOT_OF_BIAS = np.cbrt(BIAS)

OFFSETS = np.array((0.42, 0.01, 0.55), np.float32)[:, np.newaxis, np.newaxis]
"""What makes the planes of XYB positive, after that of red and green was multiplied by 14."""

KERNEL = np.array((0.2646211, 0.2129286, 0.1093354, 0.0360111, 0.0094144), np.float32)
"""Weights of a sample and of its neighbours at 1 to 4 pixels: the impulse response of the reference's recursive filter,
which approximates a Gaussian of sigma 1.5."""

WEIGHTS = np.array(
    (
        (
            ((0, 0.0007376606707406586, 0), (0, 0.0007793481682867309, 0)),
            ((0, 0.0004371155730107379, 0), (1.1041726426657346, 0.00066284834129271, 0.00015231632783718752)),
            ((0, 0.0016406437456599754, 0), (1.8422455520539298, 11.441172603757666, 0)),
            ((0.0007989109436015163, 0.000176816438078653, 0), (1.8787594979546387, 10.94906990605142, 0)),
            (
                (0.0007289346991508072, 0.9677937080626833, 0),
                (0.00014003424285435884, 0.9981766977854967, 0.00031949755934435053),
            ),
            ((0.0004550992113792063, 0, 0), (0.0013648766163243398, 0, 0)),
        ),
        (
            ((0, 0, 0), (7.466890328078848, 0, 17.445833984131262)),
            ((0.0006235601634041466, 0, 0), (6.683678146179332, 0.00037724407979611296, 1.027889937768264)),
            ((225.20515300849274, 0, 0), (19.213238186143016, 0.0011401524586618361, 0.001237755635509985)),
            ((176.39317598450694, 0, 0), (24.43300999870476, 0.28520802612117757, 0.0004485436923833408)),
            ((0, 0, 0), (34.77906344483772, 44.835625328877896, 0)),
            ((0, 0, 0), (0, 0, 0)),
        ),
        (
            ((0, 0.0008680556573291698, 0), (0, 0, 0)),
            ((0, 0.0005313191874358747, 0), (0.00016533814161379112, 0, 0)),
            ((0, 0, 0), (0.0004179171803251336, 0.0017290828234722833, 0)),
            ((0.0020827005846636437, 0, 0), (8.826982764996862, 23.19243343998926, 0)),
            (
                (95.1080498811086, 0.9863978034400682, 0.9834382792465353),
                (0.0012286405048278493, 171.2667255897307, 0.9807858872435379),
            ),
            ((0, 0, 0), (0.0005130064588990679, 0, 0.00010854057858411537)),
        ),
    )
)
"""By plane, scale, norm (mean, 4-norm) and map of errors (structure, ringing, blur)."""


class Original:
    """An image that others are compared with.

    Parameters
    ----------
    pixels : uint8[rows, columns, 3]
        RGB.
    """

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self._scales = [_Scale(planes) for planes in _scales(pixels)]

    def score(self, pixels: NDArray[np.uint8]) -> float:
        """Return the score of a distorted image of the same shape: 100 if it is identical, negative for the worst."""
        errors = np.zeros_like(WEIGHTS)
        for number, (original, planes) in enumerate(zip(self._scales, _scales(pixels), strict=True)):
            errors[:, number] = original.errors(planes)
        return _to_score(float((WEIGHTS * errors).sum()))


def _to_score(error: float) -> float:
    """Return the score for the weighted sum of all errors, by the curve that was fitted to people's opinions."""
    error *= 0.9562382616834844
    error = 2.326765642916932 * error - 0.020884521182843837 * error**2 + 6.248496625763138e-05 * error**3
    return 100 - 10 * error**0.6276336467831387 if error > 0 else 100.0


class _Scale:
    """An original at one scale."""

    def __init__(self, planes: Planes) -> None:
        self.planes = planes
        self.mean, self.variance = _blur(planes), _blur(planes * planes)
        self.variance -= self.mean * self.mean
        self.edges = 1 + np.abs(planes - self.mean)

    def errors(self, planes: Planes) -> NDArray[np.float64]:
        """Return the norms of the maps of errors of a distorted image, float64[3 planes, 2 norms, 3 maps]."""
        mean, variance = _blur(planes), _blur(planes * planes)
        covariance = _blur(self.planes * planes)
        variance -= mean * mean
        covariance -= self.mean * mean
        similarity = (1 - (self.mean - mean) ** 2) * (2 * covariance + C2)
        structure = 1 - similarity / (self.variance + variance + C2)
        edges = (1 + np.abs(planes - mean)) / self.edges - 1
        maps = (np.maximum(structure, 0), np.maximum(edges, 0), np.maximum(-edges, 0))
        return np.stack([_norms(error) for error in maps], axis=-1)


def _norms(errors: Planes) -> NDArray[np.float64]:
    """Return the mean and the 4-norm of the errors of each plane, float64[3, 2]."""
    square = errors * errors
    square *= square
    means = np.stack([plane.mean((1, 2), dtype=np.float64) for plane in (errors, square)], axis=-1)
    means[:, 1] **= 0.25
    return means


def _scales(pixels: NDArray[np.uint8]) -> list[Planes]:
    """Return an image at each scale, in the reference's variant of XYB; it is reduced in linear light."""
    linear = np.ascontiguousarray(TO_LINEAR[pixels].transpose(2, 0, 1))
    scales = [_to_xyb(linear)]
    while len(scales) < SCALES and min(linear.shape[1:]) >= MIN_SIDE:
        linear = _halve(linear)
        scales.append(_to_xyb(linear))
    return scales


def _halve(planes: Planes) -> Planes:
    """Return planes of half the width and height, rounded up: means of 2 x 2 pixels, of which the last may repeat."""
    rows, columns = planes.shape[1:]
    even = np.pad(planes, ((0, 0), (0, rows % 2), (0, columns % 2)), mode="edge")
    return (even[:, ::2, ::2] + even[:, ::2, 1::2] + even[:, 1::2, ::2] + even[:, 1::2, 1::2]) * np.float32(0.25)


def _to_xyb(linear: Planes) -> Planes:
    """Return XYB planes, shifted and scaled to about 0 to 1, of linear RGB planes."""
    cones = (ABSORBANCE @ linear.reshape(3, -1)).reshape(linear.shape)
    cones = np.cbrt(np.maximum(cones + BIAS, 0)) - ROOT_OF_BIAS
    long, medium, short = cones
    x, y = (long - medium) / 2, (long + medium) / 2
    return np.stack((14 * x, y, short - y)) + OFFSETS


def _blur(planes: Planes) -> Planes:
    """Return planes blurred by `KERNEL` in both directions; all is zero beyond the edges."""
    # One after the other: a plane fits into the processor's cache.
    return np.stack([_blur_columns(_blur_columns(plane).T).T for plane in planes])


def _blur_columns(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    reach, rows = len(KERNEL) - 1, len(plane)
    wide = np.pad(plane, ((reach, reach), (0, 0)))
    blurred: NDArray[np.float32] = KERNEL[0] * plane
    for i in range(1, reach + 1):
        blurred += KERNEL[i] * (wide[reach - i : reach - i + rows] + wide[reach + i : reach + i + rows])
    return blurred
