"""What browsers need: the contract and its page, CORS, ETag, compression; seen by a real Chromium."""

import http.server
import json
import threading

import pytest
import yaml
from selenium import webdriver
from selenium.webdriver.chrome.service import Service as Driver
from selenium.webdriver.support.ui import WebDriverWait

from contract import REPOSITORY
from service import running

DOCUMENT = yaml.safe_load((REPOSITORY / "api" / "openapi.yaml").read_text())
PAGE = "https://page.example"
PAGE_DEADLINE = 60


@pytest.fixture(scope="module")
def page():
    """The port of a web page of another origin."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>a page</title>")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join(10)
    server.server_close()


@pytest.fixture(scope="module")
def allowing(page):
    """A service that lets two pages in."""
    with running(HTTP_CORS_ORIGINS=f"{PAGE}, http://127.0.0.1:{page}") as created:
        yield created


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
                     "--no-first-run", "--disable-background-networking", "--disable-component-update",
                     "--disable-sync", "--window-size=1280,1000",
                     f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(service=Driver("/usr/bin/chromedriver"), options=options)
    driver.set_script_timeout(PAGE_DEADLINE)
    driver.set_page_load_timeout(PAGE_DEADLINE)
    yield driver
    driver.quit()


def test_openapi_isTheContract(service):
    response = service.get("/openapi.json")
    assert response.json == json.loads(json.dumps(DOCUMENT))


def requested(browser):
    """The URLs that pages have asked for since the last call."""
    messages = (json.loads(entry["message"])["message"] for entry in browser.get_log("performance"))
    return [message["params"]["request"]["url"] for message in messages
            if message["method"] == "Network.requestWillBeSent"]


def test_docs_renderEveryOperationFromThisHostAlone(service, browser):
    requested(browser)
    browser.get_log("browser")
    browser.get(f"http://127.0.0.1:{service.port}/docs")
    summaries = [operation["summary"] for item in DOCUMENT["paths"].values()
                 for operation in item.values()]
    shown = """
      const root = document.querySelector('rapi-doc').shadowRoot;
      return root ? root.textContent : '';
    """
    WebDriverWait(browser, PAGE_DEADLINE).until(
        lambda driver: all(summary in driver.execute_script(shown) for summary in summaries))
    own = f"http://127.0.0.1:{service.port}/"
    urls = [url for url in requested(browser) if not url.startswith(("data:", "blob:", "chrome"))]
    assert own + "openapi.json" in urls
    assert [url for url in urls if not url.startswith(own)] == []
    complaints = [entry["message"] for entry in browser.get_log("browser")
                  if entry["level"] == "SEVERE" and "favicon.ico" not in entry["message"]]
    assert complaints == []


FETCH = """
const [url, options, done] = arguments;
fetch(url, options).then(async r => done([r.status, await r.text(), r.headers.get('location')]),
                         e => done('refused: ' + e));
"""


def fetch(browser, url, **options):
    return browser.execute_async_script(FETCH, url, options)


JSON_POST = {"method": "POST", "headers": {"Content-Type": "application/json"},
             "body": json.dumps({"language": "python", "code": "print(6 * 7)", "wait": "30s"})}


def test_pageThatIsLetIn_runsAJob(allowing, page, browser):
    browser.get(f"http://127.0.0.1:{page}/")
    status, body, location = fetch(browser, f"http://127.0.0.1:{allowing.port}/v1/execute", **JSON_POST)
    job = json.loads(body)
    assert (status, job["result"]["stdout"]) == (200, "42\n")
    assert location == f"/v1/execute/{job['id']}"
    status, body, _ = fetch(browser, f"http://127.0.0.1:{allowing.port}/v1/execute/{job['id']}",
                            method="DELETE")
    assert (status, json.loads(body)["id"]) == (200, job["id"])


def test_pageThatIsNot_readsWhatIsPublicOnly(service, page, browser):
    browser.get(f"http://127.0.0.1:{page}/")
    base = f"http://127.0.0.1:{service.port}"
    assert fetch(browser, base + "/v1/languages")[0] == 200
    for path, options in (("/v1/execute", JSON_POST), ("/v1/execute", {}),
                          ("/v1/execute/AAAAAAAAAAAAAAAAAAAAAA", {"method": "DELETE"})):
        assert "refused" in fetch(browser, base + path, **options), path


@pytest.mark.parametrize("origin, allowed", [
    (PAGE, True), (PAGE + ":443", False), ("https://page.example.evil", False),
    ("http://page.example", False), ("null", False)])
def test_preflight_isAnsweredForListedOriginsAlone(allowing, origin, allowed):
    response = allowing.request("OPTIONS", "/v1/execute", headers={
        "Origin": origin, "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type"})
    assert response.status == 204
    assert response.headers["vary"] == "Origin"
    if allowed:
        assert response.headers["access-control-allow-origin"] == origin
        assert "POST" in response.headers["access-control-allow-methods"]
        assert "Content-Type" in response.headers["access-control-allow-headers"]
    else:
        assert not any(name.startswith("access-control-") for name in response.headers)
    assert "access-control-allow-credentials" not in response.headers


def test_options_namesTheMethods(service):
    response = service.request("OPTIONS", "/v1/execute")
    assert (response.status, response.headers["allow"]) == (204, "POST, GET, HEAD, OPTIONS")
    assert service.request("OPTIONS", "/nothing").status == 404


def test_errorsOfAPageThatIsLetIn_canBeRead(allowing):
    response = allowing.post({"language": "x"}, headers={"Origin": PAGE})
    assert response.status == 422
    assert response.headers["access-control-allow-origin"] == PAGE


@pytest.mark.parametrize("path", ["/v1/languages", "/openapi.json", "/docs", "/docs/rapidoc.js"])
def test_etag_sparesTheBody(service, path):
    first = service.get(path)
    again = service.get(path, headers={"If-None-Match": f'"other", {first.headers["etag"]}'})
    assert (again.status, again.body) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert service.get(path, headers={"If-None-Match": '"other"'}).body == first.body


def test_largeAnswer_isCompressedForWhoAsks(service):
    job = service.wait(service.submit("print('x' * 500_000)"))
    path = f"/v1/execute/{job['id']}"
    plain = service.get(path)
    assert "content-encoding" not in plain.headers and plain.headers["vary"] == "Accept-Encoding"
    compressed = service.get(path, headers={"Accept-Encoding": "gzip"})
    assert compressed.headers["content-encoding"] == "gzip"
    assert compressed.body == plain.body
    assert compressed.size < plain.size / 20
    small = service.get("/health/live", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in small.headers
