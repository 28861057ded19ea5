#include "sandbox/warm/node.h"

#include <dlfcn.h>

#include <bit>
#include <cstdio>
#include <cstring>

namespace sandbox::warm {
namespace {

// The first use of the console, of a pipe and of stdin takes longer than the rest of a small
// program: Node.js loads those of its modules that it needs, and V8 compiles their functions. Here
// that is done to no effect: a console that writes to nothing. No event, timer or asynchronous
// resource is made, and no name that a program sees. The process's own streams are not touched
// (with a colorMode of its own a console does not ask stderr for colours), since they become what
// their descriptors are at that time.
constexpr char kSource[] = R"js(
try {
  const load = process.getBuiltinModule;
  for (const name of ["net", "readline", "events", "util"]) load(name);
  load("fs").ReadStream;
  const nothing = { write: () => true, on() {}, once() {}, removeListener() {}, listenerCount: () => 0 };
  new (load("console").Console)({ stdout: nothing, colorMode: false }).log("", 0, [0], { a: 0 });
} catch {}
)js";

// V8's functions, as they have been called for many versions. What they answer are handles, of a
// pointer's size.
struct V8 {
  void* (*isolate)() = nullptr;
  void* (*context)(void*) = nullptr;
  void* (*text)(void*, const char*, int, int) = nullptr;
  void* (*compile)(void*, void*, void*) = nullptr;
  void* (*run)(void*, void*) = nullptr;
  void (*begin_scope)(void*, void*) = nullptr;
  void (*end_scope)(void*) = nullptr;
  void (*begin_try)(void*, void*) = nullptr;
  void (*end_try)(void*) = nullptr;

  bool Find() {
    return Find("_ZN2v87Isolate10GetCurrentEv", &isolate) &&
           Find("_ZN2v87Isolate17GetCurrentContextEv", &context) &&
           Find("_ZN2v86String11NewFromUtf8EPNS_7IsolateEPKcNS_13NewStringTypeEi", &text) &&
           Find(
               "_ZN2v86Script7CompileENS_5LocalINS_7ContextEEENS1_INS_6StringEEEPNS_"
               "12ScriptOriginE",
               &compile) &&
           Find("_ZN2v86Script3RunENS_5LocalINS_7ContextEEE", &run) &&
           Find("_ZN2v811HandleScopeC1EPNS_7IsolateE", &begin_scope) &&
           Find("_ZN2v811HandleScopeD1Ev", &end_scope) &&
           Find("_ZN2v88TryCatchC1EPNS_7IsolateE", &begin_try) &&
           Find("_ZN2v88TryCatchD1Ev", &end_try);
  }

 private:
  template <typename F>
  static bool Find(const char* name, F* function) {
    *function = reinterpret_cast<F>(::dlsym(RTLD_DEFAULT, name));
    return *function != nullptr;
  }
};

// What Node.js reckons its own age from: two variables, and an array, in the C library's heap, that
// begins with the same moment (UTC in microseconds, then CLOCK_MONOTONIC in nanoseconds), followed
// by the moments at which its start has come to certain points; -1: not yet.
struct Age {
  static constexpr int kMoments = 8;

  uint64_t* node_start = nullptr;     // for process.uptime()
  uint64_t* process_start = nullptr;  // for performance.now()
  double* moments = nullptr;          // for performance.timeOrigin and nodeTiming

  void Find() {
    const auto* utc = static_cast<const double*>(
        ::dlsym(RTLD_DEFAULT, "_ZN4node11performance35performance_process_start_timestampE"));
    Find("_ZN4node11performance25performance_process_startE", &process_start);
    Find("_ZN4node11per_process15node_start_timeE", &node_start);
    if (utc == nullptr || process_start == nullptr || node_start == nullptr) {
      return;
    }
    uintptr_t begin = 0;
    uintptr_t end = 0;
    if (!FindHeap(&begin, &end)) {
      return;
    }
    auto* const first = reinterpret_cast<double*>(begin);  // NOLINT(performance-no-int-to-ptr)
    const size_t count = (end - begin) / sizeof(double);
    for (size_t i = 0; i + kMoments <= count; ++i) {
      if (IsSame(first[i], *utc) && IsSame(first[i + 1], static_cast<double>(*process_start))) {
        moments = first + i;
        return;
      }
    }
  }

 private:
  // Bit for bit: what lies there may be no number.
  static bool IsSame(double a, double b) {
    return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b);
  }

  static void Find(const char* name, uint64_t** variable) {
    *variable = static_cast<uint64_t*>(::dlsym(RTLD_DEFAULT, name));
  }

  static bool FindHeap(uintptr_t* begin, uintptr_t* end) {
    FILE* const maps = std::fopen("/proc/self/maps", "re");
    char line[512];
    bool found = false;
    while (maps != nullptr && !found && std::fgets(line, sizeof(line), maps) != nullptr) {
      found = std::strstr(line, " [heap]") != nullptr;
    }
    if (maps != nullptr) {
      std::fclose(maps);
    }
    return found && std::sscanf(line, "%zx-%zx", begin, end) == 2;
  }
};

Age g_age;

}  // namespace

void PrepareNode() {
  g_age.Find();
  V8 v8;
  void* const isolate = v8.Find() ? v8.isolate() : nullptr;
  if (isolate == nullptr) {
    return;
  }
  alignas(16) char scope[256];  // a v8::HandleScope and a v8::TryCatch, which are smaller
  alignas(16) char caught[256];
  v8.begin_scope(scope, isolate);
  v8.begin_try(caught, isolate);
  void* const context = v8.context(isolate);
  void* const source = v8.text(isolate, kSource, 0, -1);
  void* const script =
      context != nullptr && source != nullptr ? v8.compile(context, source, nullptr) : nullptr;
  if (script != nullptr) {
    v8.run(script, context);
  }
  v8.end_try(caught);
  v8.end_scope(scope);
}

void ForgetWait(int64_t nanos) {
  if (g_age.moments == nullptr) {
    return;
  }
  *g_age.node_start += static_cast<uint64_t>(nanos);
  *g_age.process_start += static_cast<uint64_t>(nanos);
  g_age.moments[0] += static_cast<double>(nanos) / 1000;
  for (int i = 1; i < Age::kMoments; ++i) {
    g_age.moments[i] += g_age.moments[i] > 0 ? static_cast<double>(nanos) : 0;
  }
}

}  // namespace sandbox::warm
