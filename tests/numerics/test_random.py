"""Keys: their algebra, and that streams stay apart."""

import mlx.core as mx
import numpy as np

from genmlx.numerics.random import as_key, fold_in, key, next_key, scramble, split
from helpers.tolerances import assert_exact


def words(k):
    return tuple(k.tolist())


def test_a_key_is_two_words():
    for k in (key(0), scramble(key(0)), next_key(), fold_in(key(0), ("x",)), *split(key(0), 3)):
        assert k.shape == (2,)
        assert k.dtype == mx.uint32


def test_keys_of_seeds_are_the_words_of_the_seed():
    assert words(key(7)) == (0, 7)
    assert words(key(2**32 + 5)) == (1, 5)
    assert words(key(-1)) == (2**32 - 1, 2**32 - 1)
    assert words(key(2**64 + 3)) == words(key(3))


def test_a_key_stands_for_itself_and_a_seed_for_its_key():
    k = key(3)
    assert as_key(k) is k
    assert_exact(as_key(3), k)
    assert_exact(as_key(-1), key(-1))


def test_fresh_keys_follow_the_global_seed_and_never_repeat():
    mx.random.seed(3)
    first = [words(next_key()) for _ in range(200)]
    mx.random.seed(3)
    assert [words(next_key()) for _ in range(200)] == first
    assert len(set(first)) == 200
    mx.random.seed(4)
    assert not {words(next_key()) for _ in range(200)} & set(first)


def test_fresh_keys_do_not_disturb_what_is_drawn_with_keys():
    before = mx.random.normal(key=key(1)).item()
    next_key()
    assert mx.random.normal(key=key(1)).item() == before


def test_split_keys_are_many_and_different():
    keys = np.array(split(key(0), 100_000), dtype=np.uint64)
    assert len(np.unique(keys[:, 0] << np.uint64(32) | keys[:, 1])) == 100_000


def test_scrambled_keys_differ_from_their_source_and_from_each_other():
    keys = [key(0)]
    for _ in range(50):
        keys.append(scramble(keys[-1]))
    assert len({words(k) for k in keys}) == 51


def test_folding_is_by_address_and_type():
    k = scramble(key(0))
    paths = [("x",), ("y",), ("x", 0), ("x", "0"), (0, "x"), (0,), ("0",), (), (1,), ("a", "b"), ("a,b",)]
    assert len({words(fold_in(k, p)) for p in paths}) == len(paths)
    assert_exact(fold_in(k, ("x", 0)), fold_in(k, ("x", 0)))


def test_folds_of_different_keys_differ():
    assert len({words(fold_in(k, ("x",))) for k in split(key(0), 100)}) == 100


def test_keys_are_the_same_under_vmap():
    keys = split(key(0), 4)
    mapped = mx.vmap(lambda k: fold_in(scramble(k), ("x", 1)))(keys)
    for k, m in zip(keys, mapped, strict=True):
        assert_exact(m, fold_in(scramble(k), ("x", 1)))


def test_draws_under_one_key_by_two_addresses_are_uncorrelated():
    keys = mx.vmap(scramble)(split(key(0), 50_000))
    draw = mx.vmap(lambda k: mx.stack([mx.random.normal(key=fold_in(k, p)) for p in (("a",), ("b",), ("a", 0))]))
    correlations = np.corrcoef(np.array(draw(keys)).T)[np.triu_indices(3, 1)]
    assert np.all(np.abs(correlations) < 5 / np.sqrt(50_000))
