#!/usr/bin/python3
"""Asks a service for /health all the time, until stdin ends; then prints how long each answer took, in seconds.

  tests/e2e/health_watch.py HOST PORT [EVERY]

A process of its own, as a prober is: in a thread beside a client's others it would measure their turns at the
interpreter.
"""

import http.client
import json
import select
import sys
import time


def main():
    host, port = sys.argv[1], int(sys.argv[2])
    every = float(sys.argv[3]) if len(sys.argv) > 3 else 0.02
    latencies = []
    while not select.select([sys.stdin], [], [], every)[0]:
        started = time.monotonic()
        connection = http.client.HTTPConnection(host, port, timeout=90)
        connection.request("GET", "/health")
        answer = connection.getresponse()
        answer.read()
        connection.close()
        latencies.append(time.monotonic() - started)
        assert answer.status == 200, answer.status
    json.dump(latencies, sys.stdout)


if __name__ == "__main__":
    main()
