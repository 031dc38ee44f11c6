"""The page of `report --format html` in headless Chromium: sorting, filtering, legend, details, hostile names, a thousand runs."""
import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from browser import open_browser  # noqa: E402

BUILD = os.environ["RUNNER_BUILD"]
HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = tempfile.mkdtemp()


def make(name, *arguments, options=()):
    grid, page = os.path.join(FOLDER, name), os.path.join(FOLDER, name + ".html")
    subprocess.run([os.path.join(BUILD, "tests", "make_grid"), grid, *arguments], check=True)
    subprocess.run([os.path.join(BUILD, "report"), grid, "--format", "html", "-o", page, *options], check=True)
    return "file://" + page


def column(browser, table, index):
    return browser.execute_script(
        "return [...document.querySelectorAll(arguments[0] + ' tbody tr')].map(row => row.children[arguments[1]].textContent)",
        table, index)


def assert_quiet(browser):
    messages = [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    assert messages == [], messages


def until(act, good, seconds=10):
    """Acts again until the answer is good: a chart on a busy machine may still be laying itself out."""
    end = time.monotonic() + seconds
    while True:
        answer = act()
        if good(answer) or time.monotonic() > end:
            return answer
        time.sleep(0.2)


def click_head(browser, table, index):
    browser.execute_script("document.querySelectorAll(arguments[0] + ' th')[arguments[1]].click()", table, index)


def test_sorting_and_filtering(browser):
    browser.get(make("small", "small", options=("--compare", "baseline")))
    assert column(browser, "#summary", 0) == ["baseline", "dropout", "weight_decay", "batch_norm"]
    click_head(browser, "#summary", 2)
    assert column(browser, "#summary", 0) == ["batch_norm", "weight_decay", "baseline", "dropout"]
    click_head(browser, "#summary", 2)
    assert column(browser, "#summary", 0) == ["dropout", "baseline", "weight_decay", "batch_norm"]
    click_head(browser, "#summary", 2)
    assert column(browser, "#summary", 0)[0] == "baseline"
    browser.find_element("id", "runs-filter").send_keys("dropout")
    assert len(column(browser, "#runs", 0)) == 3
    assert "3 of 12 runs" in browser.find_element("id", "runs-count").text
    browser.find_element("id", "summary-filter").send_keys("norm")
    assert column(browser, "#summary", 0) == ["batch_norm"]
    assert_quiet(browser)


def test_curves_hide_by_legend_and_show_values(browser):
    browser.get("file://" + os.path.join(FOLDER, "small.html"))
    visible = "return charts.curves.data.datasets.map((set, i) => charts.curves.isDatasetVisible(i))"
    before = browser.execute_script(visible)
    assert all(before) and len(before) == 12, before
    click = """
        const box = charts.curves.legend.legendHitBoxes[0], place = charts.curves.canvas.getBoundingClientRect();
        charts.curves.canvas.dispatchEvent(new MouseEvent('click', {bubbles: true,
            clientX: place.left + box.left + box.width / 2, clientY: place.top + box.top + box.height / 2}));"""
    after = until(lambda: (browser.execute_script(click), browser.execute_script(visible))[1], lambda flags: not flags[0])
    assert after[:3] == [False] * 3 and all(after[3:]), after
    hover = """
        const chart = charts.curves, point = chart.getDatasetMeta(3).data[4], place = chart.canvas.getBoundingClientRect();
        chart.canvas.dispatchEvent(new MouseEvent('mousemove', {bubbles: true, clientX: place.left + point.x, clientY: place.top + point.y}));
        return new Promise(done => setTimeout(() => done([chart.tooltip.title?.[0], chart.tooltip.body?.[0].lines[0]]), 200))"""
    expected = ["Epoch 5", "dropout: 83.72"]
    tip = until(lambda: browser.execute_script(hover), lambda shown: shown == expected)
    assert tip == expected, tip
    assert_quiet(browser)


def test_details_and_differences(browser):
    browser.get("file://" + os.path.join(FOLDER, "small.html"))
    for row in (0, 4):
        browser.execute_script("document.querySelectorAll('#runs tbody tr')[arguments[0]].click()", row)
    assert browser.find_element("id", "detail-title").get_attribute("textContent") == "baseline seed=0  against  dropout seed=1"
    differing = browser.execute_script("return [...document.querySelectorAll('tr.differs')].map(row => row.children[0].textContent)")
    assert "seed" in differing and "variant" in differing and "grid" not in differing, differing
    before = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    browser.find_element("id", "theme").click()
    assert browser.execute_script("return getComputedStyle(document.body).backgroundColor") != before
    assert_quiet(browser)


def test_a_grid_that_nobody_started_is_a_page_without_charts(browser):
    browser.get(make("troubled", "troubled", options=("--filter", "variant=batch_norm")))
    assert column(browser, "#summary", 0) == ["batch_norm"]
    assert "3 not started" in browser.find_element("id", "subtitle").text
    assert not browser.find_element("id", "curves").is_displayed() and not browser.find_element("id", "finals").is_displayed()
    browser.execute_script("document.querySelector('#runs tbody tr').click()")
    assert_quiet(browser)


def test_hostile_names_stay_text(browser):
    browser.get(make("names", "names", os.path.join(HERE, "hostile_names.txt")))
    names = [line.rstrip("\n") for line in open(os.path.join(HERE, "hostile_names.txt"), encoding="utf-8", newline="\n")]
    assert column(browser, "#summary", 0) == names
    assert browser.title == "names", browser.title
    assert browser.execute_script("return document.querySelectorAll('main img, main iframe, main svg, main b').length") == 0
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert_quiet(browser)


def test_a_thousand_runs_within_three_seconds(browser):
    page = make("large", "large", "1000")
    seconds = float("inf")
    for _ in range(5):  # the fastest of five: other programs on the machine only ever add to it
        start = time.monotonic()
        browser.get(page)
        browser.execute_script("return document.querySelectorAll('#runs tbody tr').length")
        seconds = min(seconds, time.monotonic() - start)
        if seconds < 3:
            break
    assert seconds < 3, seconds
    assert len(column(browser, "#runs", 0)) == 100
    browser.find_element("id", "runs-more").click()
    assert len(column(browser, "#runs", 0)) == 500
    print(f"a page of 1,000 runs is ready after {seconds:.2f} s")
    assert_quiet(browser)


def main():
    browser = open_browser()
    try:
        for test in (test_sorting_and_filtering, test_curves_hide_by_legend_and_show_values, test_details_and_differences,
                     test_a_grid_that_nobody_started_is_a_page_without_charts, test_hostile_names_stay_text, test_a_thousand_runs_within_three_seconds):
            test(browser)
            print("ok", test.__name__)
    finally:
        browser.quit()
        subprocess.run(["chmod", "-R", "u+w", FOLDER], check=True)
        shutil.rmtree(FOLDER)


main()
