const { Worker, isMainThread, parentPort, workerData } = require("worker_threads");
const crypto = require("crypto");

if (isMainThread) {
  const workers = [1, 2, 3].map((n) => new Promise((resolve, reject) => {
    const worker = new Worker(__filename, { workerData: n });
    worker.on("message", resolve);
    worker.on("error", reject);
  }));
  Promise.all(workers).then((digests) => digests.forEach((digest) => console.log(digest)));
} else {
  parentPort.postMessage(crypto.createHash("sha256").update(`job ${workerData}`).digest("hex").slice(0, 16));
}
