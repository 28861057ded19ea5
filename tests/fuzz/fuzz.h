#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

// A fuzz target, for two uses: with -DLIBFUZZER a program of its own, driven by libFuzzer; else
// part of the unit tests, which replay the corpus (replay_test.cc).
//
//   FUZZ(duration, data) { ... reads the std::string_view `data` ... }
//
// A property that does not hold ends the process: MUST(condition).
namespace fuzz {

struct Target {
  const char* name;
  void (*run)(std::string_view);
};

inline std::vector<Target>& Targets() {
  static std::vector<Target> targets;
  return targets;
}

struct Registration {
  Registration(const char* name, void (*run)(std::string_view)) {
    Targets().push_back({name, run});
  }
};

// Takes an input apart.
class Input {
 public:
  explicit Input(std::string_view data) : rest_(data) {}

  // Zero bytes once the input is used up.
  template <typename T>
  T Take() {
    T value{};
    const std::string_view bytes = TakeBytes(sizeof(T));
    for (size_t i = 0; i < bytes.size(); ++i) {
      reinterpret_cast<char*>(&value)[i] = bytes[i];
    }
    return value;
  }

  std::string_view TakeBytes(size_t most) {
    const std::string_view taken = rest_.substr(0, most);
    rest_.remove_prefix(taken.size());
    return taken;
  }

  std::string_view TakeUntil(char end) {
    const size_t at = rest_.find(end);
    const std::string_view taken = rest_.substr(0, at);
    rest_ = at == std::string_view::npos ? std::string_view() : rest_.substr(at + 1);
    return taken;
  }

  std::string_view TakeRest() { return TakeBytes(rest_.size()); }

  bool empty() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

}  // namespace fuzz

#define MUST(condition)                                                                   \
  do {                                                                                    \
    if (!(condition)) {                                                                   \
      std::fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                       \
    }                                                                                     \
  } while (false)

#ifdef LIBFUZZER
#define FUZZ(name, input)                                                   \
  static void Run_##name(std::string_view);                                 \
  extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) { \
    Run_##name({reinterpret_cast<const char*>(data), size});                \
    return 0;                                                               \
  }                                                                         \
  static void Run_##name(std::string_view input)
#else
#define FUZZ(name, input)                                                 \
  static void Run_##name(std::string_view);                               \
  static const fuzz::Registration registration_##name{#name, Run_##name}; \
  static void Run_##name(std::string_view input)
#endif
