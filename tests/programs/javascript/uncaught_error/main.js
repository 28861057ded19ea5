console.log("before");
function fail() {
  throw new TypeError("nobody catches this");
}
fail();
