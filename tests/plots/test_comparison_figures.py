import numpy as np
import xarray as xr

from scorelens.plots import held_out_loss, learned_share


def runs(name, *values):
    steps = [0, 10, 100]
    return {f"run {i}": xr.Dataset({name: ("step", each)}, {"step": steps}) for i, each in enumerate(values)}


def test_one_line_per_run_in_percent():
    figure = learned_share(runs("learned_share", [0.0, 0.5, 1.0], [1.0, 1.0, 1.0]))
    assert [trace.name for trace in figure.data] == ["run 0", "run 1"]
    np.testing.assert_allclose(figure.data[0].y, [0, 50, 100])
    assert figure.data[0].x[0] < 10
    assert figure.data[0].line.color != figure.data[1].line.color


def test_losses_share_an_axis():
    figure = held_out_loss(runs("held_out_edm_loss", [10.0, 5.0, 1.0], [100.0, 2.0, 2.0]))
    low, high = figure.layout.yaxis.range
    assert low < 0
    assert high > 2
    np.testing.assert_allclose(figure.data[1].y, [100, 2, 2])
