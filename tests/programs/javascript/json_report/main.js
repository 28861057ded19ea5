const lines = require("fs").readFileSync(0, "utf8").trim().split("\n");
const totals = new Map();
for (const line of lines) {
  const { name, amount } = JSON.parse(line);
  totals.set(name, (totals.get(name) ?? 0) + amount);
}
for (const [name, total] of [...totals].sort()) {
  console.log(`${name.padEnd(6)}${String(total).padStart(6)}`);
}
