"""Which PyTorch operators a file may use, and what is known of each: names below autograd, without overloads.

Whatever is not listed is refused by name. All are deterministic functions of tensors and numbers, without state.
"""

from __future__ import annotations

POINTWISE = frozenset(
    """
    abs neg exp exp2 expm1 log log1p log2 log10 sqrt rsqrt square sin cos tan tanh sinh cosh asin acos atan atan2 erf
    erfc reciprocal sign add sub rsub mul div pow maximum minimum sigmoid log_sigmoid_forward relu leaky_relu
    elu gelu silu mish hardtanh hardsigmoid hardswish softplus threshold add_ sub_ mul_ div_ relu_ leaky_relu_ elu_
    hardtanh_ sigmoid_ tanh_ clamp_ silu_ clamp clamp_min clamp_max lerp addcmul addcdiv hypot xlogy
    mse_loss smooth_l1_loss huber_loss huber_loss_forward logaddexp nan_to_num softshrink hardshrink
    """.split()  # noqa: SIM905 - a table
)
"""Each output item needs one item of every tensor argument (losses reduce besides)."""

VIEWS = frozenset(
    """
    view _unsafe_view reshape _reshape_alias transpose t permute unsqueeze squeeze expand detach alias clone contiguous
    _to_copy copy lift_fresh_copy numpy_T
    """.split()  # noqa: SIM905
)
"""The same items in another shape or type."""

PRODUCTS = frozenset({"mm", "bmm", "addmm", "baddbmm", "addbmm", "mv", "addmv", "dot"})
REDUCTIONS = frozenset(
    """
    sum mean prod amax amin max min var std var_mean logsumexp linalg_vector_norm norm _softmax _log_softmax
    native_layer_norm native_group_norm _fused_rms_norm rms_norm _safe_softmax cumsum cumprod logcumsumexp
    """.split()  # noqa: SIM905
)
SCANS = frozenset({"cumsum", "cumprod", "logcumsumexp", "_softmax", "_safe_softmax", "_log_softmax"})
"""Each output item is made of a whole axis though the shape stays."""

NORMALISATIONS = frozenset({"native_layer_norm", "native_group_norm", "_fused_rms_norm", "native_batch_norm"})
CONVOLUTIONS = frozenset({"convolution"})

PARTIAL = frozenset(
    """
    slice select narrow split split_with_sizes unbind cat stack flip roll triu tril diag diag_embed diagonal where
    masked_fill index_select gather scatter embedding constant_pad_nd nll_loss_forward nll_loss2d_forward
    max_pool2d_with_indices max_pool3d_with_indices avg_pool2d avg_pool3d _adaptive_avg_pool2d _adaptive_avg_pool3d
    adaptive_max_pool2d adaptive_max_pool3d convolution native_batch_norm unfold im2col eq ne lt le gt ge logical_not
    logical_and logical_or bitwise_not bitwise_and bitwise_or isnan argmax argmin topk sort floor ceil round trunc
    remainder fmod fill fill_ zero_ full full_like zeros zeros_like ones ones_like empty new_zeros new_ones new_full
    arange scalar_tensor linspace eye one_hot repeat index as_strided select_backward cumprod_ any all empty_like
    """.split()  # noqa: SIM905
)
"""Those that need not read all that they are given, or make something of nothing."""

OPERATORS = POINTWISE | VIEWS | PRODUCTS | REDUCTIONS | CONVOLUTIONS | NORMALISATIONS | PARTIAL
"""All that may be used."""

WHOLE = POINTWISE | VIEWS | PRODUCTS | REDUCTIONS
"""Those after which every item that went in was read, whatever the program."""

DRAWS = frozenset({"rand", "rand_like", "randn", "randn_like", "randint", "randint_like"})
"""Random operators that ``get_inputs`` may use; the judge draws in their place."""
