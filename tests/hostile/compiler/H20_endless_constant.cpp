// tries = "a constant that takes for ever to evaluate, and one that takes all memory"
// verdict = "compile_error"
// compile_stderr = "exceeds limit|exceeds maximum"
constexpr unsigned long Spin() {
  unsigned long n = 0;
  while (true) {
    ++n;
  }
  return n;
}

constexpr unsigned long Deep(unsigned long n) { return Deep(n + 1) + Deep(n + 2); }

constexpr unsigned long kSpin = Spin();
constexpr unsigned long kDeep = Deep(0);

int main() { return kSpin + kDeep; }
