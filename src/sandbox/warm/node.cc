#include "sandbox/warm/node.h"

#include <dlfcn.h>

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

}  // namespace

void PrepareNode() {
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

}  // namespace sandbox::warm
