// tries = "start workers, which are threads of their own heaps, until it is refused"
// verdict = ["process_limit", "memory_limit", "signalled", "nonzero_exit", "time_limit"]
// timeout = "3s"
// max_processes = 64
const { Worker } = require("worker_threads");

for (;;) {
  new Worker("setInterval(() => {}, 1000)", { eval: true }).on("error", () => {});
}
