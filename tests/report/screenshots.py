"""screenshots.py PAGE.html FOLDER: the page wide and narrow, light and dark, as PNG files for a person to look at."""
import os
import sys

from browser import open_browser

page, folder = sys.argv[1:]
os.makedirs(folder, exist_ok=True)
for width in (1280, 420):
    for dark in (False, True):
        browser = open_browser(width, 900, dark)
        browser.get("file://" + os.path.abspath(page))
        browser.execute_script("document.querySelector('#runs tbody tr').click()")
        height = browser.execute_script("return document.documentElement.scrollHeight")
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})
        browser.save_screenshot(os.path.join(folder, f"{width}-{'dark' if dark else 'light'}.png"))
        print([entry["message"] for entry in browser.get_log("browser")])
        browser.quit()
