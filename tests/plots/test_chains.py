import builtins

import numpy as np
import pytest

from genmlx.numerics.errors import ShapeError, UsageError
from genmlx.plots import trace_density

pytest.importorskip("matplotlib")


@pytest.fixture
def draws():
    rng = np.random.default_rng(0)
    return {"mu": rng.normal(3.0, 1.0, size=(4, 200)), "theta": rng.normal(size=(4, 200, 2))}


def test_each_scalar_has_a_row_with_one_line_a_chain(draws):
    figure = trace_density(draws)
    left = figure.axes[::2]
    assert [axes.get_ylabel() for axes in left] == ["mu", "theta[0]", "theta[1]"]
    assert [len(axes.lines) for axes in figure.axes] == [4] * 6


def test_the_trace_shows_the_draws_and_the_density_integrates_to_one(draws):
    left, right = trace_density({"mu": draws["mu"]}).axes
    for line, chain in zip(right.lines, draws["mu"], strict=True):
        np.testing.assert_array_equal(line.get_ydata(), chain)
    grid, density = left.lines[0].get_data()
    assert np.trapezoid(density, grid) == pytest.approx(1.0, abs=0.02)
    assert grid[np.argmax(density)] == pytest.approx(3.0, abs=0.5)


def test_reference_means_are_drawn_at_their_element(draws):
    figure = trace_density(draws, reference={"theta": np.array([0.25, -0.5])}, title="eight schools")
    assert [len(axes.lines) for axes in figure.axes] == [4, 4, 5, 5, 5, 5]
    assert figure.axes[2].lines[-1].get_xdata()[0] == 0.25
    assert figure.axes[5].lines[-1].get_ydata()[0] == -0.5


def test_a_chain_that_never_moved_is_still_drawn():
    figure = trace_density({"stuck": np.full((1, 50), 2.0)})
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_xdata(), [2.0, 2.0])


def test_the_figure_is_saved_without_a_display(draws, tmp_path):
    path = tmp_path / "chains.png"
    trace_density(draws).savefig(path)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_draws_without_a_chain_axis_are_an_error_that_says_how():
    with pytest.raises(ShapeError, match=r"'mu' have shape \(50,\).*chain axis") as error:
        trace_density({"mu": np.zeros(50)})
    assert "values[None]" in str(error.value)


def test_without_matplotlib_the_error_says_what_to_install(draws, monkeypatch):
    real_import = builtins.__import__

    def no_matplotlib(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_matplotlib)
    with pytest.raises(UsageError, match=r"genmlx\[plots\]"):
        trace_density(draws)
