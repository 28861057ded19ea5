const { setTimeout: sleep } = require("timers/promises");

async function worker(name, pause) {
  for (let step = 1; step <= 2; step++) {
    await sleep(pause);
    console.log(name, step);
  }
  return name;
}

Promise.all([worker("fast", 40), worker("slow", 300)]).then((done) => console.log(done.join(" and ")));
