for (let n = 0; ; n++) {
  if (n < 0) {
    console.log("never");
  }
}
