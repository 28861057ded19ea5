// tries = "take memory that V8's own limit does not count"
// verdict = "memory_limit"
// within_ms = 3000
// needs = ["cgroup"]
const blocks = [];
for (;;) {
  blocks.push(Buffer.alloc(1 << 20, 1));
}
