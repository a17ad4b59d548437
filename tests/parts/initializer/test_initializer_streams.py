"""Standard numbers follow their laws, also at the borders of chunks, and are the same for any number of threads."""

import math
import multiprocessing
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import stats

from bench.parts.initializer import streams
from bench.parts.initializer.streams import BOUND, CHUNK

LAWS = {
    "normal": (streams.normal, stats.norm()),
    "uniform": (streams.uniform, stats.uniform()),
    "truncated_normal": (streams.truncated_normal, stats.truncnorm(-BOUND, BOUND)),
}
SIZES = [1, 7, 300, CHUNK, CHUNK + 1, 3 * CHUNK + 12345]
CHUNKS = 16


def drawn(law: str, size: int | tuple[int, ...], seed: int = 0, threads: int = 1) -> torch.Tensor:
    values, before = torch.full((size,) if isinstance(size, int) else size, math.nan), torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        LAWS[law][0](values, torch.Generator().manual_seed(seed))
    finally:
        torch.set_num_threads(before)
    return values


@pytest.fixture(scope="module", params=LAWS)
def sample(request):
    """A law, and the chunks of one large tensor of it."""
    return LAWS[request.param][1], drawn(request.param, CHUNKS * CHUNK).double().numpy().reshape(CHUNKS, CHUNK)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("law", LAWS)
def test_the_numbers_are_the_same_whatever_the_number_of_threads(law, size):
    alone = drawn(law, size)
    assert torch.isfinite(alone).all()
    assert all(torch.equal(drawn(law, size, threads=threads), alone) for threads in (2, 3, 7))


def test_the_numbers_of_a_large_tensor_do_come_from_several_threads(monkeypatch):
    submitted = []
    submit = streams.ThreadPoolExecutor.submit
    monkeypatch.setattr(
        streams.ThreadPoolExecutor, "submit", lambda pool, work: submitted.append(work) or submit(pool, work)
    )
    drawn("normal", 3 * CHUNK, threads=2)
    assert len(submitted) == 1  # the caller is the other
    drawn("normal", 3 * CHUNK, threads=8)
    assert len(submitted) == 3  # no more threads than chunks
    drawn("normal", 3 * CHUNK, threads=1)
    drawn("normal", CHUNK, threads=8)
    assert len(submitted) == 3


@pytest.mark.parametrize("law", LAWS)
def test_a_shape_is_filled_in_the_order_of_its_memory(law):
    assert torch.equal(drawn(law, (3, CHUNK // 2, 5)).flatten(), drawn(law, 3 * (CHUNK // 2) * 5))


def test_a_small_tensor_is_drawn_by_the_generator_it_comes_with():
    ours, theirs = torch.Generator().manual_seed(4), torch.Generator().manual_seed(4)
    for size in (5, CHUNK):
        values = torch.empty(size)
        streams.normal(values, ours)
        assert torch.equal(values, torch.empty(size).normal_(generator=theirs))


@pytest.mark.parametrize("law", LAWS)
def test_a_seed_gives_its_numbers_again_and_a_second_draw_others(law):
    first, other = drawn(law, 2 * CHUNK, seed=1), drawn(law, 2 * CHUNK, seed=2)
    assert torch.equal(drawn(law, 2 * CHUNK, seed=1), first)
    assert (first != other).float().mean() > 0.99
    generator, values = torch.Generator().manual_seed(1), torch.empty(2, 2 * CHUNK)
    for row in values:
        LAWS[law][0](row, generator)
    assert torch.equal(values[0], first)
    assert (values[0] != values[1]).float().mean() > 0.99


def test_the_whole_and_every_chunk_follow_the_law(sample):
    law, chunks = sample
    assert stats.kstest(chunks.ravel(), law.cdf).pvalue > 1e-4
    each = [stats.kstest(chunk, law.cdf).pvalue for chunk in chunks]
    assert stats.kstest(each, "uniform").pvalue > 1e-4  # chunks too alike would fit too well
    assert min(each) > 1e-4 / len(each)


def test_numbers_at_the_borders_of_chunks_follow_the_law(sample):
    law, chunks = sample
    borders = np.concatenate([chunks[:, :64], chunks[:, -64:]])
    assert stats.kstest(borders.ravel(), law.cdf).pvalue > 1e-4


def test_chunks_do_not_hang_together(sample):
    law, chunks = sample
    standard = (chunks - law.mean()) / law.std()
    off_diagonal = (standard @ standard.T / CHUNK)[np.triu_indices(CHUNKS, 1)] * math.sqrt(CHUNK)
    assert stats.kstest(off_diagonal, "norm").pvalue > 1e-4
    shifted = [np.mean(one[:-1] * other[1:]) * math.sqrt(CHUNK) for one, other in pairwise(standard)]
    assert np.abs(shifted).max() < 5


def test_truncated_numbers_stay_within_the_bound_and_reach_it():
    values = drawn("truncated_normal", CHUNKS * CHUNK).abs()
    assert values.max() <= BOUND
    assert values.max() > BOUND - 1e-4


def test_no_two_chunks_of_a_tensor_share_a_seed():
    seeds = [streams._seed(2**32 - 5000, index) for index in range(10_000)]  # past the end of 32 bits
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**32 for seed in seeds)
    bits = (np.array(seeds)[:, None] >> np.arange(32)) & 1
    assert np.abs(bits.mean(0) - 0.5).max() < 5 * 0.5 / math.sqrt(len(seeds))
    flips = (np.array(seeds)[1:] ^ np.array(seeds)[:-1])[:, None] >> np.arange(32) & 1
    assert abs(flips.mean() - 0.5) < 0.01  # neighbours look unrelated


def test_torch_takes_32_bits_of_a_seed():
    one, other = (torch.Generator().manual_seed(seed) for seed in (3, 3 + 2**32))
    assert torch.equal(torch.rand(5, generator=one), torch.rand(5, generator=other))


def in_a_row(draw: streams.Draw, sizes: list[int], threads: int = 1) -> torch.Tensor:
    tensors, before = [torch.full((size,), math.nan) for size in sizes], torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        streams.together([(values, draw) for values in tensors], torch.Generator().manual_seed(0))
    finally:
        torch.set_num_threads(before)
    return torch.cat(tensors)


ROW = [0, 5, 300, CHUNK // 2, CHUNK // 2, CHUNK, 3 * CHUNK + 100, 17, *[2000] * 100]
DRAWS = {
    "normal": (streams.normal_draw(0.5), stats.norm(0, 0.5)),
    "uniform": (streams.uniform_draw(-1.0, 2.0), stats.uniform(-1, 3)),
    "truncated_normal": (streams.truncated_normal_draw(0.5), stats.truncnorm(-BOUND, BOUND, scale=0.5)),
}


@pytest.mark.parametrize("law", DRAWS)
def test_tensors_in_a_row_follow_their_law_and_are_the_same_whatever_the_number_of_threads(law):
    (draw, expected), borders = DRAWS[law], np.cumsum(ROW)[:-1]
    row = in_a_row(draw, ROW)
    assert all(torch.equal(in_a_row(draw, ROW, threads), row) for threads in (2, 3, 7))
    assert len(row.unique()) > 0.9 * len(row)  # no two parts of the row are one stream
    assert stats.kstest(row.double().numpy(), expected.cdf).pvalue > 1e-4
    ps = [stats.kstest(part, expected.cdf).pvalue for part in np.split(row.double().numpy(), borders) if len(part)]
    assert stats.kstest(ps, "uniform").pvalue > 1e-4


def test_each_tensor_in_a_row_is_filled_by_its_own_draw():
    tensors = [torch.full((CHUNK,), math.nan) for _ in range(6)]
    streams.together([(one, streams.normal_draw(sigma)) for sigma, one in enumerate(tensors)], torch.Generator())
    for sigma, one in enumerate(tensors):
        assert float(one.std()) == pytest.approx(sigma, rel=0.02)


def test_a_short_row_is_drawn_by_the_generator_it_comes_with_and_a_long_one_takes_one_number_of_it():
    generator = torch.Generator().manual_seed(0)
    assert torch.equal(
        in_a_row(streams.normal_draw(1.0), [100, CHUNK, 7])[:100], torch.empty(100).normal_(generator=generator)
    )
    generator.manual_seed(0)
    streams.together([(torch.empty(CHUNK), streams.normal_draw(1.0))] * 3, generator)
    after = torch.rand(1, generator=generator)
    generator.manual_seed(0)
    torch.randint(2**32, (), generator=generator)
    assert torch.equal(torch.rand(1, generator=generator), after)


def test_a_row_is_cut_into_chunks_that_hold_every_number_once_and_none_too_many():
    tensors = [torch.empty(size) for size in ROW]
    chunks = list(streams._chunks([(one, streams.normal_draw(1.0)) for one in tensors]))
    sizes = [sum(len(part) for part, _ in chunk) for chunk in chunks]
    assert sum(sizes) == sum(ROW)
    assert max(sizes) <= CHUNK
    assert all(first + second > CHUNK for first, second in pairwise(sizes[:-1]))  # no two that could have been one
    for index, part in enumerate(part for chunk in chunks for part, _ in chunk):
        part.fill_(index)
    assert (torch.cat(tensors).diff() >= 0).all()  # in order


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_a_parameter_is_drawn_in_any_mode_its_caller_is_in(mode):
    with mode():
        parameter, values = torch.nn.Parameter(torch.empty(3 * CHUNK)), drawn("normal", 3 * CHUNK)
        torch.set_num_threads(2)
        try:
            streams.normal(parameter, torch.Generator().manual_seed(0))
        finally:
            torch.set_num_threads(1)
    assert torch.equal(parameter.detach(), values)


def test_a_tensor_with_gaps_is_refused():
    with pytest.raises(RuntimeError, match="view"):
        streams.normal(torch.empty(CHUNK, 2).T, torch.Generator())


def test_what_a_thread_raises_reaches_the_caller():
    def broken(chunk, stream):
        raise ValueError("no such law")

    with pytest.raises(ValueError, match="no such law"):
        streams.fill(torch.empty(2 * CHUNK), torch.Generator(), broken)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_process_draws_with_threads_of_its_own():
    expected = drawn("normal", 3 * CHUNK, threads=2)  # leaves a pool whose threads the child does not have
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    child = context.Process(target=lambda: results.put(float(drawn("normal", 3 * CHUNK, threads=2).sum())))
    child.start()
    assert results.get(timeout=30) == float(expected.sum())
    child.join()


@pytest.mark.parametrize("size", [300, 2 * CHUNK])
def test_a_scale_that_is_drawn_is_the_scale_of_the_standard_numbers(size):
    def draw(law, *scale):
        values = torch.empty(size)
        law(values, torch.Generator().manual_seed(0), *scale)
        return values

    for law in (streams.normal, streams.truncated_normal):
        torch.testing.assert_close(draw(law, 0.3), 0.3 * draw(law))
    torch.testing.assert_close(draw(streams.uniform, -0.5, 2.0), 2.5 * draw(streams.uniform) - 0.5, rtol=0, atol=1e-6)
