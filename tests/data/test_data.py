import numpy as np
import pytest

import genmlx.data
from genmlx.numerics.errors import UsageError
from helpers.tolerances import assert_close, assert_within_mc


def test_the_reference_means_of_kidiq_are_the_least_squares_fit():
    # Flat priors on the coefficients: the posterior mean is that fit, up to the Monte Carlo error of the reference.
    kidiq = {name: np.asarray(column, dtype=np.float64) for name, column in genmlx.data.load("kidiq").items()}
    hs, iq = kidiq["mom_hs"], kidiq["mom_iq"]
    assert len(hs) == 434
    design = np.column_stack([np.ones_like(hs), hs, iq, hs * iq])
    beta, *_ = np.linalg.lstsq(design, kidiq["kid_score"], rcond=None)
    reference = genmlx.data.reference("kidiq")["beta"]
    assert_within_mc(reference.mean, beta, np.asarray(reference.sd) / np.sqrt(10_000))


def test_eight_schools_is_the_table_of_rubin():
    schools = genmlx.data.load("eight_schools")
    assert_close(schools["y"], [28, 8, -3, 7, -1, 1, 18, 12])
    assert_close(schools["sigma"], [15, 10, 16, 11, 9, 11, 10, 18])
    reference = genmlx.data.reference("eight_schools")
    assert reference.keys() == {"mu", "tau", "theta"}
    assert reference["theta"].mean.shape == reference["theta"].sd.shape == (8,)


def test_an_unknown_name_is_an_error_that_lists_the_data_sets():
    with pytest.raises(UsageError, match=r"no data set is called 'iris'.*\n.*genmlx.data\n.*load\('kidiq'\)"):
        genmlx.data.load("iris")
