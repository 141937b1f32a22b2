"""Times MODULE and compares it with two plain routers on a small fleet. Needs numpy only.

The fleet and its traffic are public and simple; scores of the problem itself come from secret workloads (see
provenance.json).
"""

import time
from collections import OrderedDict

import numpy as np
from MODULE import route

INSTANCES = 8
REQUESTS = 1500
LIMIT = 5.0
VIEW = 0.5
CACHE = 1000
COSTS = np.array([0.02, 1e-4, 1.9e-9, 0.01])


def draw(seed=0):
    """Requests (arrival, tokens, blocks): sessions that grow, on shared prompts of Zipf popularity."""
    rng = np.random.default_rng(seed)
    shared = [rng.integers(1, 2**62, rng.integers(2, 20)).tolist() for _ in range(30)]
    weights = 1 / np.arange(1, 31)
    found = []
    while len(found) < REQUESTS:
        start = rng.random() * REQUESTS / 6.5
        blocks = list(shared[rng.choice(30, p=weights / weights.sum())])
        for _ in range(rng.geometric(0.5)):
            blocks += rng.integers(1, 2**62, max(1, int(9 * rng.lognormal(0, 0.9)))).tolist()
            found.append((start, 512 * len(blocks), np.array(blocks)))
            start += 15 * rng.lognormal(0, 0.8)
    return sorted(found[:REQUESTS], key=lambda request: request[0])


def seconds(tokens, cached):
    """Time to read a prompt."""
    new = tokens - min(512 * cached, tokens - 1)
    return COSTS[0] + COSTS[1] * new + COSTS[2] * new * (tokens - new / 2), new


class Server:
    """Reads prompts in their order and caches what it has read; decoding is left out."""

    def __init__(self):
        self.cache, self.queue, self.free, self.done, self.busy = OrderedDict(), [], 0.0, 0, 0.0

    def match(self, blocks):
        count = 0
        for block in blocks:
            if block not in self.cache:
                break
            count += 1
        return count

    def advance(self, now):
        """Finish what is read by now; gives times to first token."""
        out = []
        while self.queue:
            arrival, tokens, blocks, _ = self.queue[0]
            took, new = seconds(tokens, self.match(blocks))
            start = max(self.free, arrival)
            if start + took > now:
                break
            self.queue.pop(0)
            self.free, self.done, self.busy = start + took, self.done + new, self.busy + took
            for block in blocks[::-1]:
                self.cache[block] = None
                self.cache.move_to_end(block)
            while len(self.cache) > CACHE:
                self.cache.popitem(last=False)
            out.append(self.free - arrival)
        return out


def serve(router, requests):
    """Route and serve everything; gives times to first token and the time of each call."""
    servers, ttft, took = [Server() for _ in range(INSTANCES)], [], []
    seen = -VIEW
    for number, (now, tokens, blocks) in enumerate(requests):
        if now - seen >= VIEW:
            seen = now // VIEW * VIEW
            for server in servers:
                ttft += server.advance(seen)
            rows = [[len(s.queue), sum(q[3] for q in s.queue), 0, s.done, s.busy] for s in servers]
        cached = [server.match(blocks.tolist()) for server in servers]
        view = np.vstack([cached, np.array(rows, dtype=np.float64).T])
        started = time.perf_counter()
        chosen = router(number, now, now - seen, tokens, blocks, view)
        took.append(time.perf_counter() - started)
        new = seconds(tokens, servers[chosen].match(blocks.tolist()))[1]
        servers[chosen].queue.append((now, tokens, blocks.tolist(), new))
    for server in servers:
        ttft += server.advance(np.inf)
    return np.array(ttft), took


def main():
    """Print one line for each router."""
    requests = draw()

    def ours(number, now, age, tokens, blocks, view):
        reply = route(
            now_seconds=now,
            age_seconds=age,
            input_tokens=tokens,
            blocks=blocks,
            view=view,
            costs=COSTS,
            objective_seconds=LIMIT,
        )
        return int(reply[0])

    def in_turn(number, now, age, tokens, blocks, view):
        return number % INSTANCES

    def longest_prefix(number, now, age, tokens, blocks, view):
        return int(np.lexsort((view[2], -view[0]))[0])

    print(f"{'router':>16} {'in time %':>10} {'p90 s':>8} {'us/call':>8}")
    for name, router in (("MODULE", ours), ("round robin", in_turn), ("longest prefix", longest_prefix)):
        ttft, took = serve(router, requests)
        share = 100 * np.mean(ttft <= LIMIT)
        print(f"{name:>16} {share:10.1f} {np.quantile(ttft, 0.9):8.2f} {1e6 * np.median(took):8.0f}")


if __name__ == "__main__":
    main()
