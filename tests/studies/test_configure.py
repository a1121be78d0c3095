"""Options become a validated configuration; what is not allowed is named in one line."""

import pytest

from scorelens.studies.configure import OPTIONS, changed, configure


def test_every_option_reaches_its_field() -> None:
    default = configure("digits").model_dump()
    for section, field in OPTIONS.values():
        assert field in default[section]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, r"steps: got 0; .* greater than or equal to 1"),
        ({"stepz": 3}, r"unknown option 'stepz'.*did you mean 'steps'"),
        ({"preconditioning": "spectal"}, r"preconditioning: got 'spectal'; .*'spectral'"),
        ({"sigma_min": -1.0}, r"sigma_min: got -1.0; .* greater than 0"),
        ({"sigma_min": 0.0}, r"sigma_min: got 0.0; .* greater than 0"),
        ({"sigma_min": 90.0}, r"sigma_max must exceed sigma_min, got 80 <= 90"),
        ({"learning_rate": float("nan")}, r"learning_rate: got nan; .*finite"),
        ({"seed": -1}, r"seed: got -1; .*greater than or equal to 0"),
    ],
)
def test_bad_options_are_refused_in_one_line(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message) as refusal:
        configure("digits", **options)
    assert "\n" not in str(refusal.value)


def test_changed_keeps_what_is_not_named() -> None:
    config = configure("digits", steps=10, sigma_max=50.0, seed=4)
    new = changed(config, data="moons", sigma_min=0.01)
    assert (new.data.spec, new.training.steps, new.sampler.sigma_max, new.sampler.sigma_min, new.seed) == (
        "moons",
        10,
        50.0,
        0.01,
        4,
    )
