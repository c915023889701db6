"""The official Python SDK on the canned server: `python python_rival.py http://127.0.0.1:PORT`.

Prints a figure a line, name and value with a tab between. Started by the benchmark `figures` when
BIMPEAI_BENCH_PYTHON names a Python that has the SDK; never a dependency of anything.
"""

import statistics
import sys
import time

from bimpeai import BimpeAI

client = BimpeAI(api_key="sk_bench_0123456789abcdef", base_url=sys.argv[1])


def figure(name, units, times, work):
    work()
    rounds = []
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(times):
            work()
        rounds.append(times * units / (time.perf_counter() - started))
    print(f"{name}\t{statistics.median(rounds):.0f}", flush=True)


def stream(conversation):
    for _ in client.conversations.messages.stream("agt_1", conversation, reconnect=False):
        pass


def create():
    client.agents.create(
        name="Restaurant assistant",
        workflow_id="wf_01HZY3V5T8M2",
        description="Takes orders and books tables for the restaurant at the harbour.",
        language="en",
        timezone="Europe/Lisbon",
        business_name="Harbour Kitchen",
    )


figure("retrieve", 1, 200, lambda: client.agents.retrieve("agt_1"))
figure("create", 1, 200, create)
figure("list, agents", 100, 20, lambda: client.agents.list(page=1, limit=100))
figure("stream, 100 B", 200_000, 1, lambda: stream("s100"))
figure("stream, 2,000 B", 40_000, 1, lambda: stream("s2000"))
