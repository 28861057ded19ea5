// tries = "leave by what Node.js offers: files, sockets, programs, signals, libraries, its inspector"
// verdict = "ok"
// timeout = "10s"
// expect = { "file" = "ENOENT|EACCES", "folder" = "ENOENT|EACCES", "program" = "no root", "signal" = "ESRCH|EPERM", "library" = "ERR_DLOPEN_FAILED", "write" = "EROFS|EACCES|ETXTBSY", "connect" = "ECONNREFUSED", "unix" = "ENOENT|ECONNREFUSED|EACCES", "environment" = "none" }
const { spawnSync } = require("child_process");
const fs = require("fs");
const net = require("net");

function attempt(step, action) {
  try {
    const value = action();
    console.log(`${step}: ${value === undefined ? "done" : value}`);
  } catch (error) {
    console.log(`${step}: ${error.code}`);
  }
}

for (const path of ["/etc/shadow", "@STATE_DIR@/log", "@CANARY@", "/proc/1/environ", "/proc/@SERVICE_PID@/environ"]) {
  attempt("file", () => fs.readFileSync(path));
}
for (const path of ["/root", "/home", "/proc/1/root", "/sys", "/run"]) {
  attempt("folder", () => fs.readdirSync(path));
}
for (const path of ["/usr/lib/evil.js", "/etc/ld.so.preload", process.execPath]) {
  attempt("write", () => fs.writeFileSync(path, "x"));
}
for (const [program, ...args] of [["su", "-c", "id -u"], ["sudo", "-n", "id", "-u"], ["unshare", "-Ur", "id", "-u"]]) {
  const out = spawnSync(program, args, { timeout: 1000, input: "" }).stdout;
  console.log(`program: ${out !== null && String(out).trim() === "0" ? program : "no root"}`);
}
attempt("signal", () => process.kill(1, "SIGKILL"));
attempt("signal", () => process.kill(@SERVICE_PID@, "SIGKILL"));
fs.writeFileSync("/tmp/evil.node", "evil");
attempt("library", () => process.dlopen({ exports: {} }, "/tmp/evil.node"));
const names = Object.keys(process.env).filter((n) => !["PATH", "HOME", "LANG", "TMPDIR"].includes(n));
console.log(`environment: ${names.join(" ") || "none"}`);
for (const port of [@SERVICE_PORT@, @HOST_PORT@, 6379, 2375]) {
  net.connect(port, "127.0.0.1").on("error", (error) => console.log(`connect: ${error.code}`));
}
for (const path of ["/var/run/docker.sock", "\0@ABSTRACT@", "\0neighbour"]) {
  net.connect(path).on("error", (error) => console.log(`unix: ${error.code}`));
}
