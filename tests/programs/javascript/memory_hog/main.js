const kept = [];
for (let n = 0; n < 4096; n++) {
  kept.push(Buffer.alloc(1 << 20, n));
}
console.log("kept", kept.length);
