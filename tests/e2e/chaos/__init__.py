"""Many nodes on one Redis, while whatever can die dies: `./dev chaos`, and test_chaos.py in short.

`run.chaos()` starts the fleet (fleet.py) and the clients (clients.py), lets havoc.py loose on them, and
afterwards checks every job (jobs.py knows what each has to print), Redis's own record of all writes
(ledger.py), and that nothing is left behind (leftovers.py).
"""
