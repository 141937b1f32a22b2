"""What a Triton module may name: in kernel bodies, in host code, in imports. Everything else is refused.

Read off the public names of Triton 3.6 and 3.9; names of both are here, since the compiler refuses what it lacks.
"""

from __future__ import annotations

TL = "triton.language"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TYPES = _words("""
    bfloat16 float16 float32 float64 float8e4b15 float8e4b8 float8e4nv float8e5 float8e5b16 int1 int16 int32 int64
    int8 pi32_t uint16 uint32 uint64 uint8 void
""")

_FUNCTIONS = _words("""
    PropagateNan.ALL PropagateNan.NONE TRITON_MAX_TENSOR_NUMEL abs add advance arange argmax argmin associative_scan
    assume atomic_add atomic_and atomic_cas atomic_load atomic_max atomic_min atomic_or atomic_poll atomic_store
    atomic_xchg atomic_xor bitonic_merge block_type broadcast broadcast_to cast cat cdiv ceil clamp condition const
    constexpr cos cumprod cumsum debug_barrier div_rn dot dot_scaled dtype erf exp exp2 expand_dims expect_zero fdiv
    flip floor fma full gather histogram interleave join load load_tensor_descriptor log log2 make_block_ptr
    make_tensor_descriptor map_elementwise max max_constancy max_contiguous maximum min minimum mul multiple_of
    num_programs pair_uniform_to_normal permute philox philox_impl pointer_type program_id rand rand4x randint
    randint4x randn randn4x range ravel reduce reduce_or reshape rsqrt sigmoid sin slice softmax sort split sqrt
    sqrt_rn squeeze static_assert static_range store store_tensor_descriptor sub sum swizzle2d tensor
    tensor_descriptor to_tensor topk trans tuple uint_to_uniform_float umulhi unsqueeze view where xor_sum zeros
    zeros_like
""")

_MATH = _words("umulhi exp exp2 log log2 cos sin sqrt sqrt_rn rsqrt abs fdiv div_rn erf floor ceil fma")

_LIBDEVICE = _words("""
    abs acos acosh add_rd add_rn add_ru add_rz asin asinh atan atan2 atanh brev byte_perm cbrt ceil clz copysign cos
    cosh cospi cyl_bessel_i0 cyl_bessel_i1 div_rd div_rn div_ru div_rz double2float_rn double2int_rn double2uint_rn
    double_as_longlong erf erfc erfcinv erfcx erfinv exp exp10 exp2 expm1 fast_cosf fast_dividef fast_exp10f fast_expf
    fast_log10f fast_log2f fast_logf fast_powf fast_sinf fast_tanf fast_tanhf fdim ffs finitef float2int_rd
    float2int_rn float2int_ru float2int_rz float2ll_rn float2uint_rd float2uint_rn float2uint_ru float2uint_rz
    float_as_int float_as_uint floor fma fma_rd fma_rn fma_ru fma_rz fmod hadd hypot ilogb int2double_rn int2float_rn
    int_as_float isfinited isinf isnan j0 j1 jn ldexp lgamma llrint llround log log10 log1p log2 logb
    longlong_as_double mul24 mul_rd mul_rn mul_ru mul_rz mulhi nearbyint nextafter norm3d norm4d normcdf normcdfinv
    popc pow rcbrt rcp64h rcp_rd rcp_rn rcp_ru rcp_rz remainder rhadd rhypot rint rnorm3d rnorm4d round rsqrt rsqrt_rn
    sad saturatef scalbn signbit sin sinh sinpi sqrt sqrt_rd sqrt_rn sqrt_ru sqrt_rz sub_rd sub_rn sub_ru sub_rz tan
    tanh tgamma trunc uint2float_rn uint_as_float y0 y1 yn
""")

_LIBDEVICES = (f"{TL}.extra.libdevice", f"{TL}.extra.cuda.libdevice")
_NUMBERS = ("math.e", "math.inf", "math.nan", "math.pi", "math.tau")
_PYTHON_MATH = _words("""
    acos asin atan atan2 ceil comb copysign cos cosh erf exp expm1 fabs factorial floor fmod frexp fsum gcd hypot
    isclose isfinite isinf isnan isqrt lcm ldexp log log10 log1p log2 modf perm pow prod remainder sin sinh sqrt tan
    tanh trunc
""")
_TYPING = ("Any", "Callable", "Dict", "List", "Literal", "Optional", "Sequence", "Tuple", "Union")
_PLAIN = ("triton.cdiv", "triton.next_power_of_2")

DEVICE_PATHS = frozenset(
    [
        *(f"{TL}.{name}" for name in (*_TYPES, *_FUNCTIONS)),
        f"{TL}.core.get_int_dtype",
        *(f"{TL}.math.{name}" for name in _MATH),
        *(f"{library}.{name}" for library in _LIBDEVICES for name in _LIBDEVICE),
        *_NUMBERS,
        *_PLAIN,
    ]
)
"""Dotted names that kernel bodies may use."""

DEVICE_BUILTINS = frozenset({"float", "int", "len", "max", "min", "range"})
"""Python's own names that Triton knows inside a kernel."""

DEVICE_MEMBERS = _words("""
    T abs advance argmax argmin associative_scan atomic_add atomic_and atomic_cas atomic_load atomic_max atomic_min
    atomic_or atomic_poll atomic_store atomic_xchg atomic_xor block_shape broadcast_to cast cdiv ceil cos cumprod
    cumsum dtype element_ty erf exp exp2 expand_dims flip floor fp_mantissa_width gather histogram int_bitwidth
    is_bf16 is_block is_bool is_floating is_fp16 is_fp32 is_fp64 is_fp8 is_fp8e4nv is_fp8e5 is_int is_int1 is_int16
    is_int32 is_int64 is_int8 is_int_signed is_int_unsigned is_ptr is_standard_floating is_uint16 is_uint32 is_uint64
    is_uint8 item load log log2 logical_and logical_or max min name ndim numel permute primitive_bitwidth ravel reduce
    reduce_or reshape rsqrt scalar scatter shape sigmoid sin softmax sort split sqrt sqrt_rn store strides sum to
    trans type value view xor_sum
""")
"""Attributes and methods of what kernels compute with."""

_TORCH_TYPES = _words("""
    bfloat16 bool double float float16 float32 float64 float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz half
    int int16 int32 int64 int8 long short uint16 uint32 uint64 uint8
""")

HOST_PATHS = frozenset(
    [
        *(f"torch.{name}" for name in _TORCH_TYPES),
        *(f"torch.{name}" for name in _words("Tensor Size device dtype finfo iinfo contiguous_format strided")),
        *(f"torch.{name}{like}" for name in ("empty", "zeros", "ones", "full") for like in ("", "_like")),
        "torch.empty_strided",
        "torch.cuda.current_device",
        "torch.cuda.current_stream",
        "torch.cuda.device",
        "torch.cuda.get_device_capability",
        "torch.cuda.get_device_name",
        "torch.cuda.get_device_properties",
        "torch.cuda.is_available",
        "triton.Config",
        "triton.set_allocator",
        "triton.runtime.driver.active.get_active_torch_device",
        "triton.runtime.driver.active.get_current_target",
        "triton.runtime.driver.active.utils.get_device_properties",
        "triton.tools.tensor_descriptor.TensorDescriptor",
        *(f"typing.{name}" for name in _TYPING),
        *_PLAIN,
        *_NUMBERS,
        *(f"math.{name}" for name in _PYTHON_MATH),
        *(f"{TL}.{name}" for name in (*_TYPES, "constexpr", "dtype")),
    ]
)
"""Dotted names that host code may use."""

ANNOTATIONS = HOST_PATHS | {f"torch.{name}Tensor" for name in ("BFloat16", "Bool", "Float", "Half", "Int", "Long")}
"""Dotted names that annotations in host code may use."""

ALLOCATORS = frozenset(
    f"torch.{name}{like}" for name in ("empty", "zeros", "ones", "full") for like in ("", "_like")
) | {"torch.empty_strided"}
"""Those of them that make tensors."""

HOST_BUILTINS = _words("""
    AssertionError Exception False IndexError KeyError None NotImplementedError RuntimeError True TypeError ValueError
    abs all any bool dict divmod enumerate filter float frozenset int isinstance iter len list map max min next object
    pow range repr reversed round set slice sorted str sum tuple zip
""")
"""Python's own names that host code may use."""

HOST_MEMBERS = _words("""
    L2_cache_size T add append arch backend bit_length block_shape chunk contiguous copy count cuda_stream detach
    device dim dtype element_size endswith expand expand_as extend fill_ flatten from_tensor get index insert
    is_contiguous is_cuda is_floating_point is_integer is_signed items itemsize join keys kwargs lower mT major
    max_threads_per_block max_threads_per_multi_processor minor movedim multi_processor_count name narrow nbytes ndim
    ndimension nelement new_empty new_empty_strided new_full new_ones new_zeros num_ctas num_stages num_warps numel
    permute pop ravel regs_per_multiprocessor replace requires_grad reshape reverse select setdefault shape
    shared_memory_per_block shared_memory_per_block_optin shared_memory_per_multiprocessor size sort split squeeze
    startswith storage_offset stride strides strip swapaxes t total_memory transpose type unbind unflatten unsqueeze
    update upper values view view_as warp_size zero_
""")
"""Attributes and methods of what host code deals with: tensors (to allocate, view and tell), devices, containers."""

LIMITS_OF_TYPES = frozenset({"bits", "eps", "max", "min", "smallest_normal", "tiny"})
"""Attributes of ``torch.finfo`` and ``torch.iinfo``."""

CHANGERS = _words("add append extend insert pop reverse setdefault sort update")
"""Methods that change the container that they are called on."""

MODULES = frozenset(
    {
        "math",
        "torch",
        "torch.cuda",
        "triton",
        TL,
        f"{TL}.math",
        f"{TL}.extra",
        f"{TL}.extra.cuda",
        *_LIBDEVICES,
        "triton.tools.tensor_descriptor",
        "typing",
    }
)
"""What may be imported whole."""

JIT, HEURISTICS, AUTOTUNE = "triton.jit", "triton.heuristics", "triton.autotune"
JIT_OPTIONS = frozenset({"do_not_specialize", "do_not_specialize_on_alignment", "noinline"})

OPTIONS = frozenset({"num_warps", "num_stages", "num_ctas", "maxnreg", "enable_fp_fusion"})
"""Options of a launch beside the kernel's own parameters."""

RESERVED = _words("""
    allowed_dot_input_precisions arch backend_name clc debug default_dot_input_precision
    deprecated_fp8_dot_operand_dtypes enable_reflect_ftz extern_libs fpsan_homomorphic_casts grid instrumentation_mode
    ir_override launch_cooperative_grid launch_pdl max_num_imprecise_acc_default min_shared_mem ptx_options
    ptx_version sanitize_overflow sched4reg supported_fp8_dtypes warmup warp_size
""")
"""Names that mean something to the compiler or the launcher, and so can be no parameter."""

REFLECTION = frozenset({"delattr", "dir", "getattr", "hasattr", "memoryview", "setattr", "super", "type"})
"""Python's own names that reach any attribute by a text: refused even as variables, so that all does not hang on who
binds a name."""
