import pytest
import torch

from bench.machine import allocator, environment
from bench.machine.precision import BF16, FP32, autocast, resolved
from bench.schema import UserError


@pytest.mark.parametrize("name", [FP32, BF16])
def test_a_precision_that_is_named_is_taken_whatever_the_device_can_do(name, monkeypatch):
    monkeypatch.setattr(environment, "processor_flags", set)
    assert resolved(name, "cpu") == name


@pytest.mark.parametrize(
    ("flags", "precision"), [({"avx2"}, FP32), ({"avx512_bf16", "avx2"}, BF16), ({"amx_bf16"}, BF16)]
)
def test_auto_is_bf16_where_the_processor_multiplies_it_faster(flags, precision, monkeypatch):
    monkeypatch.setattr(environment, "processor_flags", lambda: flags)
    assert resolved("auto", "cpu") == precision


def test_an_unknown_precision_is_refused_with_the_known_ones():
    with pytest.raises(UserError, match=r"no precision is named 'bf61'; did you mean bf16\?.*fp32"):
        resolved("bf61", "cpu")


@pytest.mark.parametrize(("name", "dtype"), [(FP32, torch.float32), (BF16, torch.bfloat16)])
def test_a_product_in_the_context_has_the_precision_and_weights_stay_float32(name, dtype):
    layer = torch.nn.Linear(2, 2)
    with autocast(name, "cpu"):
        assert layer(torch.ones(1, 2)).dtype is dtype
    assert layer.weight.dtype is torch.float32


@pytest.mark.parametrize(("units", "precision"), [(True, BF16), (False, FP32)])
def test_auto_takes_no_bf16_that_a_gpu_would_emulate(units, precision, monkeypatch):
    # torch's own answer is yes on a V100, which emulates it
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or units)
    assert resolved("auto", "cuda") == precision


@pytest.fixture
def flags():
    """torch's own flags of arithmetic on GPUs; as they were before, once a test is over."""
    cudnn, products = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.allow_tf32, products.allow_tf32, cudnn.deterministic
    cudnn.allow_tf32, products.allow_tf32, cudnn.deterministic = True, True, False
    yield cudnn, products
    cudnn.allow_tf32, products.allow_tf32, cudnn.deterministic = before


def test_a_process_that_trains_rounds_no_float32_to_tf32_and_takes_deterministic_algorithms(flags):
    cudnn, products = flags
    allocator.configure(1, 2)
    assert (cudnn.allow_tf32, products.allow_tf32, cudnn.deterministic) == (False, False, True)
