"""Chromium without a network, for the pages that commands write."""

import shutil

import pytest


@pytest.fixture(scope="module")
def chromium():
    """A headless Chromium; the tests that need it are skipped where it or its driver is not
    installed.
    """
    browser, driver = (
        next(filter(None, map(shutil.which, names)), None)
        for names in (("chromium", "chromium-browser", "google-chrome"), ("chromedriver",))
    )
    if not (browser and driver):
        pytest.skip("Chromium and chromedriver are not installed")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    running = webdriver.Chrome(options, webdriver.chrome.service.Service(driver))
    running.execute_cdp_cmd("Network.enable", {})
    running.execute_cdp_cmd(
        "Network.emulateNetworkConditions",
        {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0},
    )
    yield running
    running.quit()


def wide(browser, width: int, scheme: str = "light") -> None:
    """The window's width, and the scheme its reader prefers."""
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
    )
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )


def one(browser, selector: str):
    return browser.find_element("css selector", selector)
