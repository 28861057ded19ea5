"""What goes wrong. Each victim has a thread and a random generator of its own, so that the faults of
one seed come in the same order again, several at once, with every kind of fault in each round."""

import collections
import random
import signal
import threading

from chaos.fleet import LEASE

# In seconds. A stopped node comes back after its leases have run out.
STOPPED = (1.25 * LEASE, 2.5 * LEASE)
STOPPED_REDIS = (0.5, 2.5 * LEASE)
DOWN = (0.1, 1.5)


class Havoc:
    """Starts with `start`, ends with `stop`: then everything runs again."""

    def __init__(self, fleet, seed):
        self.fleet = fleet
        self.seed = seed
        self.counts = collections.Counter()  # faults by kind
        self._over = threading.Event()
        self._threads = []
        for node in fleet.workers:
            self._victim(node.name, (0.5, 4), {
                "worker killed": self._kill(node), "worker stopped": self._stop(node.service),
                "worker restarted": self._restart(node),
                "launcher killed": self._kill_launcher(node)})
        for node in fleet.apis:
            self._victim(node.name, (1, 5), {
                "api killed": self._kill(node), "api stopped": self._stop(node.service),
                "api restarted": self._restart(node)})
        self._victim("redis", (2, 6), {
            "redis killed": self._kill_redis(signal.SIGKILL),
            "redis stopped": self._stop(fleet.redis, STOPPED_REDIS),
            "redis restarted": self._kill_redis(signal.SIGTERM)})
        self._victim("network", (1, 4), {
            "network cut": self._cut, "network silent": self._silence,
            "network silent, then cut": self._silence_and_cut})

    def start(self):
        for thread in self._threads:
            thread.start()

    def stop(self):
        self._over.set()
        for thread in self._threads:
            thread.join(120)
            if thread.is_alive():
                self.fleet.problem(f"the havoc at {thread.name} does not end")

    def _victim(self, name, calm, faults):
        self._threads.append(threading.Thread(
            target=self._torment, args=(name, calm, faults), name=name, daemon=True))

    def _torment(self, name, calm, faults):
        rng = random.Random(f"{self.seed} {name}")
        deck = []
        try:
            while not self._over.wait(rng.uniform(*calm)):
                if not deck:
                    deck = sorted(faults)
                    rng.shuffle(deck)
                kind = deck.pop()
                self.counts[kind] += 1
                faults[kind](rng)
        except Exception as error:  # noqa: BLE001: nobody else would hear of it
            self.fleet.problem(f"the havoc at {name} failed: {error!r}")

    def _last(self, rng, span):
        """A fault lasts; not beyond the end of all."""
        self._over.wait(rng.uniform(*span))

    def _kill(self, node):
        def fault(rng):
            node.kill()
            self._last(rng, DOWN)
            node.start()
        return fault

    def _kill_launcher(self, node):
        def fault(rng):
            if node.kill_launcher():
                self._last(rng, DOWN)
                node.start()
        return fault

    def _restart(self, node):
        def fault(rng):
            node.terminate()
            self._last(rng, DOWN)
            node.start()
        return fault

    def _stop(self, process, span=STOPPED):
        def fault(rng):
            process.pause()
            try:
                self._last(rng, span)
            finally:
                process.resume()
        return fault

    def _kill_redis(self, number):
        def fault(rng):
            redis = self.fleet.redis
            redis.process.send_signal(number)
            redis.process.wait(30)
            self._last(rng, DOWN)
            redis.start()
        return fault

    def _cut(self, rng):
        """Connections are reset, and refused for a while."""
        self.fleet.proxy.refuses = True
        self.fleet.proxy.cut()
        self._last(rng, STOPPED)
        self.fleet.proxy.refuses = False

    def _silence(self, rng):
        """Nothing passes, nothing is closed; then what was under way arrives late."""
        self.fleet.proxy.hold()
        self._last(rng, STOPPED)
        self.fleet.proxy.let_go()

    def _silence_and_cut(self, rng):
        """Nothing passes, and what was under way never arrives."""
        self.fleet.proxy.hold()
        self._last(rng, STOPPED)
        self.fleet.proxy.cut()
        self.fleet.proxy.let_go()
