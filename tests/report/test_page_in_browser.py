"""The page as a reader meets it, in headless Chromium, wide and on a phone."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from scorelens import estimators, report, studies
from scorelens.report.page import render

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDTHS = (1280, 390)

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def address(image_page):
    return image_page.as_uri()


class Opened:
    """A page, and all that it complained about or asked the network for."""

    def __init__(self, browser, address, width=1280):
        self.page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme="light")
        self.complaints: list[str] = []
        self.page.on(
            "console", lambda m: self.complaints.append(m.text) if m.type in ("error", "warning") else None
        )
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._requested)
        self.page.on("dialog", lambda dialog: (self.complaints.append(dialog.message), dialog.dismiss()))
        self.page.goto(address)
        self.page.wait_for_selector("html[data-drawn]", timeout=60_000)

    def _requested(self, request):
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.complaints.append(f"request of {request.url}")

    def close(self):
        self.page.close()


@pytest.fixture(scope="module", params=WIDTHS)
def opened(request, browser, address):
    view = Opened(browser, address, request.param)
    yield view
    view.close()


def test_no_complaints_and_no_network(opened):
    assert opened.complaints == []


def test_the_page_does_not_scroll_sideways(opened):
    width = opened.page.evaluate("document.documentElement.scrollWidth")
    assert width <= opened.page.viewport_size["width"]


def test_every_figure_is_drawn_with_table_caption_and_description(opened):
    figures = opened.page.evaluate(
        """() => [...document.querySelectorAll("figure.panel")].map((figure) => {
            const plot = figure.querySelector(".plot");
            const image = figure.querySelector(".slides img:not([hidden])");
            return {
                title: figure.querySelector("h3").textContent,
                marks: plot ? plot.querySelectorAll("svg path, svg image").length : image.naturalWidth,
                width: (plot ?? image).getBoundingClientRect().width,
                described: plot ? plot.getAttribute("aria-label") : image.alt,
                caption: figure.querySelector("figcaption").textContent.trim(),
                rows: figure.querySelectorAll("details tbody tr").length,
            };
        })"""
    )
    assert len(figures) >= 9
    for figure in figures:
        assert figure["marks"] > 10, figure
        assert figure["width"] > 250, figure
        assert figure["described"], figure
        assert len(figure["caption"]) > 40, figure
        assert figure["rows"] > 0, figure


def test_letters_in_figures_are_legible(opened):
    sizes = opened.page.evaluate(
        """() => [...document.querySelectorAll(".plot text")]
            .filter((text) => text.textContent.trim() && text.getBoundingClientRect().width > 0)
            .map((text) => [parseFloat(getComputedStyle(text).fontSize), text.textContent])"""
    )
    assert sizes
    assert min(sizes)[0] >= 11, min(sizes)


def test_nothing_in_a_figure_is_cut_off(opened):
    outside = opened.page.evaluate(
        """() => [...document.querySelectorAll(".plot")].flatMap((plot) => {
            const frame = plot.getBoundingClientRect();
            return [...plot.querySelectorAll("text")]
                .filter((text) => text.textContent.trim())
                .map((text) => [text.textContent, text.getBoundingClientRect()])
                .filter(([, box]) => box.width > 0
                    && (box.left < frame.left - 1 || box.right > frame.right + 1
                        || box.bottom > frame.bottom + 1))
                .map(([text]) => `${plot.id}: ${text}`);
        })"""
    )
    assert outside == []


def content(page, name):
    """What a figure shows now: the drawn marks, or the visible image."""
    return page.evaluate(
        """(name) => {
            const place = document.getElementById(name);
            const image = place.querySelector("img:not([hidden])");
            if (image) return image.src;
            return [...place.querySelectorAll(".plot-container svg")].map((svg) => svg.innerHTML).join();
        }""",
        name,
    )


def test_every_slider_changes_its_figure_by_keyboard_and_says_where_it_is(opened):
    sliders = opened.page.query_selector_all("input[type=range]")
    assert {slider.get_attribute("data-for") for slider in sliders} == {
        "standing",
        "alignment",
        "transfer-map",
        "loss-per-sigma",
        "sample-images",
        "attraction",
        "neighbours",
        "local-directions",
        "jacobian-spectrum",
        "kept-directions",
        "shrinkage",
    }
    for slider in sliders:
        name = slider.get_attribute("data-for")
        last, label = content(opened.page, name), opened.page.inner_text(f"#{name}-value")
        slider.focus()
        opened.page.keyboard.press("Home")
        opened.page.wait_for_timeout(300)
        assert opened.page.inner_text(f"#{name}-value") == "step 0"
        assert slider.get_attribute("aria-valuetext") == "step 0"
        assert content(opened.page, name) != last
        shown = opened.page.query_selector_all(f"#{name} img:not([hidden])")
        assert [image.get_attribute("alt")[-6:] for image in shown] in ([], ["step 0"])
        opened.page.keyboard.press("End")
        opened.page.wait_for_timeout(300)
        assert opened.page.inner_text(f"#{name}-value") == label == "step 3,000"


def test_every_choice_changes_its_figure(opened):
    names = opened.page.evaluate(
        """() => [...document.querySelectorAll("input[type=radio]")].map((input) => input.dataset.for)"""
    )
    assert set(names) == {"trajectories", "map", "transfer-map", "loss-per-sigma", "nearness"}
    for name in set(names):
        before = content(opened.page, name)
        opened.page.check(f"input[name={name}-view][value='1']", force=True)
        opened.page.wait_for_timeout(300)
        assert content(opened.page, name) != before
        opened.page.check(f"input[name={name}-view][value='0']", force=True)


def test_figures_follow_the_readers_colours(opened):
    ink = "getComputedStyle(document.querySelector('.plot .xtick text')).fill"
    inks = []
    for scheme in ("light", "dark", "light"):
        opened.page.emulate_media(color_scheme=scheme)
        opened.page.wait_for_timeout(500)
        inks.append(opened.page.evaluate(ink))
    assert inks[0] == inks[2] != inks[1]
    assert opened.complaints == []


@pytest.fixture(scope="module")
def forecasts(tmp_path_factory):
    """A folder with forecasts of digits by three laws, and the page that compares them."""
    folder = tmp_path_factory.mktemp("laws") / "laws"
    laws = "two-layer:initial_gain=0,one-layer,patch:3x3"
    with pytest.warns(UserWarning, match="constant"):
        return studies.compare_laws("digits", laws, out=folder, samples=60, sampler_points=8)


@pytest.mark.parametrize("width", WIDTHS)
def test_pages_of_forecasts_fit_and_do_not_complain(browser, forecasts, width):
    pages = [forecasts.report_path, forecasts.runs["patch:3x3"].report_path]
    for place in pages:
        view = Opened(browser, place.as_uri(), width)
        assert view.complaints == []
        assert view.page.evaluate("document.documentElement.scrollWidth") <= width
        for name in view.page.eval_on_selector_all(".plot", "plots => plots.map((plot) => plot.id)"):
            assert len(content(view.page, name)) > 1000, (place, name)
        if view.page.query_selector("input[name^=emergence]") is not None:
            name = view.page.query_selector("input[name^=emergence]").get_attribute("data-for")
            before = content(view.page, name)
            view.page.check(f"input[name={name}-view][value='2']", force=True)
            view.page.wait_for_timeout(300)
            assert content(view.page, name) != before
        view.close()


def test_a_hostile_name_stays_text(browser, write_run):
    name = "<script>alert(1)</script><img src=x onerror=alert(2)>.npy"
    view = Opened(browser, report.build(write_run((4,), spec=name, until=10).path).as_uri())
    assert view.complaints == []
    assert view.page.inner_text("h1") == name.rpartition("/")[-1]
    assert view.page.inner_text("#asked td") == name
    view.close()


def test_a_page_without_figures_says_that_it_is_drawn(browser, tmp_path):
    place = tmp_path / "page.html"
    place.write_text(render("A page", "without figures", [], ["One sentence."], []), encoding="utf-8")
    view = Opened(browser, place.as_uri())
    assert view.complaints == []
    view.close()


@pytest.fixture(scope="module")
def fitted_scores(tmp_path_factory):
    """Pages on fitted scores in one, two and six dimensions."""
    folder, rng = tmp_path_factory.mktemp("fitted"), np.random.default_rng(0)
    pages = []
    for dim in (1, 2, 6):
        np.save(folder / f"{dim}.npy", rng.normal(size=(80, dim)).astype(np.float32))
        features = "affine" if dim > 2 else "affine,gmm:2"
        options = {
            "samples": 40,
            "models": 30,
            "sigma": [0.2, 1.0],
            "steps": 3,
            "out": folder / f"found-{dim}",
        }
        pages.append(studies.generalize(str(folder / f"{dim}.npy"), features, **options).report_path)
    return pages


@pytest.mark.parametrize("width", WIDTHS)
def test_pages_on_fitted_scores_fit_and_follow_slider_and_choice(browser, fitted_scores, width):
    for place in fitted_scores:
        view = Opened(browser, place.as_uri(), width)
        assert view.complaints == []
        assert view.page.evaluate("document.documentElement.scrollWidth") <= width
        assert {"errors", "where", "samples"} <= set(
            view.page.eval_on_selector_all(".plot", "plots => plots.map((plot) => plot.id)")
        )
        before = content(view.page, "where")
        view.page.query_selector("input[type=range][data-for=where]").focus()
        view.page.keyboard.press("Home")
        view.page.wait_for_timeout(300)
        assert view.page.inner_text("#where-value") == "σ = 1"
        assert content(view.page, "where") != before
        before = content(view.page, "samples")
        # As a reader does, once it lies still.
        view.page.click("label:has(input[name=samples-view][value='1'])")
        view.page.wait_for_timeout(300)
        assert content(view.page, "samples") != before
        view.close()


@pytest.fixture(scope="module")
def local_geometry(tmp_path_factory):
    """Pages on the local geometry of estimators: of images, and of points in a plane."""
    folder, rng = tmp_path_factory.mktemp("geometry"), np.random.default_rng(0)
    pages = []
    for shape in ((1, 4, 4), (2,)):
        file, model = folder / f"{len(shape)}.npy", folder / f"{len(shape)}.safetensors"
        np.save(file, np.clip(0.3 * rng.normal(size=(60, *shape)), -1, 1).astype(np.float32))
        estimators.save(estimators.Gaussian().fit(np.load(file)), model)
        found = studies.geometry(
            model, str(file), sigma=[0.1, 0.5], points=2, events=8, out=folder / f"found-{len(shape)}"
        )
        pages.append(found.report_path)
    return pages


@pytest.mark.parametrize("width", WIDTHS)
def test_pages_on_local_geometry_fit_and_every_slider_is_over_noise(browser, local_geometry, width):
    sliders = ({"eigenvectors", "posterior-1", "posterior-2"}, {"posterior-walk"})
    for place, expected in zip(local_geometry, sliders, strict=True):
        view = Opened(browser, place.as_uri(), width)
        assert view.complaints == []
        assert view.page.evaluate("document.documentElement.scrollWidth") <= width
        found = view.page.query_selector_all("input[type=range]")
        assert {slider.get_attribute("data-for") for slider in found} == expected
        for slider in found:
            name = slider.get_attribute("data-for")
            assert "noise level" in view.page.inner_text(f"label[for={slider.get_attribute('id')}]")
            before = content(view.page, name)
            slider.focus()
            view.page.keyboard.press("Home")
            view.page.wait_for_timeout(300)
            assert view.page.inner_text(f"#{name}-value") == "σ = 0.1"
            assert content(view.page, name) != before
        view.close()
