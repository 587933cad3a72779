"""What the camera did to the image: linear operators, each with its adjoint and a factorised form.

`base.Operator` states the contract. Masks are diagonal in the pixels; blurs with any padding,
downsampling and grey are products of one small matrix per axis; circular blurs are diagonal in the
Hartley basis. Only a blur by an arbitrary kernel with reflect padding has no cheap factorised form:
it solves by conjugate gradients. `Saturate` clips what a linear operator gives, and is the one that is not linear.
`degradations` are operators with a severity, from the identity to one of these.
"""

from teachdiff.operators.base import SVD, Operator
from teachdiff.operators.blurs import (
    CircularConvolution,
    GaussianBlur,
    ReflectConvolution,
    gaussian_kernel,
    motion_kernel,
)
from teachdiff.operators.degradations import (
    BlurDegradation,
    BoxDegradation,
    Degradation,
    FadeDegradation,
    IdentityDegradation,
    SmoothMaskDegradation,
)
from teachdiff.operators.masks import Mask, box_mask, random_mask, smooth_mask
from teachdiff.operators.product import Downsample, Grey, Identity, Product
from teachdiff.operators.saturate import Saturate

__all__ = [
    "SVD",
    "BlurDegradation",
    "BoxDegradation",
    "CircularConvolution",
    "Degradation",
    "Downsample",
    "FadeDegradation",
    "GaussianBlur",
    "Grey",
    "Identity",
    "IdentityDegradation",
    "Mask",
    "Operator",
    "Product",
    "ReflectConvolution",
    "Saturate",
    "SmoothMaskDegradation",
    "box_mask",
    "gaussian_kernel",
    "motion_kernel",
    "random_mask",
    "smooth_mask",
]
