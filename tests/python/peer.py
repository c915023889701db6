"""Makes calls with the installed `bimpeai` and lets a server write down what comes.

    peer.py URL CASES

CASES is a JSON file: the key, the default headers and the calls. Call number n goes to
URL/sync/n by the one client and to URL/async/n by the other; the server answers as the API would,
so whatever the SDK raises is a failure.
"""

import asyncio
import json
import sys

import httpx

import bimpeai


def arguments(case):
    """The call of a case, as a caller of the SDK writes it."""
    positional = [value for _, value in case["ids"]]
    keywords = {**case["query"], **case["options"]}
    body = case["body"]
    if body is not None and case["positional"]:
        positional.append(body)
    elif body is not None:
        keywords.update(body)
    if case["python"].endswith(".stream"):
        keywords["reconnect"] = False
    return positional, keywords


def operation(client, case):
    for name in case["python"].split(".")[1:]:
        client = getattr(client, name)
    return client


def options(settings, who, url, number):
    return {
        "api_key": settings["key"],
        "base_url": f"{url}/{who}/{number}",
        "default_headers": settings["default_headers"],
    }


def sync(url, settings, failures):
    with httpx.Client() as http:
        for number, case in settings["cases"]:
            client = bimpeai.BimpeAI(**options(settings, "sync", url, number), http_client=http)
            positional, keywords = arguments(case)
            try:
                result = operation(client, case)(*positional, **keywords)
                if case["python"].endswith(".stream"):
                    assert len(list(result)) == 1, "one message"
            except Exception as error:
                failures.append((case, error))


async def asynchronous(url, settings, failures):
    async with httpx.AsyncClient() as http:
        for number, case in settings["cases"]:
            client = bimpeai.AsyncBimpeAI(
                **options(settings, "async", url, number), http_client=http
            )
            positional, keywords = arguments(case)
            try:
                result = operation(client, case)(*positional, **keywords)
                if case["python"].endswith(".stream"):
                    assert len([message async for message in result]) == 1, "one message"
                else:
                    await result
            except Exception as error:
                failures.append((case, error))


def main(url, path):
    with open(path, encoding="utf-8") as file:
        settings = json.load(file)
    failures = []
    sync(url, settings, failures)
    asyncio.run(asynchronous(url, settings, failures))
    for case, error in failures:
        print(f"{case['python']}: {type(error).__name__}: {error}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
